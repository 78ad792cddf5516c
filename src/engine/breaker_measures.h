// What operators see of a breaker, but for its state, its times and its cause.
//
//   for (const core::Measure& each : BreakerMeasures(snapshot)) Show(each);
//
// A number that stands here is in the admin service, where admin.proto has a
// field of its name, and among the metrics, without further code.
//
// Thread safety: pure function.
#ifndef FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_
#define FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_

#include "firebreak/export.h"
#include "src/core/breaker/breaker_snapshot.h"
#include "src/core/measure/measure.h"

namespace firebreak::engine {

// In the order of the metrics. Exported for libfirebreak_prometheus.
FIREBREAK_EXPORT core::Measures BreakerMeasures(const core::BreakerSnapshot& s);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_
