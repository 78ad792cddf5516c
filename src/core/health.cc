#include "src/core/health.h"

#include <algorithm>

namespace firebreak::core {
namespace {

// NaN becomes 0.
double ToShare(double x) { return x > 0 ? std::min(x, 1.0) : 0.0; }

// In floating point, so that no sum overflows.
struct Ratio {
  double part = 0;
  double all = 0;

  void Add(int64_t more, int64_t of) {
    part += static_cast<double>(std::max<int64_t>(more, 0));
    all += static_cast<double>(std::max<int64_t>(of, 0));
  }
  double share() const { return all > 0 ? ToShare(part / all) : 0; }
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

Health HealthOf(const std::vector<BreakerSnapshot>& targets,
                const RecentAttempts& recent) {
  Ratio failed;
  Ratio slow;
  double admitted = 0;
  bool all_are_off = true;
  for (const BreakerSnapshot& each : targets) {
    failed.Add(each.window_failures, each.window_calls);
    slow.Add(each.window_slow, each.window_timed);
    admitted += AdmittedShare(each);
    all_are_off = all_are_off && each.state == BreakerState::kDisabled;
  }
  if (all_are_off) failed.Add(recent.failures, recent.attempts);
  Health health;
  health.failure_rate = failed.share();
  health.slow_rate = slow.share();
  if (!targets.empty()) {
    health.admitted_share = admitted / static_cast<double>(targets.size());
  }
  health.admitted_share *= 1 - ToShare(recent.throttled_share);
  health.score = 100 * (1 - health.failure_rate) * (1 - health.slow_rate / 2) *
                 health.admitted_share;
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
