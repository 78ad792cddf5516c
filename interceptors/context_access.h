// What a ClientContext knows and does not tell.
//
//   ContextFields fields = ReadContext(*caller);
//   WriteContext(fields, &attempt);
//
// wait_for_ready, the authority and the parent call of a propagated context
// have setters but no getters, and an attempt without them would silently be
// another call: fail-fast where the caller asked to wait, deaf to its server
// call's deadline and cancellation. The account of a failure has only a getter,
// and the caller's context is not the attempt's. This is the one file that
// names those private members, by explicit template instantiation, where access
// is not checked but names and types are, at compile time. See
// docs/adr/0003-private-context-fields.md.
//
// Built with FIREBREAK_READ_PRIVATE_CONTEXT=OFF, ReadContext() answers the
// defaults, and docs say what is then lost.
//
// Thread safety: pure functions over the contexts given.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_ACCESS_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_ACCESS_H_

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
  // The server call this context was made from, or null. Not owned: see
  // ParentRef for keeping it.
  grpc_call* parent = nullptr;
  grpc::PropagationOptions propagation;
};

ContextFields ReadContext(const grpc::ClientContext& context);
// Only the parent.
grpc_call* ReadParent(const grpc::ClientContext& context);
void WriteContext(const ContextFields& fields, grpc::ClientContext* context);
// gRPC's account of a failure. It has a getter and no setter.
void WriteDebugErrorString(std::string text, grpc::ClientContext* context);
// As if `context` had been made from `server`.
void SetParent(const grpc::ServerContextBase& server,
               grpc::ClientContext* context);

// Keeps a parent call alive until attempts need it no more: the handler that
// owns it may be gone before a held call ends.
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

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_ACCESS_H_
