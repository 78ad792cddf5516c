#include "interceptors/attempt.h"

#include <utility>

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

void Attempt::Start(std::shared_ptr<Attempt> attempt, grpc::GenericStub* stub,
                    const std::string& method, const grpc::ByteBuffer& request,
                    grpc::CompletionQueue* cq) {
  Attempt* const self = attempt.get();
  // An interceptor after ours may make calls of its own here: nested attempts
  // come back to what was.
  const grpc::ClientContext* const before =
      std::exchange(t_starting, &self->context);
  self->reader_ = stub->PrepareUnaryCall(&self->context, method, request, cq);
  t_starting = before;
  self->reader_->StartCall();
  grpc::GenericClientAsyncResponseReader* const reader = self->reader_.get();
  self->self_ = std::move(attempt);
  // The attempt may be over, and gone, before this returns.
  reader->Finish(&self->reply, &self->status,
                 static_cast<engine::Completion*>(self));
}

void Attempt::OnComplete(bool /*ok*/) {
  // A unary Finish() always has a status; `ok` says no more.
  const std::shared_ptr<AttemptOwner> owner = std::move(owner_);
  const bool before = std::exchange(t_is_polling, true);
  owner->OnAttemptDone(std::move(self_));
  t_is_polling = before;
}

}  // namespace firebreak::interceptors
