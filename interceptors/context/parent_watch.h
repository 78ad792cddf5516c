// Reports when the server call that a call was made from is cancelled, or when
// its deadline passes.
//
//   watch = ParentWatch::Start(fields, io,
//                              [weak](grpc::StatusCode code) { ... });
//   watch->Cancel();             // when it is not needed any more
//
// gRPC ends the attempts of a call with their parent, since they are its
// children. But a call that waits in a queue, or between two attempts, has no
// attempt in flight, and gRPC offers no way to ask whether a server call has
// ended. So the call gets a child that is never sent: its initial metadata is
// corked, its channel never connects, and only the parent or Cancel() ends it.
//
// Thread safety: Cancel() may be called from any thread. `on_end` runs once, on
// a poller, with DEADLINE_EXCEEDED or with CANCELLED, whether the parent or
// Cancel() has ended the watch. Ownership: shared by its completion queue,
// until it has ended, and by the code that started it.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_PARENT_WATCH_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_PARENT_WATCH_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <memory>
#include <string>

#include "interceptors/context/context_access.h"
#include "src/engine/io/io.h"

namespace firebreak::interceptors {

class ParentWatch final : public engine::Completion {
  struct Key {};  // only Start() has one

 public:
  // `parent.parent` must be a live call, and not null.
  static std::shared_ptr<ParentWatch> Start(
      const ContextFields& parent, engine::Io* io,
      std::function<void(grpc::StatusCode code)> on_end);
  ParentWatch(Key, std::function<void(grpc::StatusCode code)> on_end)
      : on_end_(std::move(on_end)) {}

  void Cancel() { context_.TryCancel(); }

  void OnComplete(bool ok) override;

 private:
  std::function<void(grpc::StatusCode code)> on_end_;
  std::shared_ptr<ParentWatch> self_;
  // gRPC keeps a pointer to it as long as the call lasts.
  const std::string method_ = "/firebreak.v1.Parent/Watch";
  grpc::ClientContext context_;
  grpc::Status status_;
  // Lives in the call's arena, so it must be destroyed before the context.
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_PARENT_WATCH_H_
