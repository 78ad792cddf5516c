// The state of the engine, as messages of the admin service.
//
//   *response->add_methods() = MethodView(selected, Now(), &rates);
//
// Everything is a copy, taken at one moment. Times are wall-clock times, to the
// millisecond.
//
// Thread safety: pure functions of the engine's present state.
#ifndef FIREBREAK_SRC_ADMIN_VIEWS_METHOD_VIEW_H_
#define FIREBREAK_SRC_ADMIN_VIEWS_METHOD_VIEW_H_

#include "firebreak/v1/admin.pb.h"
#include "src/admin/health/health_view.h"
#include "src/admin/health/rates.h"
#include "src/admin/message/selector.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/core/measure/measure.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {

// Without `rates` it has nothing about the last minute.
v1::Method MethodView(const Selected& selected, core::Time now,
                      const Rates* rates = nullptr);
// For a method whose health was computed for that time, with rates.
v1::Method MethodView(const Selected& selected, core::Time now,
                      const MethodHealth& judged);
// First applies what is due by `now`.
v1::Breaker BreakerView(core::Breaker* breaker, core::Time now);
// Adds the measures of an admission policy to its own message: the field of
// this name, if there is one.
void AddAdmission(absl::string_view policy, const core::Measures& measures,
                  v1::Method* view);
v1::Event EventView(const core::Event& event, const engine::WallClock& clock);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_VIEWS_METHOD_VIEW_H_
