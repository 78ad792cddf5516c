// The decisions on the calls of a method, as messages of the admin service.
//
//   ListDecisions(selected, request, now, response);
//
// Thread safety: a pure function of the engine's present state.
#ifndef FIREBREAK_SRC_ADMIN_VIEWS_DECISIONS_H_
#define FIREBREAK_SRC_ADMIN_VIEWS_DECISIONS_H_

#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/message/selector.h"
#include "src/core/base/time.h"

namespace firebreak::admin {

// INVALID_ARGUMENT if `last` is out of range.
absl::Status CheckLast(const v1::ListDecisionsRequest& request);
// Fills in all fields except `engine`. The request has passed CheckLast().
void ListDecisions(const Selected& method,
                   const v1::ListDecisionsRequest& request, core::Time now,
                   v1::ListDecisionsResponse* response);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_VIEWS_DECISIONS_H_
