// The state of one method of one channel name, shared by all its calls.
//
//   std::shared_ptr<const MethodBinding> binding =
//       channel->Find("/shop.v1.P/Charge");
//   core::CallDriver::Plan plan;
//   plan.options = binding->settings->options.get();
//   plan.targets = binding->targets;
//
// Calls of all channels of one name share a MethodRuntime: its counters, its
// latency model, what its retries have learned and, through the channel's
// budget, its tokens. It has one breaker for each target of those channels. A
// MethodBinding is the part of it that one channel uses, under the policy in
// force. A call keeps the binding that it began with, so one policy applies to
// it until its end, even if the policy is replaced meanwhile.
//
// All methods of a channel whose policy says so share one breaker of scope
// CHANNEL. The method in its identity is kAllMethods.
//
// Thread safety: safe from any thread. Ownership: shared. A runtime keeps the
// budget alive, and everything that its breakers point to.
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

struct CandidateBinding;  // candidate/candidate.h

// The method of a breaker that all methods of its channel share.
inline constexpr char kAllMethods[] = "*";
// The name of the runtime that all methods past max_methods share.
inline constexpr char kOtherMethod[] = "other";

// How many targets have a breaker of their own, for each method, or for each
// channel whose methods share breakers. The limit of methods has the same
// default. It is far more than a service has replicas.
inline constexpr std::size_t kMaxTargets = 1000;
// The target of the breaker that targets past this limit share.
inline constexpr char kOtherTarget[] = "other";

// The settings of a method under one policy.
struct MethodSettings {
  // Never null. It has no parts if the policy does not name the method.
  std::shared_ptr<const core::MethodOptions> options;
  // The admission policies that a call passes first: `own` are those of the
  // method, and `admission` also has those that it shares with its channel.
  core::AdmissionControl own;
  core::AdmissionControl admission;
  // Null unless the method has adaptive retries.
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
  // The latency of the attempts of unary calls, over all targets.
  core::LatencyModel latency;
  // Returns how long a unary call will take after it has waited for
  // `admission`: the live median of an attempt. Returns zero if that is not
  // known, or if the call never has to wait.
  core::Duration ExpectedTime(const core::AdmissionControl& admission,
                              core::Time now);

  // Returns the settings under the policy in force.
  std::shared_ptr<const MethodSettings> settings() const;
  // Replaces the settings. The method's own breakers get the new options, and
  // keep as much of their state as fits these.
  void SetSettings(MethodSettings settings, core::Time now);

  // Returns the method's own breaker of `target`, which is made when it is
  // first asked for and lives as long as the runtime. Past kMaxTargets this is
  // OtherBreaker().
  core::Breaker* BreakerFor(const std::string& target, core::EventLog* log,
                            core::BreakerObserver* observer, uint64_t seed,
                            core::Time now);
  // Returns a breaker that is off whatever the policy says, and that is not
  // among `breakers()`. Logs a warning when it is first asked for.
  core::Breaker* OtherBreaker(core::EventLog* log, core::Time now);
  // Adds a breaker that the method shares with its channel, by the policy's
  // scope.
  void AddShared(std::shared_ptr<core::Breaker> breaker);
  // Returns the breakers that the policy asks for, own or shared ones, in the
  // order they were added. After these come own breakers that the policy no
  // longer uses but that an operator has forced open or closed. Exported for
  // libfirebreak_prometheus.
  FIREBREAK_EXPORT std::vector<core::Breaker*> breakers() const;

  // Null removes the fallback.
  void SetFallback(std::shared_ptr<const FallbackLinks> fallback);
  bool has_fallback() const { return has_fallback_; }
  // Returns null if there is none. Shared, so that a call in flight keeps the
  // one it has. Exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT std::shared_ptr<const FallbackLinks> fallback() const;
  // The same for the classifier.
  void SetClassifier(Classifier classifier);
  std::shared_ptr<const Classifier> classifier() const;

 private:
  // Most methods have neither, and every call asks, so asking takes no lock.
  std::atomic<bool> has_fallback_{false};
  std::atomic<bool> has_classifier_{false};
  mutable core::Mutex mu_;
  std::shared_ptr<const MethodSettings> settings_ ABSL_GUARDED_BY(mu_);
  // Null until there are too many targets.
  std::unique_ptr<core::Breaker> other_ ABSL_GUARDED_BY(mu_);
  // Breakers are never removed, since calls in flight point to them.
  std::vector<std::unique_ptr<core::Breaker>> own_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<core::Breaker>> shared_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const FallbackLinks> fallback_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Classifier> classifier_ ABSL_GUARDED_BY(mu_);
};

struct MethodBinding {
  // The method itself, even if the runtime is that of "other".
  std::string method;
  std::shared_ptr<MethodRuntime> runtime;
  std::shared_ptr<const MethodSettings> settings;
  std::vector<core::Breaker*> targets;  // of this channel, in order
  // Null if there is no candidate policy, or if it does not name the method.
  std::shared_ptr<const CandidateBinding> candidate;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_METHOD_RUNTIME_H_
