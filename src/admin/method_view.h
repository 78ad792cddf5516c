// The engine's state as the messages of the admin service.
//
//   *response->add_methods() = MethodView(selected, Now(), &rates);
//
// Everything is a copy of one moment. Times become wall-clock time, to the
// millisecond.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ADMIN_METHOD_VIEW_H_
#define FIREBREAK_SRC_ADMIN_METHOD_VIEW_H_

#include "firebreak/v1/admin.pb.h"
#include "src/admin/health_view.h"
#include "src/admin/rates.h"
#include "src/admin/selector.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/core/measure/measure.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {

// Says nothing of the last minute without `rates`.
v1::Method MethodView(const Selected& selected, core::Time now,
                      const Rates* rates = nullptr);
// Of a method that was judged at that time, with rates.
v1::Method MethodView(const Selected& selected, core::Time now,
                      const MethodHealth& judged);
// Lets what is due by `now` take effect first.
v1::Breaker BreakerView(core::Breaker* breaker, core::Time now);
// Adds what an admission policy shows: to its own message, the field of this
// name, if there is one.
void AddAdmission(absl::string_view policy, const core::Measures& measures,
                  v1::Method* view);
v1::Event EventView(const core::Event& event, const engine::WallClock& clock);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_METHOD_VIEW_H_
