// The numbers that operators see of a breaker. Its state, times and cause are
// not among them.
//
//   for (const core::Measure& each : BreakerMeasures(snapshot)) Show(each);
//
// A number in this list also appears, without further code, in the admin
// service, where admin.proto has a field of that name, and among the metrics.
//
// Thread safety: pure function.
#ifndef FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_
#define FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_

#include "firebreak/export.h"
#include "src/core/breaker/breaker_snapshot.h"
#include "src/core/measure/measure.h"

namespace firebreak::engine {

// Returns the numbers in the order of the metrics. Exported for
// libfirebreak_prometheus.
FIREBREAK_EXPORT core::Measures BreakerMeasures(const core::BreakerSnapshot& s);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_BREAKER_MEASURES_H_
