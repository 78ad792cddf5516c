#include "src/engine/method_runtime.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::engine {
namespace {

// Returns the options of a breaker of the method's own, or none if the method
// shares its channel's breaker.
absl::optional<core::BreakerOptions> OwnBreaker(
    const core::MethodOptions& options) {
  if (options.SharesBreaker()) return absl::nullopt;
  return options.breaker;
}

}  // namespace

MethodRuntime::MethodRuntime(
    std::string channel_name, std::string method_name,
    std::shared_ptr<core::AttemptBudget> channel_budget,
    MethodSettings settings)
    : channel(std::move(channel_name)),
      method(std::move(method_name)),
      budget(std::move(channel_budget)),
      settings_(std::make_shared<const MethodSettings>(std::move(settings))) {}

core::Duration MethodRuntime::ExpectedTime(
    const core::AdmissionControl& admission, core::Time now) {
  if (!admission.MayMakeWait()) return core::Duration::zero();
  if (latency.samples(now) < core::LatencyModel::kFew) {
    return core::Duration::zero();
  }
  return latency.Quantile(0.5, now).value_or(core::Duration::zero());
}

std::shared_ptr<const MethodSettings> MethodRuntime::settings() const {
  core::MutexLock lock(&mu_);
  return settings_;
}

void MethodRuntime::SetSettings(MethodSettings settings, core::Time now) {
  auto next = std::make_shared<const MethodSettings>(std::move(settings));
  std::vector<core::Breaker*> own;
  {
    core::MutexLock lock(&mu_);
    settings_.swap(next);
    for (const auto& breaker : own_) own.push_back(breaker.get());
  }
  // Done unlocked, since the breakers call their observer.
  const absl::optional<core::BreakerOptions> breaker_options =
      OwnBreaker(*this->settings()->options);
  for (core::Breaker* breaker : own) breaker->SetOptions(breaker_options, now);
}

core::Breaker* MethodRuntime::BreakerFor(const std::string& target,
                                         core::EventLog* log,
                                         core::BreakerObserver* observer,
                                         uint64_t seed, core::Time now) {
  {
    core::MutexLock lock(&mu_);
    for (const auto& breaker : own_) {
      if (breaker->identity().target == target) return breaker.get();
    }
    if (own_.size() < kMaxTargets) {
      own_.push_back(std::make_unique<core::Breaker>(
          core::Breaker::Identity{channel, target, method, log, observer},
          OwnBreaker(*settings_->options), seed, now));
      return own_.back().get();
    }
  }
  return OtherBreaker(log, now);
}

core::Breaker* MethodRuntime::OtherBreaker(core::EventLog* log,
                                           core::Time now) {
  {
    core::MutexLock lock(&mu_);
    if (other_ != nullptr) return other_.get();
    other_ = std::make_unique<core::Breaker>(
        core::Breaker::Identity{channel, kOtherTarget, method}, absl::nullopt,
        /*seed=*/0, now);
  }
  core::Event event;
  event.at = now;
  event.channel = channel;
  event.method = method;
  event.cause = absl::StrCat("more than ", kMaxTargets,
                             " targets: further ones have no breaker");
  log->Append(std::move(event));
  core::MutexLock lock(&mu_);
  return other_.get();
}

void MethodRuntime::AddShared(std::shared_ptr<core::Breaker> breaker) {
  core::MutexLock lock(&mu_);
  for (const auto& known : shared_) {
    if (known == breaker) return;
  }
  shared_.push_back(std::move(breaker));
}

std::vector<core::Breaker*> MethodRuntime::breakers() const {
  core::MutexLock lock(&mu_);
  std::vector<core::Breaker*> out;
  if (settings_->options->SharesBreaker()) {
    for (const auto& breaker : shared_) out.push_back(breaker.get());
    for (const auto& breaker : own_) {
      if (breaker->is_forced()) out.push_back(breaker.get());
    }
  } else {
    for (const auto& breaker : own_) out.push_back(breaker.get());
  }
  return out;
}

void MethodRuntime::SetFallback(std::shared_ptr<const FallbackLinks> fallback) {
  // The old one is destroyed outside the lock, together with the argument,
  // since what it captured may do anything then.
  core::MutexLock lock(&mu_);
  has_fallback_ = fallback != nullptr;
  fallback_.swap(fallback);
}

std::shared_ptr<const FallbackLinks> MethodRuntime::fallback() const {
  if (!has_fallback_) return nullptr;
  core::MutexLock lock(&mu_);
  return fallback_;
}

void MethodRuntime::SetClassifier(Classifier classifier) {
  // Declared outside the lock: what an old classifier captured may do anything
  // when it is destroyed.
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
