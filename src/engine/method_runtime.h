// The state of one method of one channel name, shared by all its calls.
//
//   std::shared_ptr<const MethodBinding> binding =
//       channel->Find("/shop.v1.P/Charge");
//   core::CallDriver::Plan plan;
//   plan.options = binding->runtime->options.get();
//   plan.targets = binding->targets;
//
// Calls of all channels of one name share a MethodRuntime: its counters, what
// it knows of its latency, its policy, what its retries teach and, through the
// channel's budget, its tokens. It has one breaker for each target that those
// channels go to. A MethodBinding is the part of it that one channel uses.
//
// A breaker of scope CHANNEL is one for all methods of the channel that say so;
// its identity has the method kAllMethods.
//
// Thread safety: safe from any thread. Ownership: shared; a runtime keeps the
// budget and everything its breakers point to alive.
#ifndef FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_
#define FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/classifier.h"
#include "firebreak/fallback.h"
#include "src/core/attempt_budget.h"
#include "src/core/breaker.h"
#include "src/core/intake.h"
#include "src/core/latency_model.h"
#include "src/core/method_stats.h"
#include "src/core/mutex.h"
#include "src/core/options.h"
#include "src/core/retry_estimator.h"

namespace firebreak::engine {

inline constexpr char kAllMethods[] = "*";

class MethodRuntime {
 public:
  MethodRuntime(std::string channel, std::string method,
                std::shared_ptr<const core::MethodOptions> options,
                std::shared_ptr<core::AttemptBudget> budget,
                core::Intake intake = {});

  const std::string channel;
  const std::string method;  // "/pkg.Service/Method", or "other"
  const std::shared_ptr<const core::MethodOptions> options;
  const std::shared_ptr<core::AttemptBudget> budget;
  core::MethodStats stats;
  // What a call passes first. Its parts may be shared with other methods.
  core::Intake intake;
  // Of the attempts of unary calls, over all targets.
  core::LatencyModel latency;
  // What a unary call that may have to wait will take then: the live median of
  // an attempt, zero while that is not known or nothing can be waited for.
  core::Duration ExpectedTime(core::Time now);
  // Null without retries that learn.
  const std::unique_ptr<core::RetryEstimator> estimator;

  // Its own breaker of `target`, made when it is first asked for; lives as
  // long as the runtime.
  core::Breaker* BreakerFor(const std::string& target, core::EventLog* log,
                            core::BreakerObserver* observer, uint64_t seed,
                            core::Time now);
  // One that is not its own: of the channel, by the policy's scope.
  void AddShared(std::shared_ptr<core::Breaker> breaker);
  // In the order they were added.
  std::vector<core::Breaker*> breakers() const;

  void SetFallback(Fallback fallback);
  bool has_fallback() const { return has_fallback_; }
  // Null when there is none. Shared, so that a call in flight keeps its own.
  std::shared_ptr<const Fallback> fallback() const;
  // Likewise.
  void SetClassifier(Classifier classifier);
  std::shared_ptr<const Classifier> classifier() const;

 private:
  // Most methods have none of them, and every call asks.
  std::atomic<bool> has_fallback_{false};
  std::atomic<bool> has_classifier_{false};
  mutable core::Mutex mu_;
  std::vector<std::shared_ptr<core::Breaker>> breakers_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Fallback> fallback_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Classifier> classifier_ ABSL_GUARDED_BY(mu_);
};

struct MethodBinding {
  // The method itself, also where the runtime is that of "other".
  std::string method;
  std::shared_ptr<MethodRuntime> runtime;
  std::vector<core::Breaker*> targets;  // of this channel, in order
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_
