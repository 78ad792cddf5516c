// The samples of a method: its calls, its attempts, and the admission policies
// that its calls pass first.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
#define FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_

#include <set>
#include <vector>

#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/candidate/candidate_store.h"
#include "src/engine/method_runtime.h"
#include "src/engine/recent_counts.h"
#include "src/prometheus/exposition.h"

namespace firebreak::metrics {

// `settings`, `counts` and `breakers` are those of the runtime.
void AddCalls(const engine::MethodRuntime& runtime,
              const engine::MethodSettings& settings,
              const core::MethodCounts& counts, Exposition* out);
void AddAttempts(engine::MethodRuntime* runtime,
                 const engine::MethodSettings& settings,
                 const core::MethodCounts& counts, core::Time now,
                 Exposition* out);
// Adds the method's health and how many of its calls hang.
void AddHealth(engine::MethodRuntime* runtime,
               const engine::MethodSettings& settings,
               const std::vector<core::BreakerSnapshot>& breakers,
               const engine::RecentCounts& recent, core::Time now,
               Exposition* out);
// Leaves out the policies that are in `shown`, and puts there those that it
// adds. A policy that belongs to all methods of the channel has the method "*".
void AddAdmission(const engine::MethodRuntime& runtime,
                  const engine::MethodSettings& settings, core::Time now,
                  std::set<const void*>* shown, Exposition* out);
// Adds nothing if there is no candidate, or if it does not name the method.
void AddCandidate(const engine::CandidateStore& candidates,
                  const engine::MethodRuntime& runtime, Exposition* out);

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_METHOD_SAMPLES_H_
