#include "src/admin/health/health_view.h"

#include <vector>

#include "src/core/breaker/breaker.h"

namespace firebreak::admin {

MethodHealth HealthOf(const Selected& selected, const Rates* rates,
                      core::Time now) {
  std::vector<core::BreakerSnapshot> targets;
  for (core::Breaker* breaker : selected.breakers) {
    targets.push_back(breaker->Snapshot(now));
  }
  MethodHealth judged;
  judged.calls =
      engine::RecentOf(selected.runtime.get(), *selected.runtime->settings(),
                       rates == nullptr ? nullptr : &rates->counts(), now);
  judged.health = core::HealthOf(targets, judged.calls.attempts);
  return judged;
}

core::HealthLevel SystemHealth(const engine::EngineCore& core,
                               const Rates* rates, core::Time now) {
  core::HealthCounts counts;
  for (const Selected& each : SelectAll(core, v1::MethodSelector())) {
    counts.Add(HealthOf(each, rates, now).health.level);
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
  view.set_error_rate(health.error_rate);
  view.set_hanging_share(health.hanging_share);
  view.set_waits_for_call(health.waits_for_call);
  return view;
}

}  // namespace firebreak::admin
