#include "src/core/health.h"

#include <algorithm>
#include <cstddef>

#include "src/core/breaker/trip_rules.h"

namespace firebreak::core {
namespace {

// NaN becomes 0.
double ToShare(double x) { return x > 0 ? std::min(x, 1.0) : 0.0; }

// A share in floating point, so that no sum overflows.
struct Ratio {
  double part = 0;
  double all = 0;
  int64_t enough = 0;

  void Add(int64_t more, int64_t of) {
    part += static_cast<double>(std::max<int64_t>(more, 0));
    all += static_cast<double>(std::max<int64_t>(of, 0));
  }
  double share() const { return all > 0 ? ToShare(part / all) : 0; }
  bool is_sure() const { return all >= static_cast<double>(enough); }
  double weight() const {
    if (all <= 0 || is_sure()) return share();
    // The quantile for a one-sided interval of 95 %.
    constexpr double z = 1.6449;
    const auto n = static_cast<int64_t>(all);
    const auto k = static_cast<int64_t>(std::min(part, all));
    return ToShare(WilsonLowerBound(k, n, z));
  }
};

Ratio RatioOf(int64_t part, int64_t all, int64_t enough) {
  Ratio ratio;
  ratio.enough = enough;
  ratio.Add(part, all);
  return ratio;
}

// Whether the window of a breaker shows the calls of the present.
bool Counts(const BreakerSnapshot& breaker) {
  switch (breaker.state) {
    case BreakerState::kClosed:
    case BreakerState::kRamp:
      return true;
    case BreakerState::kOpen:
    case BreakerState::kHalfOpen:
      return !breaker.shadow;
    default:
      return false;
  }
}

bool Waits(const BreakerSnapshot& breaker, const RecentAttempts& recent) {
  return recent.is_idle && breaker.waits_for_call && !breaker.shadow;
}

// What the terms leave of the calls that are admitted, [0, 1].
class Remainder {
 public:
  // `cost` is the loss per affected call.
  void Take(const Ratio& ratio, double cost = 1) {
    Take(ratio.weight(), ratio.is_sure(), cost);
  }
  void Take(double weight, bool is_sure, double cost = 1) {
    const double left = 1 - cost * ToShare(weight);
    all_ *= left;
    if (is_sure) sure_ *= left;
  }
  // Uncertain terms take at most half.
  double value() const { return std::max(all_, std::min(sure_, 0.5)); }

 private:
  double all_ = 1;
  double sure_ = 1;
};

}  // namespace

double AdmittedShare(const BreakerSnapshot& breaker) {
  switch (breaker.state) {
    case BreakerState::kForcedOpen:
      return 0;
    case BreakerState::kOpen:
    case BreakerState::kHalfOpen:
      return breaker.shadow ? 1 : 0;
    case BreakerState::kRamp:
      return breaker.shadow ? 1 : ToShare(breaker.admitted_share);
    case BreakerState::kDisabled:
    case BreakerState::kClosed:
    case BreakerState::kForcedClosed:
      return 1;
  }
  return 1;
}

double CautiousShare(int64_t bad, int64_t all, int64_t enough) {
  return RatioOf(bad, all, enough).weight();
}

bool IsBroken(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
      return false;
    default:
      return true;
  }
}

Health HealthOf(const std::vector<BreakerSnapshot>& targets,
                const RecentAttempts& recent) {
  Ratio failed;
  Ratio slow;
  const bool any_admits =
      std::any_of(targets.begin(), targets.end(),
                  [](const auto& each) { return AdmittedShare(each) > 0; });
  double admitted = 0;
  bool any_counts = false;
  size_t waiting = 0;
  for (const BreakerSnapshot& each : targets) {
    const bool waits = Waits(each, recent);
    if (waits) ++waiting;
    admitted += waits ? 0.5 : AdmittedShare(each);
    if (!Counts(each)) continue;
    any_counts = true;
    // Its window is from before it opened, and other targets take the calls
    // now.
    if (waits || (any_admits && AdmittedShare(each) == 0)) continue;
    failed.Add(each.window_failures, each.window_calls);
    slow.Add(each.window_slow, each.window_timed);
    failed.enough = std::max<int64_t>(failed.enough, each.minimum_calls);
  }
  slow.enough = failed.enough;
  if (!any_counts) {
    failed = RatioOf(recent.failures, recent.attempts, kEnoughCalls);
  }
  Health health;
  health.waits_for_call = waiting > 0 && waiting == targets.size();
  if (!targets.empty()) {
    health.admitted_share = admitted / static_cast<double>(targets.size());
  }
  health.admitted_share *= 1 - ToShare(recent.throttled_share);

  const Ratio errors = RatioOf(recent.errors, recent.calls, kEnoughCalls);
  const int64_t hanging = std::max<int64_t>(recent.hanging, 0);
  Ratio hung = RatioOf(hanging, hanging, kEnoughCalls);
  hung.Add(0, recent.answered);
  Remainder left;
  left.Take(slow, /*cost=*/0.5);
  left.Take(hung.weight(), hung.is_sure() && recent.hang_is_sure);
  if (recent.much_slower) left.Take(1, /*is_sure=*/false);
  health.slow_rate = slow.share();
  health.hanging_share = hung.share();
  // If a breaker waits for a call, these are from before the outage.
  if (!health.waits_for_call) {
    left.Take(failed.weight() >= errors.weight() ? failed : errors);
    if (recent.none_is_ok) left.Take(1, /*is_sure=*/false);
    health.failure_rate = failed.share();
    health.error_rate = errors.share();
  }
  // A target that is down loses no call if another one takes it, so it counts
  // half.
  const double let_through = any_admits && targets.size() > 1
                                 ? (1 + health.admitted_share) / 2
                                 : health.admitted_share;
  health.score = 100 * left.value() * let_through;
  health.level = health.score >= kHealthyFrom    ? HealthLevel::kHealthy
                 : health.score >= kDegradedFrom ? HealthLevel::kDegraded
                                                 : HealthLevel::kUnhealthy;
  return health;
}

void HealthCounts::Add(HealthLevel level) {
  switch (level) {
    case HealthLevel::kHealthy:
      ++healthy;
      break;
    case HealthLevel::kDegraded:
      ++degraded;
      break;
    case HealthLevel::kUnhealthy:
      ++unhealthy;
      break;
  }
}

HealthLevel HealthCounts::level() const {
  if (degraded + unhealthy == 0) return HealthLevel::kHealthy;
  return 2 * unhealthy >= healthy + degraded + unhealthy
             ? HealthLevel::kUnhealthy
             : HealthLevel::kDegraded;
}

}  // namespace firebreak::core
