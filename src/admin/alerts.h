// What somebody should look at, from the state of this moment and the counts
// of the last minute. admin.proto says what each kind is.
//
//   for (const v1::Alert& alert : FindAlerts(selected, limits, rates, now)) ...
//
// What methods share (a breaker, a bulkhead, a budget) is reported once.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ADMIN_ALERTS_H_
#define FIREBREAK_SRC_ADMIN_ALERTS_H_

#include <vector>

#include "firebreak/admin_service.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/rates.h"
#include "src/admin/selector.h"
#include "src/core/base/time.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

// Unsorted.
std::vector<v1::Alert> FindAlerts(const std::vector<Selected>& methods,
                                  const AlertLimits& limits, const Rates& rates,
                                  core::Time now);
// Of the engine's policy.
void AddPolicyAlert(const engine::PolicyStats& policy,
                    std::vector<v1::Alert>* alerts);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_ALERTS_H_
