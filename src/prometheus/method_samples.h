// The samples of a method: its calls, its attempts, and what its calls pass
// first.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
#define FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_

#include <set>
#include <vector>

#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/method_runtime.h"
#include "src/engine/recent_counts.h"
#include "src/prometheus/exposition.h"

namespace firebreak::metrics {

// `settings`, `counts` and `breakers` are the runtime's.
void AddCalls(const engine::MethodRuntime& runtime,
              const engine::MethodSettings& settings,
              const core::MethodCounts& counts, Exposition* out);
void AddAttempts(engine::MethodRuntime* runtime,
                 const engine::MethodSettings& settings,
                 const core::MethodCounts& counts, core::Time now,
                 Exposition* out);
// And which of its calls hang.
void AddHealth(engine::MethodRuntime* runtime,
               const engine::MethodSettings& settings,
               const std::vector<core::BreakerSnapshot>& breakers,
               const engine::RecentCounts& recent, core::Time now,
               Exposition* out);
// What is in `shown` is left out, and what is added is put there. What belongs
// to all methods of the channel has the method "*".
void AddAdmission(const engine::MethodRuntime& runtime,
                  const engine::MethodSettings& settings, core::Time now,
                  std::set<const void*>* shown, Exposition* out);

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
