#include "src/admin/health_view.h"

#include <vector>

#include "src/core/breaker/breaker.h"

namespace firebreak::admin {

core::Health HealthOf(const Selected& selected, const Rates* rates,
                      core::Time now) {
  std::vector<core::BreakerSnapshot> targets;
  for (core::Breaker* breaker : selected.breakers) {
    targets.push_back(breaker->Snapshot(now));
  }
  core::RecentAttempts recent;
  if (rates != nullptr) {
    const Rates::Step minute = rates->LastMinute(*selected.runtime);
    recent.attempts = minute.attempts;
    recent.failures = minute.bad_attempts;
  }
  const std::shared_ptr<const engine::MethodSettings> settings =
      selected.runtime->settings();
  core::Throttle* const throttle = settings->intake.throttle();
  if (throttle != nullptr) {
    recent.throttled_share = throttle->snapshot(now).rejection_probability;
  }
  return core::HealthOf(targets, recent);
}

core::HealthLevel SystemHealth(const engine::EngineCore& core,
                               const Rates* rates, core::Time now) {
  core::HealthCounts counts;
  for (const Selected& each : SelectAll(core, v1::MethodSelector())) {
    counts.Add(HealthOf(each, rates, now).level);
  }
  return counts.level();
}

v1::HealthLevel LevelView(core::HealthLevel level) {
  switch (level) {
    case core::HealthLevel::kHealthy:
      return v1::HEALTH_LEVEL_HEALTHY;
    case core::HealthLevel::kDegraded:
      return v1::HEALTH_LEVEL_DEGRADED;
    case core::HealthLevel::kUnhealthy:
      return v1::HEALTH_LEVEL_UNHEALTHY;
  }
  return v1::HEALTH_LEVEL_UNSPECIFIED;
}

v1::Health HealthView(const core::Health& health) {
  v1::Health view;
  view.set_score(health.score);
  view.set_level(LevelView(health.level));
  view.set_failure_rate(health.failure_rate);
  view.set_slow_call_rate(health.slow_rate);
  view.set_admitted_share(health.admitted_share);
  return view;
}

}  // namespace firebreak::admin
