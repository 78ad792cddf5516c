#include "interceptors/native_call.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

namespace {

// Compared by identity only, and only while that cancel runs.
thread_local const grpc::ClientContext* t_cancelling = nullptr;

}  // namespace

bool NativeCall::CanBe(Methods* first) {
  // A stub over a completion queue has serialized its message, and may ask for
  // the initial metadata long before it asks for the end: kept meanwhile, that
  // would be waited for in vain. A reactor asks for both at once.
  return first->GetRecvStatus() != nullptr ||
         first->GetSendMessage() != nullptr;
}

void NativeCall::SendDeadline(
    core::Duration left, std::multimap<std::string, std::string>* metadata) {
  // At most eight digits, rounded up: a little late is a cancel of ours.
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
  // Not there where the caller has it already.
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
