// One attempt of a driven call: a call of our own on the same channel.
//
//   auto attempt = std::make_shared<Attempt>(call, n);
//   ... attempt->context ...
//   Attempt::Start(std::move(attempt), channel, method, request, cq);
//
// It runs on a completion queue of the engine's. From Start() on, the queue
// owns it; others hold it weakly and only to cancel. It dies on a thread of the
// engine's or on that of a synchronous caller, since its context may hold the
// channel's last reference.
//
// Thread safety: Cancel() and TimeOut() from any thread; the rest as the stages
// follow.
#ifndef FIREBREAK_INTERCEPTORS_ATTEMPT_H_
#define FIREBREAK_INTERCEPTORS_ATTEMPT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <memory>
#include <string>

#include "interceptors/mailbox.h"
#include "interceptors/typed_reply.h"
#include "src/engine/io/io.h"

namespace firebreak::interceptors {

class Attempt;

class AttemptOwner {
 public:
  virtual ~AttemptOwner() = default;
  // On the thread that polls the attempt's queue, once.
  virtual void OnAttemptDone(std::shared_ptr<Attempt> attempt) = 0;
};

// As mail, it says that it is done.
class Attempt final : public engine::Completion, public Mail {
 public:
  Attempt(std::shared_ptr<AttemptOwner> owner, int n, int mail_kind)
      : Mail(mail_kind), number(n), owner_(std::move(owner)) {}

  // Prepare `context` first, and `typed_reply` where the type of the reply is
  // known: interceptors after ours then see it as they do natively.
  static void Start(std::shared_ptr<Attempt> attempt,
                    const std::shared_ptr<grpc::ChannelInterface>& channel,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq);
  void Cancel() { context.TryCancel(); }
  // Where a deadline of gRPC's cannot do it: it ends as by one.
  void TimeOut();
  void OnComplete(bool ok) override;

  // Whether the calling thread is one that an attempt may die on, even if its
  // context is the last that keeps the channel.
  static bool MayDieHere();

  const int number;
  grpc::ClientContext context;
  TypedReply typed_reply;
  grpc::ByteBuffer reply;  // without a typed one
  grpc::Status status;
  // An OK without it has no reply, or one that is not of the message's type.
  bool has_message = false;
  bool channel_was_not_ready = false;
  // What calls TimeOut(), if anything does.
  std::shared_ptr<engine::TimerClient> timeout;
  // While it is in somebody's box.
  std::shared_ptr<Attempt> in_mail;

 private:
  std::shared_ptr<AttemptOwner> owner_;
  std::atomic<bool> is_timed_out_{false};
  std::shared_ptr<Attempt> self_;
  // One of them. Lives in the call's arena, so it goes before the context.
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  std::unique_ptr<
      grpc::ClientAsyncResponseReader<google::protobuf::MessageLite>>
      typed_reader_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_ATTEMPT_H_
