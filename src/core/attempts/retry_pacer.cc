#include "src/core/attempts/retry_pacer.h"

#include <algorithm>

#include "src/core/attempts/backoff.h"

namespace firebreak::core {
namespace {

FailureKind KindOf(const AttemptEnd& end, Attribution attribution) {
  if (attribution == Attribution::kOverload) return FailureKind::kOverload;
  if (end.code == absl::StatusCode::kDeadlineExceeded) {
    return FailureKind::kTimeout;
  }
  if (end.origin == Origin::kNowhere || attribution == Attribution::kNotSent ||
      attribution == Attribution::kTransportFailure) {
    return FailureKind::kConnection;
  }
  return FailureKind::kOther;
}

double KindFactor(FailureKind kind) {
  switch (kind) {
    case FailureKind::kTimeout:
      return 2;
    case FailureKind::kOverload:
      return 5;
    case FailureKind::kConnection:
      return 0.5;
    case FailureKind::kOther:
      break;
  }
  return 1;
}

double ChanceFactor(double chance) {
  return chance > 0.5 ? 0.5 : chance < 0.2 ? 3 : 1;
}

}  // namespace

absl::string_view FailureKindName(FailureKind kind) {
  switch (kind) {
    case FailureKind::kTimeout:
      return "timeout";
    case FailureKind::kOverload:
      return "overload";
    case FailureKind::kConnection:
      return "connection";
    case FailureKind::kOther:
      break;
  }
  return "other";
}

RetryPacer::RetryPacer(const MethodOptions* options, RetryEstimator* estimator)
    : options_(options),
      estimator_(options->retry && options->retry->adaptive ? estimator
                                                            : nullptr) {}

RetryPace RetryPacer::AfterFailure(const AttemptEnd& end,
                                   Attribution attribution, Time now,
                                   Rng* rng) {
  RetryPace pace;
  pace.after = end.code;
  const Duration pushback = end.pushback.value_or(Duration::zero());
  not_before_ = std::max(not_before_, pushback < Duration::zero()
                                          ? kInfiniteFuture
                                          : SaturatingAdd(now, pushback));
  if (not_before_ == kInfiniteFuture) {
    pace.stop = Reason::kPushback;
    return pace;
  }
  // A server that asks for a retry has not done the work.
  if (!options_->idempotent.value_or(true) && !end.pushback.has_value() &&
      end.origin != Origin::kNowhere) {
    pace.stop = Reason::kNotIdempotent;
    return pace;
  }
  if (estimator_ != nullptr) {
    pace.is_adaptive = true;
    pace.kind = KindOf(end, attribution);
    pace.chance = estimator_->Chance(end.code, now);
  }
  pace.at = not_before_;
  if (end.pushback.has_value()) {
    backoffs_ = 0;
  } else if (!options_->hedging) {
    if (pace.is_adaptive) {
      pace.kind_factor = KindFactor(pace.kind);
      pace.chance_factor = IsHopeless(pace) ? 1 : ChanceFactor(pace.chance);
    }
    pace.at = SaturatingAdd(now, NextBackoff(pace, rng));
  }
  return pace;
}

bool RetryPacer::IsWorthIt(RetryPace* pace, Time now) {
  if (!IsHopeless(*pace)) return true;
  pace->is_trial = estimator_->TakeTrial(pace->after, now);
  return pace->is_trial;
}

void RetryPacer::OnRetryEnd(absl::StatusCode after, absl::StatusCode code,
                            Attribution attribution, Time now) {
  if (estimator_ == nullptr) return;
  const Verdict verdict = EffectsOf(attribution).verdict;
  // A neutral verdict says nothing about whether retries help, except for
  // overload: a server that is still too busy is why the retry failed.
  if (IsNeutral(verdict) && attribution != Attribution::kOverload) {
    return;
  }
  // A retry has helped if its answer ends the call, even with NOT_FOUND. It has
  // not if its code would be retried again, whatever the attribution is.
  estimator_->Record(
      after, verdict == Verdict::kSuccess && !options_->IsRetryable(code), now);
}

bool RetryPacer::IsHopeless(const RetryPace& pace) const {
  return pace.is_adaptive && pace.chance < options_->retry->adaptive->floor;
}

Duration RetryPacer::NextBackoff(const RetryPace& pace, Rng* rng) {
  const BackoffOptions& backoff = options_->retry->backoff;
  ++backoffs_;
  if (!pace.is_adaptive) return BackoffDelay(backoff, backoffs_, rng);
  return BackoffDelay(backoff, backoffs_, rng,
                      pace.kind_factor * pace.chance_factor,
                      options_->retry->adaptive->max_delay);
}

}  // namespace firebreak::core
