// What an Engine is made of, kept alive by whoever still needs it.
//
//   std::shared_ptr<EngineCore> core = EngineCore::Create(table, options);
//   std::shared_ptr<ChannelBinding> channel =
//       core->BindChannel("payment", {""});
//   std::shared_ptr<const MethodBinding> method = channel->Find("/p.S/M");
//   if (method == nullptr) ...  // no policy: pass through
//
// Held by the public Engine, by each interceptor factory (so by each channel)
// and by each call in flight. It ends with the last of them, on whatever thread
// that happens; see io.h for how its threads end then.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_
#define FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "firebreak/engine.h"
#include "firebreak/export.h"
#include "src/core/base/mutex.h"
#include "src/core/measure/event_log.h"
#include "src/engine/binding_cache.h"
#include "src/engine/callbacks/listeners.h"
#include "src/engine/io/io.h"
#include "src/engine/io/recovery.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/lint_traffic.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_watch.h"

namespace firebreak::engine {

class EngineCore;

// What the application's callbacks did that was contained.
struct CallbackCounters {
  std::atomic<int64_t> classifier_threw{0};
  std::atomic<int64_t> classifier_late{0};
  std::atomic<int64_t> classifier_skipped{0};  // no room on the pool
  std::atomic<int64_t> fallback_threw{0};
};

// Admin calls that are in the audit, or would be were refusals not limited.
struct AuditCounters {
  std::atomic<int64_t> changed{0};
  std::atomic<int64_t> refused{0};
};

// What became of updates of the policy so far; of dry runs nothing is counted.
struct PolicyStats {
  int64_t applied = 0;
  int64_t unchanged = 0;  // said the same as the policy in force
  int64_t refused = 0;    // faults in it, no file, or ABORTED by `if_version`
  uint64_t version = 0;   // in force
  // Of the last that was applied or unchanged, else the engine's start.
  std::chrono::system_clock::time_point last_success;
  // The last one was refused for its faults, as was each since then.
  bool is_refused = false;
  std::chrono::system_clock::time_point refused_since;
};

// What a channel has beside its own target.
struct ChannelExtras {
  // The channels of the targets 1, 2, ...
  std::vector<std::shared_ptr<grpc::Channel>> replicas;
  std::shared_ptr<AttemptListener> listener;
};

// One channel's view of the engine: its name, its targets, its methods.
class ChannelBinding {
 public:
  ChannelBinding(std::shared_ptr<EngineCore> core, std::string name,
                 std::vector<std::string> targets, ChannelExtras extras);
  // On any thread, a gRPC callback's included: the replicas go on the engine's.
  ~ChannelBinding();
  ChannelBinding(const ChannelBinding&) = delete;
  ChannelBinding& operator=(const ChannelBinding&) = delete;

  // As the policy now has it. Null when no entry names the method. Takes a lock
  // only for a method that its threads have not called yet under this policy.
  std::shared_ptr<const MethodBinding> Find(absl::string_view method);

  const std::shared_ptr<EngineCore>& core() const { return core_; }
  const std::string& name() const { return name_; }
  const std::vector<std::string>& targets() const { return targets_; }
  // Of target n > 0.
  const std::shared_ptr<grpc::Channel>& replica(int n) const {
    return extras_.replicas[static_cast<size_t>(n - 1)];
  }
  AttemptListener* listener() const { return extras_.listener.get(); }
  // For Find(); bounded (binding_cache.h).
  size_t names_remembered() { return cache_.size(); }

 private:
  // One binding for all threads. `version`: of the policy, just now.
  std::shared_ptr<const MethodBinding> FindShared(uint64_t version,
                                                  absl::string_view method);

  const std::shared_ptr<EngineCore> core_;
  const std::string name_;
  const std::vector<std::string> targets_;
  ChannelExtras extras_;
  BindingCache cache_;
  core::Mutex mu_;
  // Of the engine's policy that `methods_` are from.
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const MethodBinding>>
      methods_ ABSL_GUARDED_BY(mu_);
};

class EngineCore : public std::enable_shared_from_this<EngineCore> {
 public:
  // `source`: as in PolicyUpdate.
  static absl::StatusOr<std::shared_ptr<EngineCore>> Create(
      PolicyTable policy, const EngineOptions& options,
      absl::string_view source = "");

  std::shared_ptr<ChannelBinding> BindChannel(std::string name,
                                              std::vector<std::string> targets,
                                              ChannelExtras extras = {});
  // Names that channels have been made with, sorted.
  std::vector<std::string> ChannelNames() const;
  // Makes the breakers of a method that has not been called yet, one for each
  // target of the channel; nothing where there is no policy for it, or no such
  // channel.
  void Prepare(const std::string& channel, const std::string& method);
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method, Fallback fallback);
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method,
                           const FallbackChain& chain);
  absl::Status SetClassifier(const std::string& channel,
                             const std::string& method, Classifier classifier);

  // Replaces the policy, for calls that begin from now on; those under way end
  // with the one they began with. All state that the new one leaves room for
  // stays: windows, timers, overrides, tokens, queues, what has been learned.
  // Of a policy that could not be had, its error: that too is an event.
  absl::StatusOr<PolicyChange> UpdatePolicy(
      const absl::StatusOr<PolicyTable>& policy, const PolicyUpdate& update);
  PolicyInForce policy_in_force() const;
  // Those that were in force before, the last one first; at most kMaxHistory.
  std::vector<PolicyInForce> policy_history() const;
  // Exported for libfirebreak_prometheus (docs/adr/0021).
  FIREBREAK_EXPORT PolicyStats policy_stats() const;
  // An event about the policy, which stays as it is. Both texts are printable.
  void NotePolicyIsWell(const std::string& source, absl::string_view what);
  absl::Status WatchFile(const std::string& path, const WatchOptions& options);
  // The same with a watch that has been made, and no more.
  absl::Status Watch(const std::shared_ptr<PolicyWatch>& watch);
  void StopWatching();

  // Of the policy in force, with what the engine has seen.
  std::vector<LintFinding> Lint() const;
  // A service that was called and has no policy.
  void NoteUnguarded(absl::string_view method);
  // Something about a channel that Lint() is to say; a warning at once.
  void AddChannelFinding(const std::string& channel, LintFinding finding);

  // Every method seen so far, sorted by channel and method.
  // Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::vector<std::shared_ptr<MethodRuntime>> Methods() const;
  // And their settings, all of one policy, however often it is replaced.
  // Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::vector<std::pair<std::shared_ptr<MethodRuntime>,
                                         std::shared_ptr<const MethodSettings>>>
  MethodsAndSettings() const;
  const core::EventLog& events() const { return events_; }
  // For what happens outside of the engine and belongs in the same log.
  core::EventLog* event_log() { return &events_; }
  const EngineOptions& options() const { return options_; }
  // Drawn at the start: tells its events from those of the process before.
  uint64_t instance() const { return instance_; }
  // And `version`, if it is wanted.
  PolicyTable policy(uint64_t* version = nullptr) const;
  Io* io() { return &io_; }
  Recovery* recovery() { return recovery_.get(); }
  Listeners* listeners() { return listeners_.get(); }
  CallbackCounters* callback_counters() { return &callback_counters_; }
  AuditCounters* audit_counters() { return &audit_counters_; }
  // A new seed for whoever needs one.
  uint64_t NextSeed();
  // Metadata that looked like ours and came from somewhere else, so far.
  int64_t foreign_metadata() const { return foreign_metadata_; }
  void CountForeignMetadata(int n) { foreign_metadata_ += n; }

  // Of several factories on one channel only the first may act, or a call
  // would be counted once for each. True for the first `factory` that claims
  // `channel`, and for it again.
  bool ClaimChannel(const void* channel, const void* factory);
  void ReleaseChannel(const void* factory);

  ~EngineCore();

 private:
  friend class ChannelBinding;

  EngineCore(PolicyTable policy, const EngineOptions& options,
             absl::string_view source);

  // Of a method that has been called, and that the policy names no more. Its
  // calls pass untouched, so these only say that there is nothing.
  static std::shared_ptr<const core::MethodOptions> Nothing();
  // The runtime that something is set for; checks the name.
  absl::StatusOr<std::shared_ptr<MethodRuntime>> RuntimeToSet(
      const std::string& channel, const std::string& method);
  // The runtime of a method, made when first asked for; null without policy.
  std::shared_ptr<MethodRuntime> RuntimeFor(const std::string& channel,
                                            absl::string_view method);
  // Gives a binding what the policy now has for its runtime.
  void Bind(const std::vector<std::string>& targets, MethodBinding* binding);
  // The breaker that the method's policy asks for: its own, or the channel's.
  core::Breaker* BreakerFor(MethodRuntime* runtime,
                            const core::MethodOptions& options,
                            const std::string& target)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Warn(const std::string& channel, const std::string& method,
            std::string cause);
  // Whether `target` would be one too many for the shared breakers of
  // `channel`.
  bool IsOneTooMany(const std::string& channel, const std::string& target) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // For a channel and method past max_methods: the channel's, or one for all
  // channels where these are too many themselves.
  std::shared_ptr<MethodRuntime> OtherRuntime(
      const std::pair<std::string, std::string>& asked_for)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Those who came in by a new policy; they go where nothing is locked.
  using LetIn = std::vector<std::shared_ptr<core::Bulkhead::Waiter>>;
  // `before`: what the method has had until now.
  MethodSettings MakeSettings(
      const std::string& channel,
      std::shared_ptr<const core::MethodOptions> options,
      const MethodSettings& before, LetIn* let_in)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::shared_ptr<MethodRuntime> MakeRuntime(
      const std::string& channel, absl::string_view method,
      std::shared_ptr<const core::MethodOptions> options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What an update would come to now.
  absl::StatusOr<PolicyChange> Examine(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) const;
  void Swap(const PolicyTable& policy, const std::string& source)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(update_mu_);
  // What is known of the calls so far.
  Traffic SeenTraffic() const;
  // The first errors, as warnings in the log.
  void TellErrors(const std::vector<LintFinding>& findings);
  void AppendPolicyEvent(uint64_t from, uint64_t to, std::string cause,
                         bool refused = false);
  void SetChannelPolicy(LetIn* let_in) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetChannelBreakers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const EngineOptions options_;
  const core::Time started_;
  const uint64_t instance_;
  core::EventLog events_;
  std::atomic<uint64_t> seed_;
  std::atomic<int64_t> foreign_metadata_{0};
  CallbackCounters callback_counters_;
  AuditCounters audit_counters_;

  // Of the policy; bindings of another one are out of date. Written under
  // `mu_`.
  std::atomic<uint64_t> version_{1};

  // Held while one file takes the place of another; before a PolicyWatch's own,
  // and that before `update_mu_`.
  core::Mutex watch_mu_;
  std::shared_ptr<PolicyWatch> watch_ ABSL_GUARDED_BY(watch_mu_);  // or null
  // Held for an update as a whole, so that they come one after the other; and
  // before `mu_`.
  core::Mutex update_mu_;
  // Taken before the locks of runtimes, breakers and bulkheads.
  mutable core::Mutex mu_;
  PolicyTable policy_ ABSL_GUARDED_BY(mu_);
  std::string policy_source_ ABSL_GUARDED_BY(mu_);
  std::chrono::system_clock::time_point policy_since_ ABSL_GUARDED_BY(mu_);
  core::Time policy_began_ ABSL_GUARDED_BY(mu_);  // the same moment
  // Enough to get back from a bad evening; of a megabyte each at most.
  static constexpr std::size_t kMaxHistory = 10;
  std::deque<PolicyInForce> history_ ABSL_GUARDED_BY(mu_);
  PolicyStats policy_stats_ ABSL_GUARDED_BY(mu_);  // but for its version
  std::map<std::pair<std::string, std::string>, std::shared_ptr<MethodRuntime>>
      methods_ ABSL_GUARDED_BY(mu_);
  // Breakers of scope CHANNEL, by channel and target, and the policy entry
  // whose numbers they have; none: they are switched off.
  struct ChannelBreaker {
    std::shared_ptr<core::Breaker> breaker;
    std::string policy;
    bool warned = false;
  };
  std::map<std::pair<std::string, std::string>, ChannelBreaker>
      channel_breakers_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<core::AttemptBudget>> budgets_
      ABSL_GUARDED_BY(mu_);
  // What the methods of a channel name share, where they have none of their
  // own.
  std::map<std::string, core::Intake> intakes_ ABSL_GUARDED_BY(mu_);
  // Names that channels have been made with, and what is to be said of them; so
  // many are remembered, which is more than any program has.
  static constexpr std::size_t kMaxChannels = 1000;
  // With their targets.
  absl::flat_hash_map<std::string, absl::btree_set<std::string>> channels_
      ABSL_GUARDED_BY(mu_);
  std::vector<LintFinding> channel_findings_ ABSL_GUARDED_BY(mu_);
  // Of calls without policy; as many as channels.
  absl::flat_hash_set<std::string> unguarded_ ABSL_GUARDED_BY(mu_);
  bool warned_of_cap_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<const void*, const void*> claims_ ABSL_GUARDED_BY(mu_);

  // Last, so that its threads end before what they use.
  Io io_;
  const std::shared_ptr<Recovery> recovery_;
  const std::shared_ptr<Listeners> listeners_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_ENGINE_CORE_H_
