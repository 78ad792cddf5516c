// One attempt of a driven call: a call of our own on the same channel.
//
//   auto attempt = std::make_shared<Attempt>(call, n);
//   attempt->Prepare(...);
//   Attempt::Start(std::move(attempt), stub, method, request, cq);
//
// It runs on the engine's completion queue. From Start() on, the queue owns it;
// others hold it weakly and only to cancel. It dies on a poller, since its
// context may hold the channel's last reference.
//
// Thread safety: Cancel() from any thread; the rest as the stages follow.
#ifndef FIREBREAK_INTERCEPTORS_ATTEMPT_H_
#define FIREBREAK_INTERCEPTORS_ATTEMPT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

#include "src/engine/io.h"

namespace firebreak::interceptors {

class Attempt;

class AttemptOwner {
 public:
  virtual ~AttemptOwner() = default;
  // On a poller, once. The attempt is gone afterwards: take what is needed.
  virtual void OnAttemptDone(Attempt* attempt) = 0;
};

class Attempt final : public engine::Completion {
 public:
  Attempt(std::shared_ptr<AttemptOwner> owner, int n)
      : number(n), owner_(std::move(owner)) {}

  // Prepare `context` first.
  static void Start(std::shared_ptr<Attempt> attempt, grpc::GenericStub* stub,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq);
  void Cancel() { context.TryCancel(); }
  void OnComplete(bool ok) override;

  const int number;
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  bool channel_was_not_ready = false;

 private:
  std::shared_ptr<AttemptOwner> owner_;
  std::shared_ptr<Attempt> self_;
  // Lives in the call's arena, so it goes before the context.
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
};

// Is a call with this context one of our attempts, being started by the calling
// thread right now? Then our factories let it pass: a foreign interceptor
// before ours, or one that returned null, can route an attempt back into us.
bool IsOwnAttempt(const grpc::ClientContext* context);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_ATTEMPT_H_
