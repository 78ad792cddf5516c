// The admin calls about the candidate policy, which is tried beside the policy
// in force and only counted (src/engine/candidate).
//
//   status = candidates->Set(*context, *request, which, response);
//
// All of them are changes and appear in the audit, except Compare() and a dry
// run of Set().
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_CONTROL_CANDIDATES_H_
#define FIREBREAK_SRC_ADMIN_CONTROL_CANDIDATES_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/control/gate.h"
#include "src/admin/control/policies.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

class Candidates {
 public:
  Candidates(std::shared_ptr<engine::EngineCore> core,
             std::shared_ptr<Gate> gate)
      : core_(std::move(core)),
        gate_(std::move(gate)),
        given_("SetCandidate", core_.get(), gate_.get()) {}

  // `which` is as for Policies.
  absl::Status Set(const grpc::CallbackServerContext& context,
                   const v1::SetCandidateRequest& request,
                   const absl::Status& which,
                   v1::SetCandidateResponse* response);
  absl::Status Clear(const grpc::CallbackServerContext& context,
                     const v1::ClearCandidateRequest& request,
                     const absl::Status& which,
                     v1::ClearCandidateResponse* response);
  absl::Status Compare(const grpc::CallbackServerContext& context,
                       const v1::CompareCandidateRequest& request,
                       const absl::Status& which,
                       v1::CompareCandidateResponse* response) const;
  absl::Status Promote(const grpc::CallbackServerContext& context,
                       const v1::PromoteCandidateRequest& request,
                       const absl::Status& which,
                       v1::PromoteCandidateResponse* response);

 private:
  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
  GivenPolicy given_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CONTROL_CANDIDATES_H_
