// The admin calls about the policy as a whole.
//
//   status = policies->Apply(*context, *request, which, response);
//
// A dry run changes nothing, so it counts as a read. But compiling a policy
// takes up to a second for the longest one, so there is one dry run at a time.
// The audit of a change says what it did, with the versions before and after.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_CONTROL_POLICIES_H_
#define FIREBREAK_SRC_ADMIN_CONTROL_POLICIES_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "firebreak/policy_update.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/control/gate.h"
#include "src/admin/message/text.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::admin {

// What the calls that bring a policy have in common: who may make them, one dry
// run at a time, and how the policy is read.
class GivenPolicy {
 public:
  using Use = absl::FunctionRef<absl::StatusOr<PolicyChange>(
      const absl::StatusOr<engine::PolicyTable>&, const PolicyUpdate&)>;

  // `rpc` is the name of the call.
  GivenPolicy(std::string rpc, const engine::EngineCore* core, Gate* gate)
      : rpc_(std::move(rpc)), core_(core), gate_(gate) {}

  // Hands the policy of `request`, or every fault in it, to `use`, once the
  // caller is authorized. `which` is as for Policies.
  template <class Request>
  absl::StatusOr<PolicyChange> Take(const grpc::CallbackServerContext& context,
                                    const Request& request,
                                    const absl::Status& which,
                                    Gate::Visitor* visitor, Use use) {
    absl::Status may =
        request.dry_run()
            ? gate_->EnterToRead(context, rpc_ + " dry_run")
            : gate_->EnterToChange(
                  context, rpc_, rpc_ + Because(request.reason()), {}, visitor);
    if (!may.ok()) return may;
    if (!which.ok()) return which;
    PolicyUpdate how;
    how.dry_run = request.dry_run();
    if (request.if_version() != 0) how.if_version = request.if_version();
    how.source = absl::StrCat("admin ", visitor->actor);
    if (request.dry_run() && dry_run_.exchange(true)) {
      return absl::ResourceExhaustedError(
          "another dry run is under way; try again in a moment");
    }
    absl::StatusOr<PolicyChange> change = use(Compile(request), how);
    if (request.dry_run()) dry_run_ = false;
    return change;
  }

 private:
  template <class Request>
  absl::StatusOr<engine::PolicyTable> Compile(const Request& request) const {
    switch (request.new_policy_case()) {
      case Request::kPolicy:
        return engine::CompilePolicy(request.policy(), rpc_);
      case Request::kText:
        return engine::ParsePolicyText(request.text(), rpc_,
                                       core_->options().clamp_attempts_at_5);
      case Request::NEW_POLICY_NOT_SET:
        break;
    }
    // Most likely the client is newer than this server. An empty policy would
    // switch everything off, so somebody has to ask for that explicitly.
    return absl::InvalidArgumentError(
        "new_policy: is not set; allowed `policy` or `text`");
  }

  const std::string rpc_;  // also the policy's origin in error messages
  const engine::EngineCore* const core_;
  Gate* const gate_;
  std::atomic<bool> dry_run_{false};  // one is in progress
};

// Returns in one line what a change did, even if that is nothing:
// "version 1 -> 2: ...timeout: "1s" -> "2s"".
std::string Told(const PolicyChange& change);
void FillChange(const PolicyChange& change, v1::ApplyPolicyResponse* response);

class Policies {
 public:
  Policies(std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate)
      : core_(std::move(core)),
        gate_(std::move(gate)),
        given_("ApplyPolicy", core_.get(), gate_.get()) {}

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
  GivenPolicy given_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CONTROL_POLICIES_H_
