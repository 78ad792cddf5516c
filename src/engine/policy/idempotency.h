// What a method's own proto says about running twice.
//
//   rpc GetStock(GetStockRequest) returns (Stock) {
//     option idempotency_level = NO_SIDE_EFFECTS;
//   }
//
//   options = WithDescriptor(options, "/shop.v1.Inventory/GetStock");
//
// Known only of methods whose generated code is linked into the program, which
// a generated stub takes care of. Thread safety: safe from any thread; the
// first look at a proto's descriptor takes a lock of Protobuf's and some time.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_
#define FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "src/core/options.h"

namespace firebreak::engine {

// Of a path as gRPC has it, "/pkg.Service/Method". Null when not linked in.
const google::protobuf::MethodDescriptor* FindDescriptor(
    absl::string_view method);

// Whether the proto says that the method may run twice. False: it is silent.
bool IsIdempotent(const google::protobuf::MethodDescriptor& method);

// `options`, or a copy that is idempotent where they are silent and the proto
// is not. A policy's own word stands, whatever the proto says.
std::shared_ptr<const core::MethodOptions> WithDescriptor(
    std::shared_ptr<const core::MethodOptions> options,
    absl::string_view method);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_
