// What the admin service shows of a candidate policy.
//
//   *response->add_methods() =
//       CandidateMethodView(*candidate, live_policy, *runtime, now);
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ADMIN_VIEWS_CANDIDATE_VIEW_H_
#define FIREBREAK_SRC_ADMIN_VIEWS_CANDIDATE_VIEW_H_

#include <cstdint>

#include "firebreak/v1/admin.pb.h"
#include "src/core/base/time.h"
#include "src/engine/candidate/candidate.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::admin {

v1::Candidate CandidateView(const engine::Candidate& candidate,
                            uint64_t live_version);
// `live` is the method under `live_policy`, the policy in force.
v1::CandidateMethod CandidateMethodView(const engine::Candidate& candidate,
                                        const engine::PolicyTable& live_policy,
                                        const engine::MethodRuntime& live,
                                        core::Time now);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_VIEWS_CANDIDATE_VIEW_H_
