#include "interceptors/driven/native_call.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

namespace {

// The context that this thread is cancelling. Only compared by address, and
// only while that cancel runs.
thread_local const grpc::ClientContext* t_cancelling = nullptr;

}  // namespace

bool NativeCall::CanBe(Methods* first) {
  // A completion-queue stub has serialized its message already, so
  // GetSendMessage() is null. It may ask for the initial metadata long before
  // it asks for the end, and would wait in vain for a batch that is kept
  // meanwhile. A reactor asks for both at once.
  return first->GetRecvStatus() != nullptr ||
         first->GetSendMessage() != nullptr;
}

void NativeCall::SendDeadline(
    core::Duration left, std::multimap<std::string, std::string>* metadata) {
  // The protocol allows eight digits. The value is rounded up: if the server
  // ends the call a little late, our own cancel has ended it already.
  constexpr int64_t kMost = 99'999'999;
  const int64_t micros = (std::max<int64_t>(left.count(), 1) + 999) / 1000;
  const int64_t millis = (micros + 999) / 1000;
  const int64_t seconds = (millis + 999) / 1000;
  const std::string value = micros <= kMost ? absl::StrCat(micros, "u")
                            : millis <= kMost
                                ? absl::StrCat(millis, "m")
                                : absl::StrCat(std::min(seconds, kMost), "S");
  metadata->emplace("grpc-timeout", value);
}

void NativeCall::Cancel() {
  const grpc::ClientContext* const before =
      std::exchange(t_cancelling, context_);
  context_->TryCancel();
  t_cancelling = before;
}

bool NativeCall::IsCancelling(const grpc::ClientContext* context) {
  return t_cancelling == context;
}

void NativeCall::WriteOver(const Answer& answer) {
  *end_->GetRecvStatus() = answer.status;
  auto* const trailing = end_->GetRecvTrailingMetadata();
  trailing->clear();
  Insert(answer.trailing, trailing);
  Methods* const with_initial = initial_ != nullptr ? initial_ : end_;
  // The hook is missing if the caller has the initial metadata already.
  if (with_initial->QueryInterceptionHookPoint(
          InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
    auto* const initial = with_initial->GetRecvInitialMetadata();
    initial->clear();
    Insert(answer.initial, initial);
  }
}

void NativeCall::Add(const Answer::Metadata& trailing) {
  Insert(trailing, end_->GetRecvTrailingMetadata());
}

void NativeCall::LetGo() {
  stage_ = Stage::kGone;
  Methods* const initial = std::exchange(initial_, nullptr);
  Methods* const end = std::exchange(end_, nullptr);
  if (initial != nullptr) initial->Proceed();
  end->Proceed();
}

}  // namespace firebreak::interceptors
