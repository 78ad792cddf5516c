// Tells when the server call that a call was made from is cancelled, or when
// its deadline passes.
//
//   watch = ParentWatch::Start(fields, io, [weak](grpc::StatusCode code)
//   {...}); watch->Cancel();                     // not interested any more
//
// gRPC tells the attempts of a call, which are children of the same parent. But
// a call that waits, in a queue or out a backoff, has no attempt that could be
// told, and a server call cannot be asked: so it gets a child that never goes
// anywhere. Its initial metadata is corked and never sent, its channel never
// connects, and what ends it is the parent, or Cancel().
//
// Thread safety: Cancel() from any thread; `on_end` runs once, on a poller, and
// is told DEADLINE_EXCEEDED, or CANCELLED by whomever.
// Ownership: by its completion queue until it has ended, and by who asked.
#ifndef FIREBREAK_INTERCEPTORS_PARENT_WATCH_H_
#define FIREBREAK_INTERCEPTORS_PARENT_WATCH_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <memory>
#include <string>

#include "interceptors/context_access.h"
#include "src/engine/io/io.h"

namespace firebreak::interceptors {

class ParentWatch final : public engine::Completion {
  struct Key {};  // only Start() has one

 public:
  // `parent.parent` is not null, and alive.
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
  // gRPC points into it for as long as the call lasts.
  const std::string method_ = "/firebreak.v1.Parent/Watch";
  grpc::ClientContext context_;
  grpc::Status status_;
  // Lives in the call's arena, so it goes before the context.
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_PARENT_WATCH_H_
