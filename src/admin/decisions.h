// What was decided on the calls of a method, as the admin service has it.
//
//   return ListDecisions(selected, request, response);
//
// Thread safety: a pure function of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ADMIN_DECISIONS_H_
#define FIREBREAK_SRC_ADMIN_DECISIONS_H_

#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/selector.h"
#include "src/core/base/time.h"

namespace firebreak::admin {

// INVALID_ARGUMENT: `last`.
absl::Status CheckLast(const v1::ListDecisionsRequest& request);
// All but `engine`, of a request that is right.
void ListDecisions(const Selected& method,
                   const v1::ListDecisionsRequest& request, core::Time now,
                   v1::ListDecisionsResponse* response);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_DECISIONS_H_
