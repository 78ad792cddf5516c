// Finds what an operator should look at, from the present state and the counts
// of the last minute. admin.proto describes each kind of alert.
//
//   for (const v1::Alert& alert : FindAlerts(selected, limits, rates, now)) ...
//
// What methods share (a breaker, a bulkhead, a budget) is reported only once.
//
// Thread safety: pure functions of the engine's present state.
#ifndef FIREBREAK_SRC_ADMIN_HEALTH_ALERTS_H_
#define FIREBREAK_SRC_ADMIN_HEALTH_ALERTS_H_

#include <vector>

#include "firebreak/admin_service.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/health/rates.h"
#include "src/admin/message/selector.h"
#include "src/core/base/time.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

// Returns the alerts of these methods, unsorted.
std::vector<v1::Alert> FindAlerts(const std::vector<Selected>& methods,
                                  const AlertLimits& limits, const Rates& rates,
                                  core::Time now);
// Adds the alert about the engine's policy, if there is one.
void AddPolicyAlert(const engine::PolicyStats& policy,
                    std::vector<v1::Alert>* alerts);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_HEALTH_ALERTS_H_
