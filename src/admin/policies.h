// The admin calls about the policy as a whole.
//
//   status = policies->Apply(*context, *request, which, response);
//
// A dry run changes nothing, so it counts as a read. But compiling a policy
// takes up to a second for the longest one, so there is one dry run at a time.
// The audit of a change has what it did, with the versions before and after.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_POLICIES_H_
#define FIREBREAK_SRC_ADMIN_POLICIES_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firebreak/policy_update.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/gate.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::admin {

// What a request brings: compiled, or every fault in it. `origin` is the name
// of the call, for these.
template <class Request>
absl::StatusOr<engine::PolicyTable> CompileGiven(const Request& request,
                                                 const std::string& origin,
                                                 bool clamp_attempts_at_5) {
  switch (request.new_policy_case()) {
    case Request::kPolicy:
      return engine::CompilePolicy(request.policy(), origin);
    case Request::kText:
      return engine::ParsePolicyText(request.text(), origin,
                                     clamp_attempts_at_5);
    case Request::NEW_POLICY_NOT_SET:
      break;
  }
  // Most likely of a client that is newer than this; an empty policy switches
  // everything off, which takes somebody to say so.
  return absl::InvalidArgumentError(
      "new_policy: is not set; allowed `policy` or `text`");
}
// What a change did, in one line: "version 1 -> 2: ...timeout: "1s" -> "2s"".
std::string Told(const PolicyChange& change);
void FillChange(const PolicyChange& change, v1::ApplyPolicyResponse* response);

class Policies {
 public:
  Policies(std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate)
      : core_(std::move(core)), gate_(std::move(gate)) {}

  // `which` is an error if the request does not say which engine is meant; it
  // is checked after the caller is authorized.
  absl::Status Get(const grpc::CallbackServerContext& context,
                   const v1::GetPolicyRequest& request,
                   const absl::Status& which,
                   v1::GetPolicyResponse* response) const;
  absl::Status Apply(const grpc::CallbackServerContext& context,
                     const v1::ApplyPolicyRequest& request,
                     const absl::Status& which,
                     v1::ApplyPolicyResponse* response);

 private:
  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
  std::atomic<bool> dry_run_{false};  // one is in progress
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_POLICIES_H_
