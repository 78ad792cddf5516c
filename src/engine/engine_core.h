// Owns the objects that an Engine consists of, and keeps them alive as long as
// anything needs them.
//
//   std::shared_ptr<EngineCore> core = *EngineCore::Create(table, options);
//   std::shared_ptr<ChannelBinding> channel =
//       core->BindChannel("payment", {""});
//   core->policies()->UpdatePolicy(next, update);
//
// It creates the objects below and gives each what it needs. Each has one
// subject, and its own lock next to what that guards:
//
//   MethodRegistry    methods, their breakers, budgets and settings
//   PolicyStore       the policy in force, its updates, its file
//   CandidateStore    the candidate policy, which is only counted
//   ChannelRegistry   names and targets of channels
//   Callbacks         listeners, the log, errors of callbacks
//   Io, Recovery      threads and timers; connections of open breakers
//
// The public Engine, each interceptor factory (and so each channel) and each
// call in flight hold it. It ends with the last of them, on whatever thread
// that happens; see io.h for how its threads end then.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_
#define FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/engine.h"
#include "src/core/measure/call_tape.h"
#include "src/core/measure/event_log.h"
#include "src/engine/callbacks/callbacks.h"
#include "src/engine/candidate/candidate_store.h"
#include "src/engine/channel_binding.h"
#include "src/engine/channel_registry.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/io.h"
#include "src/engine/io/recovery.h"
#include "src/engine/method_registry.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy_store.h"

namespace firebreak::engine {

// Admin calls that are in the audit log, or would be if the log of refusals
// were not limited.
struct AuditCounters {
  std::atomic<int64_t> changed{0};
  std::atomic<int64_t> refused{0};
};

class EngineCore : public std::enable_shared_from_this<EngineCore> {
 public:
  // `source` is as in PolicyUpdate.
  static absl::StatusOr<std::shared_ptr<EngineCore>> Create(
      const PolicyTable& policy, const EngineOptions& options,
      absl::string_view source = "");
  ~EngineCore();

  MethodRegistry* methods() { return &methods_; }
  const MethodRegistry* methods() const { return &methods_; }
  PolicyStore* policies() { return &policies_; }
  const PolicyStore* policies() const { return &policies_; }
  CandidateStore* candidates() { return &candidates_; }
  const CandidateStore* candidates() const { return &candidates_; }
  ChannelRegistry* channels() { return &channels_; }
  const ChannelRegistry* channels() const { return &channels_; }
  Callbacks* callbacks() { return &callbacks_; }
  Io* io() { return &io_; }
  Recovery* recovery() { return recovery_.get(); }
  AuditCounters* audit_counters() { return &audit_counters_; }
  const core::EventLog& events() const { return events_; }
  // For events outside of the engine that belong in the same log.
  core::EventLog* event_log() { return &events_; }
  // The tape to which calls are written while something reads it.
  core::CallTape* tape() { return &tape_; }
  const EngineOptions& options() const { return options_; }
  // A random number, drawn at the start. It distinguishes this engine's events
  // from those of an earlier process.
  uint64_t instance() const { return instance_; }

  // The functions below need more than one of these objects.
  std::shared_ptr<ChannelBinding> BindChannel(std::string name,
                                              std::vector<std::string> targets,
                                              ChannelExtras extras = {});
  // Makes the breakers of a method that has not been called yet, one for each
  // target of the channel. Does nothing if there is no policy for the method,
  // or no such channel.
  void Prepare(const std::string& channel, const std::string& method);
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method, Fallback fallback);
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method,
                           const FallbackChain& chain);
  absl::Status SetClassifier(const std::string& channel,
                             const std::string& method, Classifier classifier);
  // Returns the policy store as a pointer that keeps the engine alive.
  std::shared_ptr<PolicyTarget> SharedPolicies() {
    return {shared_from_this(), &policies_};
  }

  // Returns the time by the engine's clock.
  core::Time Now() const { return clock_.Now(); }
  const EngineClock& clock() const { return clock_; }
  // Whether that clock is a test's.
  bool is_virtual() const { return clock_.of_test() != nullptr; }

  // Short forms.
  std::vector<std::shared_ptr<MethodRuntime>> Methods() const {
    return methods_.All();
  }
  PolicyTable policy() const { return methods_.policy(nullptr); }
  PolicyStats policy_stats() const { return policies_.stats(); }
  Listeners* listeners() { return callbacks_.listeners(); }
  CallbackCounters* callback_counters() { return callbacks_.counters(); }
  uint64_t NextSeed() { return methods_.NextSeed(); }

  // How many metadata entries looked like ours but came from elsewhere.
  int64_t foreign_metadata() const { return foreign_metadata_; }
  void CountForeignMetadata(int n) { foreign_metadata_ += n; }

 private:
  EngineCore(const PolicyTable& policy, const EngineOptions& options,
             absl::string_view source);

  // Checks the name, and returns the runtime for which a callback is set.
  absl::StatusOr<std::shared_ptr<MethodRuntime>> RuntimeToSet(
      const std::string& channel, const std::string& method);
  // Returns what is known about the calls so far.
  Traffic SeenTraffic() const;

  const EngineOptions options_;
  const EngineClock clock_;
  const core::Time started_;
  const uint64_t instance_;
  core::EventLog events_;
  std::atomic<int64_t> foreign_metadata_{0};
  AuditCounters audit_counters_;
  core::CallTape tape_;
  ChannelRegistry channels_;
  MethodRegistry methods_;
  PolicyStore policies_;
  CandidateStore candidates_;

  // These come last, so that the threads end before what they use is destroyed.
  Io io_;
  const std::shared_ptr<Recovery> recovery_;
  Callbacks callbacks_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_
