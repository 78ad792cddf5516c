// The admin calls that change breakers: who may, which, and the audit of it.
//
//   return Answer(context, changes->ClearOverride(*context, *request,
//   response));
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_CHANGES_H_
#define FIREBREAK_SRC_ADMIN_CHANGES_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/gate.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

class Changes {
 public:
  Changes(std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate)
      : core_(std::move(core)), gate_(std::move(gate)) {}

  // `which`: why it is not known which engine is meant; asked after whether
  // the caller may.
  absl::Status SetOverride(const grpc::CallbackServerContext& context,
                           const v1::SetOverrideRequest& request,
                           const absl::Status& which,
                           v1::SetOverrideResponse* response);
  absl::Status ClearOverride(const grpc::CallbackServerContext& context,
                             const v1::ClearOverrideRequest& request,
                             const absl::Status& which,
                             v1::ClearOverrideResponse* response);
  absl::Status ResetMethod(const grpc::CallbackServerContext& context,
                           const v1::ResetMethodRequest& request,
                           const absl::Status& which,
                           v1::ResetMethodResponse* response);

 private:
  using Breakers = google::protobuf::RepeatedPtrField<v1::Breaker>;
  // False when there was nothing to change.
  using Change = std::function<bool(core::Breaker* breaker, core::Time now)>;

  absl::Status Enter(const grpc::CallbackServerContext& context,
                     const std::string& rpc, const std::string& action,
                     const v1::MethodSelector& selector,
                     Gate::Visitor* visitor);
  // Makes breakers of a method that has not been called yet, where its name is
  // no slip.
  void Prepare(const v1::MethodSelector& selector);
  // Does `change` to each breaker selected, and adds those that it changed to
  // `changed`.
  absl::Status Apply(const Gate::Visitor& visitor,
                     const v1::MethodSelector& selector, const Change& change,
                     Breakers* changed);

  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CHANGES_H_
