// The calls and attempts of a method, as messages of the admin service.
//
//   *view.mutable_calls() = CallsView(counts, HangOf(*runtime, now));
//   *view.mutable_recent() = RecentView(recent, options);
//
// Thread safety: pure functions of the engine's present state.
#ifndef FIREBREAK_SRC_ADMIN_VIEWS_CALLS_VIEW_H_
#define FIREBREAK_SRC_ADMIN_VIEWS_CALLS_VIEW_H_

#include "firebreak/v1/admin.pb.h"
#include "src/admin/health/rates.h"
#include "src/core/base/time.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"
#include "src/engine/call_health.h"
#include "src/engine/method_runtime.h"

namespace firebreak::admin {

v1::CallCounts CallsView(const core::MethodCounts& counts,
                         const engine::Hang& hang);
// Adds the counts of the fallback that is set now.
void AddFallbackLinks(const engine::MethodRuntime& runtime,
                      v1::CallCounts* view);
v1::AttemptCounts AttemptsView(const core::MethodCounts& counts);
v1::RecentCalls RecentView(const engine::RecentCalls& recent,
                           const core::MethodOptions& options);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_VIEWS_CALLS_VIEW_H_
