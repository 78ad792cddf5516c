// Reads and writes members of a ClientContext that have no public accessors.
//
//   ContextFields fields = ReadContext(*caller);
//   WriteContext(fields, &attempt);
//
// wait_for_ready, the authority and the parent call of a propagated context
// have setters but no getters. An attempt without them would silently be a
// different call: it would fail fast although the caller asked to wait, and it
// would not end with the deadline or the cancellation of its server call. The
// description of a failure has a getter but no setter, and the caller reads it
// from its own context and not from the attempt's.
//
// This is the only file that names these private members. It does so by
// explicit template instantiation, where C++ checks names and types at compile
// time but not access. See docs/adr/0003-private-context-fields.md.
//
// When built with FIREBREAK_READ_PRIVATE_CONTEXT=OFF, ReadContext() returns the
// defaults. The docs say what is lost then.
//
// Thread safety: pure functions over the contexts given.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_CONTEXT_ACCESS_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_CONTEXT_ACCESS_H_

#include <grpc/grpc.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <string>
#include <utility>

namespace firebreak::interceptors {

struct ContextFields {
  bool wait_for_ready = false;
  bool wait_for_ready_is_set = false;
  std::string authority;
  // The server call that this context was made from, or null. Not owned: a
  // ParentRef keeps it alive.
  grpc_call* parent = nullptr;
  grpc::PropagationOptions propagation;
};

ContextFields ReadContext(const grpc::ClientContext& context);
// Returns only the parent.
grpc_call* ReadParent(const grpc::ClientContext& context);
void WriteContext(const ContextFields& fields, grpc::ClientContext* context);
// Sets gRPC's description of a failure, which has a getter but no setter.
void WriteDebugErrorString(std::string text, grpc::ClientContext* context);
// Sets the parent as if `context` had been made from `server`.
void SetParent(const grpc::ServerContextBase& server,
               grpc::ClientContext* context);

// Keeps a parent call alive until no attempt needs it any more: the handler
// that owns it may be gone before a held call ends.
class ParentRef {
 public:
  ParentRef() = default;
  explicit ParentRef(grpc_call* call) : call_(call) {
    if (call_ != nullptr) grpc_call_ref(call_);
  }
  ParentRef(ParentRef&& other) noexcept
      : call_(std::exchange(other.call_, nullptr)) {}
  ~ParentRef() { Release(); }
  ParentRef(const ParentRef&) = delete;
  ParentRef& operator=(const ParentRef&) = delete;

  void Release() {
    if (call_ != nullptr) grpc_call_unref(call_);
    call_ = nullptr;
  }

 private:
  grpc_call* call_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_CONTEXT_ACCESS_H_
