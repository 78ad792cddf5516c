// The samples of a method: its calls, its attempts, and what its calls pass
// first.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
#define FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_

#include <set>

#include "src/core/time.h"
#include "src/engine/method_runtime.h"
#include "src/prometheus/exposition.h"

namespace firebreak::metrics {

void AddCalls(engine::MethodRuntime* runtime, Exposition* out);
void AddAttempts(engine::MethodRuntime* runtime, core::Time now,
                 Exposition* out);
// What is in `shown` is left out, and what is added is put there. What belongs
// to all methods of the channel has the method "*".
void AddIntake(const engine::MethodRuntime& runtime, core::Time now,
               std::set<const void*>* shown, Exposition* out);

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
