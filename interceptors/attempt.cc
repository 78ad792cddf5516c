#include "interceptors/attempt.h"

#include <utility>

// For what gRPC reads Protobuf's messages with, which has no header of its own
// that is public.
#include "firebreak/v1/admin.grpc.pb.h"

namespace firebreak::interceptors {
namespace {

// Compared by identity only, and only while the attempt's call is created.
thread_local const grpc::ClientContext* t_starting = nullptr;

// While an attempt's end is told.
thread_local bool t_is_polling = false;

}  // namespace

bool Attempt::MayDieHere() { return t_is_polling; }

bool IsOwnAttempt(const grpc::ClientContext* context) {
  return t_starting == context;
}

void Attempt::Start(std::shared_ptr<Attempt> attempt,
                    const std::shared_ptr<grpc::ChannelInterface>& channel,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq) {
  using TypedStub = grpc::TemplatedGenericStub<grpc::ByteBuffer,
                                               google::protobuf::MessageLite>;
  Attempt* const self = attempt.get();
  // An interceptor after ours may make calls of its own here: nested attempts
  // come back to what was.
  const grpc::ClientContext* const before =
      std::exchange(t_starting, &self->context);
  const auto run = [&](auto stub, auto* kept, auto* answer) {
    *kept = stub.PrepareUnaryCall(&self->context, method, request, cq);
    t_starting = before;
    auto* const reader = kept->get();
    reader->StartCall();
    self->self_ = std::move(attempt);
    // The attempt may be over, and gone, before this returns.
    reader->Finish(answer, &self->status,
                   static_cast<engine::Completion*>(self));
  };
  if (self->message != nullptr) {
    run(TypedStub(channel), &self->typed_reader_, self->message.get());
  } else {
    run(grpc::GenericStub(channel), &self->reader_, &self->reply);
  }
}

void Attempt::OnComplete(bool ok) {
  // A unary Finish() always has a status; `ok` says that there is a message.
  has_message = ok;
  const std::shared_ptr<AttemptOwner> owner = std::move(owner_);
  const bool before = std::exchange(t_is_polling, true);
  owner->OnAttemptDone(std::move(self_));
  t_is_polling = before;
}

}  // namespace firebreak::interceptors
