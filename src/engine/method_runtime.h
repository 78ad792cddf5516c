// The state of one method of one channel name, shared by all its calls.
//
//   std::shared_ptr<const MethodBinding> binding =
//       channel->Find("/shop.v1.P/Charge");
//   core::CallDriver::Plan plan;
//   plan.options = binding->settings->options.get();
//   plan.targets = binding->targets;
//
// Calls of all channels of one name share a MethodRuntime: its counters, what
// it knows of its latency, what its retries teach and, through the channel's
// budget, its tokens. It has one breaker for each target that those channels go
// to. A MethodBinding is the part of it that one channel uses, with the policy
// as it is now: a call keeps the binding that it began with, and so one policy
// to its end, whatever policies come meanwhile.
//
// A breaker of scope CHANNEL is one for all methods of the channel that say so;
// its identity has the method kAllMethods.
//
// Thread safety: safe from any thread. Ownership: shared; a runtime keeps the
// budget and everything its breakers point to alive.
#ifndef FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_
#define FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/classifier.h"
#include "firebreak/export.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/base/mutex.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"
#include "src/engine/callbacks/fallback_links.h"

namespace firebreak::engine {

// The method of a breaker that all methods of its channel share.
inline constexpr char kAllMethods[] = "*";
// The name of the runtime that all methods past max_methods share.
inline constexpr char kOtherMethod[] = "other";

// How many targets of a method have a breaker of their own, or of a channel
// whose methods share them: as many as methods by default, and far more than a
// service has replicas.
inline constexpr std::size_t kMaxTargets = 1000;
// The target of the breaker for those past it.
inline constexpr char kOtherTarget[] = "other";

// What one policy makes of a method.
struct MethodSettings {
  // Never null; without any part when the policy does not name the method.
  std::shared_ptr<const core::MethodOptions> options;
  // What a call passes first: the method's own parts, and with those of its
  // channel that it shares.
  core::AdmissionControl own;
  core::AdmissionControl admission;
  // Null without retries that learn.
  std::shared_ptr<core::RetryEstimator> estimator;
};

class MethodRuntime {
 public:
  MethodRuntime(std::string channel, std::string method,
                std::shared_ptr<core::AttemptBudget> budget,
                MethodSettings settings);

  const std::string channel;
  const std::string method;  // "/pkg.Service/Method", or kOtherMethod
  const std::shared_ptr<core::AttemptBudget> budget;
  core::MethodStats stats;
  // Of the attempts of unary calls, over all targets.
  core::LatencyModel latency;
  // What a unary call that may have to wait for `admission` will take then: the
  // live median of an attempt, zero while that is not known.
  core::Duration ExpectedTime(const core::AdmissionControl& admission,
                              core::Time now);

  // Those of the policy that holds now.
  std::shared_ptr<const MethodSettings> settings() const;
  // From now on. Its own breakers get the new options, and what is left of the
  // state that these leave room for.
  void SetSettings(MethodSettings settings, core::Time now);

  // Its own breaker of `target`, made when it is first asked for; lives as
  // long as the runtime. Past kMaxTargets it is OtherBreaker().
  core::Breaker* BreakerFor(const std::string& target, core::EventLog* log,
                            core::BreakerObserver* observer, uint64_t seed,
                            core::Time now);
  // One that is off whatever the policy says, and not among `breakers()`.
  // Warns when it is first asked for.
  core::Breaker* OtherBreaker(core::EventLog* log, core::Time now);
  // One that is not its own: of the channel, by the policy's scope.
  void AddShared(std::shared_ptr<core::Breaker> breaker);
  // Those that its policy asks for, its own or shared ones, in the order they
  // were added; then its own that an operator holds by force, though the policy
  // has no use for them now. Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::vector<core::Breaker*> breakers() const;

  // Null: none.
  void SetFallback(std::shared_ptr<const FallbackLinks> fallback);
  bool has_fallback() const { return has_fallback_; }
  // Null when there is none. Shared, so that a call in flight keeps its own.
  // Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::shared_ptr<const FallbackLinks> fallback() const;
  // Likewise.
  void SetClassifier(Classifier classifier);
  std::shared_ptr<const Classifier> classifier() const;

 private:
  // Most methods have none of them, and every call asks.
  std::atomic<bool> has_fallback_{false};
  std::atomic<bool> has_classifier_{false};
  mutable core::Mutex mu_;
  std::shared_ptr<const MethodSettings> settings_ ABSL_GUARDED_BY(mu_);
  // Null until there are too many targets.
  std::unique_ptr<core::Breaker> other_ ABSL_GUARDED_BY(mu_);
  // None is ever taken out: calls under way point to them.
  std::vector<std::unique_ptr<core::Breaker>> own_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<core::Breaker>> shared_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const FallbackLinks> fallback_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Classifier> classifier_ ABSL_GUARDED_BY(mu_);
};

struct MethodBinding {
  // The method itself, also where the runtime is that of "other".
  std::string method;
  std::shared_ptr<MethodRuntime> runtime;
  std::shared_ptr<const MethodSettings> settings;
  std::vector<core::Breaker*> targets;  // of this channel, in order
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_
