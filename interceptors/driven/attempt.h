// One attempt of a driven call: a call that firebreak makes on the same
// channel.
//
//   auto attempt = std::make_shared<Attempt>(call, n, kAttempt);
//   ... attempt->context ...
//   Attempt::Start(std::move(attempt), channel, method, request, cq);
//
// An attempt runs on one of the engine's completion queues. From Start() on the
// queue owns it; others hold weak references, and use them only to cancel it.
// It is destroyed on a thread of the engine or on the thread of a synchronous
// caller, but not on one of gRPC: its context may hold the last reference to
// the channel.
//
// Thread safety: Cancel() and TimeOut() may be called from any thread. The
// other members are used by one thread at a time: the one that starts the
// attempt, and then the one that handles its end.
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_ATTEMPT_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_ATTEMPT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <memory>
#include <string>

#include "interceptors/driven/mailbox.h"
#include "interceptors/reply/typed_reply.h"
#include "src/engine/io/io.h"

namespace firebreak::interceptors {

class Attempt;

class AttemptOwner {
 public:
  virtual ~AttemptOwner() = default;
  // Called once, on the thread that polls the attempt's queue.
  virtual void OnAttemptDone(std::shared_ptr<Attempt> attempt) = 0;
};

// Posted as mail, it announces that it has ended.
class Attempt final : public engine::Completion, public Mail {
 public:
  Attempt(std::shared_ptr<AttemptOwner> owner, int n, int mail_kind)
      : Mail(mail_kind), number(n), owner_(std::move(owner)) {}

  // `context` must be prepared before this, and `typed_reply` if the type of
  // the reply is known. Interceptors after ours then see the message as they do
  // natively.
  static void Start(std::shared_ptr<Attempt> attempt,
                    const std::shared_ptr<grpc::ChannelInterface>& channel,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq);
  void Cancel() { context.TryCancel(); }
  // Ends the attempt with DEADLINE_EXCEEDED, for deadlines that gRPC itself
  // cannot enforce.
  void TimeOut();
  void OnComplete(bool ok) override;

  // Returns whether the calling thread may destroy an attempt whose context
  // holds the last reference to the channel.
  static bool MayDieHere();

  const int number;
  grpc::ClientContext context;
  TypedReply typed_reply;
  grpc::ByteBuffer reply;  // without a typed one
  grpc::Status status;
  // Whether gRPC has read a message. An OK without one has no reply, or one
  // that is not of the message's type.
  bool has_message = false;
  bool channel_was_not_ready = false;
  // The timer that calls TimeOut(), or null.
  std::shared_ptr<engine::TimerClient> timeout;
  // Keeps the attempt alive while it is in a mailbox.
  std::shared_ptr<Attempt> in_mail;

 private:
  std::shared_ptr<AttemptOwner> owner_;
  std::atomic<bool> is_timed_out_{false};
  std::shared_ptr<Attempt> self_;
  // One of these two is set. It lives in the call's arena, so it must be
  // destroyed before the context.
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  std::unique_ptr<
      grpc::ClientAsyncResponseReader<google::protobuf::MessageLite>>
      typed_reader_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_ATTEMPT_H_
