// The health of the engine's methods, as src/core/health.h computes it.
//
//   MethodHealth judged = HealthOf(selected, rates, now);
//   *view.mutable_health() = HealthView(judged.health);
//
// Thread safety: pure functions of the engine's present state.
#ifndef FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_VIEW_H_
#define FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_VIEW_H_

#include "firebreak/v1/admin.pb.h"
#include "src/admin/health/rates.h"
#include "src/admin/message/selector.h"
#include "src/core/base/time.h"
#include "src/core/health.h"
#include "src/engine/call_health.h"

namespace firebreak::admin {

// The health, and the recent calls that it was computed from.
struct MethodHealth {
  core::Health health;
  engine::RecentCalls calls;
};
// Computes it from the selected breakers and the method's calls. Without
// `rates`, which may be null, nothing is known about the calls.
MethodHealth HealthOf(const Selected& selected, const Rates* rates,
                      core::Time now);
// The health of all methods together.
core::HealthLevel SystemHealth(const engine::EngineCore& core,
                               const Rates* rates, core::Time now);

v1::Health HealthView(const core::Health& health);
v1::HealthLevel LevelView(core::HealthLevel level);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_VIEW_H_
