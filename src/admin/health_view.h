// What core/health.h says of the engine's methods.
//
//   MethodHealth judged = HealthOf(selected, rates, now);
//   *view.mutable_health() = HealthView(judged.health);
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ADMIN_HEALTH_VIEW_H_
#define FIREBREAK_SRC_ADMIN_HEALTH_VIEW_H_

#include "firebreak/v1/admin.pb.h"
#include "src/admin/rates.h"
#include "src/admin/selector.h"
#include "src/core/base/time.h"
#include "src/core/health.h"
#include "src/engine/call_health.h"

namespace firebreak::admin {

// With what it was judged by.
struct MethodHealth {
  core::Health health;
  engine::RecentCalls calls;
};
// By the breakers selected, and by the method's calls. `rates` may be null:
// then nothing is known of these.
MethodHealth HealthOf(const Selected& selected, const Rates* rates,
                      core::Time now);
// Of all methods.
core::HealthLevel SystemHealth(const engine::EngineCore& core,
                               const Rates* rates, core::Time now);

v1::Health HealthView(const core::Health& health);
v1::HealthLevel LevelView(core::HealthLevel level);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_HEALTH_VIEW_H_
