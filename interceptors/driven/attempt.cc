#include "interceptors/driven/attempt.h"

#include <utility>

// Included for the code by which gRPC reads Protobuf messages, which has no
// public header of its own.
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/engine/io/own_call.h"

namespace firebreak::interceptors {
namespace {

// True on a thread that is handling the end of an attempt.
thread_local bool t_is_polling = false;

}  // namespace

bool Attempt::MayDieHere() { return t_is_polling; }

void Attempt::Start(std::shared_ptr<Attempt> attempt,
                    const std::shared_ptr<grpc::ChannelInterface>& channel,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq) {
  using TypedStub = grpc::TemplatedGenericStub<grpc::ByteBuffer,
                                               google::protobuf::MessageLite>;
  Attempt* const self = attempt.get();
  const auto run = [&](auto stub, auto* kept, auto* answer) {
    {
      engine::OwnCall own(&self->context);
      *kept = stub.PrepareUnaryCall(&self->context, method, request, cq);
    }
    auto* const reader = kept->get();
    reader->StartCall();
    self->self_ = std::move(attempt);
    // The attempt may have ended, and been destroyed, before this returns.
    reader->Finish(answer, &self->status,
                   static_cast<engine::Completion*>(self));
  };
  if (self->typed_reply) {
    run(TypedStub(channel), &self->typed_reader_, self->typed_reply.get());
  } else {
    run(grpc::GenericStub(channel), &self->reader_, &self->reply);
  }
}

void Attempt::TimeOut() {
  is_timed_out_ = true;
  context.TryCancel();
}

void Attempt::OnComplete(bool ok) {
  if (is_timed_out_ && status.error_code() == grpc::StatusCode::CANCELLED) {
    status = {grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"};
  }
  // A unary Finish() always delivers a status. `ok` says whether there is a
  // message.
  has_message = ok;
  const std::shared_ptr<AttemptOwner> owner = std::move(owner_);
  const bool before = std::exchange(t_is_polling, true);
  owner->OnAttemptDone(std::move(self_));
  t_is_polling = before;
}

}  // namespace firebreak::interceptors
