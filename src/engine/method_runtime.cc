#include "src/engine/method_runtime.h"

#include <utility>

namespace firebreak::engine {
namespace {

std::unique_ptr<core::RetryEstimator> MakeEstimator(
    const core::MethodOptions& options) {
  if (!options.retry || !options.retry->adaptive) return nullptr;
  return std::make_unique<core::RetryEstimator>(*options.retry->adaptive);
}

}  // namespace

MethodRuntime::MethodRuntime(
    std::string channel_name, std::string method_name,
    std::shared_ptr<const core::MethodOptions> method_options,
    std::shared_ptr<core::AttemptBudget> channel_budget,
    core::Intake method_intake)
    : channel(std::move(channel_name)),
      method(std::move(method_name)),
      options(std::move(method_options)),
      budget(std::move(channel_budget)),
      intake(std::move(method_intake)),
      estimator(MakeEstimator(*options)) {}

core::Duration MethodRuntime::ExpectedTime(core::Time now) {
  if (intake.bulkhead() == nullptr && intake.rate_limit() == nullptr) {
    return core::Duration::zero();
  }
  if (latency.samples(now) < core::LatencyModel::kFew) {
    return core::Duration::zero();
  }
  return latency.Quantile(0.5, now).value_or(core::Duration::zero());
}

core::Breaker* MethodRuntime::BreakerFor(const std::string& target,
                                         core::EventLog* log,
                                         core::BreakerObserver* observer,
                                         uint64_t seed, core::Time now) {
  core::MutexLock lock(&mu_);
  for (const auto& breaker : breakers_) {
    if (breaker->identity().target == target) return breaker.get();
  }
  breakers_.push_back(std::make_shared<core::Breaker>(
      core::Breaker::Identity{channel, target, method, log, observer},
      options->breaker, seed, now));
  return breakers_.back().get();
}

void MethodRuntime::AddShared(std::shared_ptr<core::Breaker> breaker) {
  core::MutexLock lock(&mu_);
  for (const auto& known : breakers_) {
    if (known == breaker) return;
  }
  breakers_.push_back(std::move(breaker));
}

std::vector<core::Breaker*> MethodRuntime::breakers() const {
  core::MutexLock lock(&mu_);
  std::vector<core::Breaker*> out;
  for (const auto& breaker : breakers_) out.push_back(breaker.get());
  return out;
}

void MethodRuntime::SetFallback(Fallback fallback) {
  // Outside the lock: an old fallback's captures may do anything when they go.
  std::shared_ptr<const Fallback> next;
  if (fallback) next = std::make_shared<const Fallback>(std::move(fallback));
  core::MutexLock lock(&mu_);
  has_fallback_ = next != nullptr;
  fallback_.swap(next);
}

std::shared_ptr<const Fallback> MethodRuntime::fallback() const {
  if (!has_fallback_) return nullptr;
  core::MutexLock lock(&mu_);
  return fallback_;
}

void MethodRuntime::SetClassifier(Classifier classifier) {
  // As above.
  std::shared_ptr<const Classifier> next;
  if (classifier) {
    next = std::make_shared<const Classifier>(std::move(classifier));
  }
  core::MutexLock lock(&mu_);
  has_classifier_ = next != nullptr;
  classifier_.swap(next);
}

std::shared_ptr<const Classifier> MethodRuntime::classifier() const {
  if (!has_classifier_) return nullptr;
  core::MutexLock lock(&mu_);
  return classifier_;
}

}  // namespace firebreak::engine
