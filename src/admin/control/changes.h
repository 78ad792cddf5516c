// The admin calls that change breakers: they authorize the caller, select the
// breakers and write the audit.
//
//   absl::Status status =
//       changes->ClearOverride(*context, *request, which, response);
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_CONTROL_CHANGES_H_
#define FIREBREAK_SRC_ADMIN_CONTROL_CHANGES_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/control/gate.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

class Changes {
 public:
  Changes(std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate)
      : core_(std::move(core)), gate_(std::move(gate)) {}

  // `which` is an error if the request does not say which engine is meant; it
  // is checked after the caller is authorized.
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
  // Returns false if there was nothing to change.
  using Change = std::function<bool(core::Breaker* breaker, core::Time now)>;

  absl::Status Enter(const grpc::CallbackServerContext& context,
                     const std::string& rpc, const std::string& action,
                     const v1::MethodSelector& selector,
                     Gate::Visitor* visitor);
  // Creates the breakers of a method that has not been called yet, unless its
  // name looks like a typing error.
  void Prepare(const v1::MethodSelector& selector);
  // Applies `change` to each selected breaker, and adds those that it changed
  // to `changed`.
  absl::Status Apply(const Gate::Visitor& visitor,
                     const v1::MethodSelector& selector, const Change& change,
                     Breakers* changed);

  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CONTROL_CHANGES_H_
