// Finds out from a method's proto whether it may run twice.
//
//   rpc GetStock(GetStockRequest) returns (Stock) {
//     option idempotency_level = NO_SIDE_EFFECTS;
//   }
//
//   options = WithDescriptor(options, "/shop.v1.Inventory/GetStock");
//
// This is known only for methods whose generated code is linked into the
// program; whoever uses a generated stub links it. Thread safety: safe from any
// thread. The first look at a proto's descriptor takes a lock of Protobuf and
// some time.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_
#define FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "src/core/options.h"

namespace firebreak::engine {

// Returns the descriptor for a path like "/pkg.Service/Method", or null if it
// is not linked.
const google::protobuf::MethodDescriptor* FindDescriptor(
    absl::string_view method);

// Returns whether the proto says that the method may run twice. Returns false
// if it says nothing.
bool IsIdempotent(const google::protobuf::MethodDescriptor& method);

// Returns `options`, or a copy with `idempotent` set if only the proto says so.
// What the policy says comes first.
std::shared_ptr<const core::MethodOptions> WithDescriptor(
    std::shared_ptr<const core::MethodOptions> options,
    absl::string_view method);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_IDEMPOTENCY_H_
