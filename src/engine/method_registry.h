// The methods that have been called, and what the policy in force makes of
// each: its settings, its breakers, and what it shares with the other methods
// of its channel.
//
//   std::shared_ptr<MethodRuntime> runtime =
//       registry.RuntimeFor("payment", "/p.S/M");
//   if (runtime == nullptr) ...  // no policy: pass through
//   registry.Use(policy, [](uint64_t version) { ... });   // a new policy
//
// It uses policies only as tables (policy_table.h). The PolicyStore knows where
// they come from and which ones were in force before.
//
// Thread safety: safe from any thread. Ownership: runtimes, breakers and
// budgets live as long as the registry, and are shared.
#ifndef FIREBREAK_SRC_ENGINE_METHOD_REGISTRY_H_
#define FIREBREAK_SRC_ENGINE_METHOD_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "firebreak/export.h"
#include "src/core/base/mutex.h"
#include "src/core/measure/event_log.h"
#include "src/engine/io/clock.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/policy_table.h"
#include "src/engine/policy/policy_user.h"

namespace firebreak::engine {

class MethodRegistry final : public PolicyUser {
 public:
  // Methods past `max_methods` share an entry. `events` must outlive it.
  MethodRegistry(const PolicyTable& policy, std::size_t max_methods,
                 uint64_t seed, core::EventLog* events,
                 EngineClock clock = EngineClock());
  // Sets the observer of all breakers. Called before any breaker is made. The
  // observer must outlive them.
  void SetObserver(core::BreakerObserver* observer) { observer_ = observer; }
  // Sets the tape to which methods write their calls, under the same
  // conditions.
  void SetTape(core::CallTape* tape) { tape_ = tape; }

  // Returns the runtime of a method, which is made when it is first asked for.
  // Returns null if the method has no policy.
  std::shared_ptr<MethodRuntime> RuntimeFor(const std::string& channel,
                                            absl::string_view method);
  // Gives a binding the settings and breakers of its runtime under the policy
  // in force.
  void Bind(const std::vector<std::string>& targets, MethodBinding* binding);

  // Returns every method seen so far, sorted by channel and method. Exported
  // for libfirebreak_prometheus (docs/adr/0021).
  FIREBREAK_EXPORT std::vector<std::shared_ptr<MethodRuntime>> All() const;
  // Returns these with their settings. The settings are all of one policy, even
  // if it is replaced meanwhile. Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::vector<std::pair<std::shared_ptr<MethodRuntime>,
                                         std::shared_ptr<const MethodSettings>>>
  AllWithSettings() const;

  // The current generation of bindings; bindings of any other one are out of
  // date. Each new policy begins a generation, and so does Rebind(). It is
  // written last, and read with acquire order, so a thread that reads it here
  // does not bind to anything older.
  uint64_t generation() const {
    return generation_.load(std::memory_order_acquire);
  }
  PolicyTable policy(uint64_t* generation) const override;
  // Makes calls that begin from now on get new bindings, to the same policy.
  void Rebind();
  void Use(const PolicyTable& policy,
           absl::FunctionRef<void(uint64_t version)> record) override;

  // Returns a new seed for a random number generator.
  uint64_t NextSeed() {
    return seed_.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed);
  }

 private:
  // A breaker of scope CHANNEL, and the id of the policy entry whose options it
  // has. It is switched off if there is no such entry.
  struct ChannelBreaker {
    std::shared_ptr<core::Breaker> breaker;
    std::string policy;
    bool warned = false;
  };
  // Waiting calls that a new policy has admitted. They are destroyed when no
  // lock is held.
  using AdmittedWaiters = std::vector<std::shared_ptr<core::Bulkhead::Waiter>>;

  // Returns the options of a method that has been called and that the policy
  // does not name any more. Its calls pass untouched, so all parts are off.
  static std::shared_ptr<const core::MethodOptions> Nothing();
  void Warn(const std::string& channel, const std::string& target,
            const std::string& method, std::string cause);

  // Returns the breaker that the method's policy asks for: its own or the
  // channel's.
  core::Breaker* BreakerFor(MethodRuntime* runtime,
                            const core::MethodOptions& options,
                            const std::string& target)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether `channel` has too many shared breakers already to have one for
  // `target`.
  bool IsOneTooMany(const std::string& channel, const std::string& target) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Returns the runtime for a channel and method past max_methods: one for each
  // channel, or one for all channels if there are too many channels as well.
  std::shared_ptr<MethodRuntime> OtherRuntime(
      const std::pair<std::string, std::string>& asked_for)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::shared_ptr<MethodRuntime> MakeRuntime(
      const std::string& channel, absl::string_view method,
      std::shared_ptr<const core::MethodOptions> options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `before` is what the method has had until now.
  MethodSettings MakeSettings(
      const std::string& channel,
      std::shared_ptr<const core::MethodOptions> options,
      const MethodSettings& before, AdmittedWaiters* admitted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Applies the policy in force to what the methods of a channel share.
  void SetShared(AdmittedWaiters* admitted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetChannelBreakers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const EngineClock clock_;
  const std::size_t max_methods_;
  core::EventLog* const events_;
  core::BreakerObserver* observer_ = nullptr;
  core::CallTape* tape_ = nullptr;
  std::atomic<uint64_t> seed_;

  // Acquired before the locks of runtimes, breakers and bulkheads.
  mutable core::Mutex mu_;
  std::atomic<uint64_t> generation_{1};  // written under `mu_`
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 1;
  PolicyTable policy_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<std::string, std::string>, std::shared_ptr<MethodRuntime>>
      methods_ ABSL_GUARDED_BY(mu_);
  // By channel and target.
  std::map<std::pair<std::string, std::string>, ChannelBreaker>
      channel_breakers_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<core::AttemptBudget>> budgets_
      ABSL_GUARDED_BY(mu_);
  // The admission policies of a channel name, for methods that have none of
  // their own.
  std::map<std::string, core::AdmissionControl> admissions_
      ABSL_GUARDED_BY(mu_);
  bool warned_of_cap_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_METHOD_REGISTRY_H_
