#include "interceptors/fault/fault.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include "interceptors/context/wire.h"
#include "interceptors/fault/fault_timer.h"

namespace firebreak::interceptors {
namespace {

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using Methods = grpc::experimental::InterceptorBatchMethods;

constexpr char kTrailingKey[] = "injected-fault";
constexpr char kTrailingValue[] = "1";
// Begins with gRPC's words for a connection that broke.
constexpr char kBroken[] = "Socket closed: an injected fault";

thread_local bool t_is_cutting = false;

bool Has(Methods* methods, InterceptionHookPoints hook) {
  return methods->QueryInterceptionHookPoint(hook);
}

// Returns whether the batch is on its way down: it neither brings results nor
// asks a hijacked call for them.
bool IsOnItsWayDown(Methods* methods) {
  for (const auto hook : {InterceptionHookPoints::PRE_RECV_INITIAL_METADATA,
                          InterceptionHookPoints::PRE_RECV_MESSAGE,
                          InterceptionHookPoints::PRE_RECV_STATUS,
                          InterceptionHookPoints::POST_SEND_MESSAGE,
                          InterceptionHookPoints::POST_RECV_INITIAL_METADATA,
                          InterceptionHookPoints::POST_RECV_MESSAGE,
                          InterceptionHookPoints::POST_RECV_STATUS}) {
    if (Has(methods, hook)) return false;
  }
  return true;
}

// The batches of one call while it is held, and its answer if that is made
// here. Shared, since the call and its interceptor may end while the batches
// are let go.
class HeldCall final : public std::enable_shared_from_this<HeldCall> {
 public:
  explicit HeldCall(std::shared_ptr<FaultTimer> timer)
      : timer_(std::move(timer)) {}

  // Holds the call, whose first batch is `first`, until `at`.
  void Hold(Methods* first, core::Time at,
            absl::optional<grpc::Status> answer) {
    {
      core::MutexLock lock(&mu_);
      answer_ = std::move(answer);
      batches_.push_back(first);
      is_held_ = true;
      if (is_cancelled_) {
        answer_ = Cancelled();
      } else if (LetGoAt(at)) {
        return;
      }
    }
    LetGo();
  }

  // Returns whether the batch has to wait, and keeps it if so.
  bool Keep(Methods* batch) {
    core::MutexLock lock(&mu_);
    if (!is_held_) return false;
    batches_.push_back(batch);
    return true;
  }

  void Answer(Methods* first, grpc::Status status) {
    {
      core::MutexLock lock(&mu_);
      answer_ = std::move(status);
      is_answered_ = true;
    }
    first->Hijack();
  }

  // Called inside gRPC's cancel, which holds one of gRPC's locks. So nothing is
  // let go here, but on the timer's thread.
  void Cancel() {
    core::MutexLock lock(&mu_);
    is_cancelled_ = true;
    if (!is_held_ || is_leaving_) return;
    answer_ = Cancelled();
    timer_->Forget(id_);
    LetGoAt(core::Time::min());
  }

  absl::optional<grpc::Status> answer() {
    core::MutexLock lock(&mu_);
    if (!is_answered_) return absl::nullopt;
    return answer_;
  }

 private:
  static grpc::Status Cancelled() {
    return {grpc::StatusCode::CANCELLED, "CANCELLED"};
  }

  bool LetGoAt(core::Time at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return timer_->At(
        at, [self = shared_from_this()] { self->LetGo(); }, &id_);
  }

  // Lets the batches go in order. Others may come meanwhile.
  void LetGo() {
    const std::shared_ptr<HeldCall> self = shared_from_this();
    bool is_first = true;
    for (;;) {
      Methods* batch = nullptr;
      bool hijacks = false;
      {
        core::MutexLock lock(&mu_);
        if (is_first && is_leaving_) return;
        is_leaving_ = true;
        if (batches_.empty()) {
          is_held_ = false;
          return;
        }
        batch = batches_.front();
        batches_.pop_front();
        hijacks = is_first && answer_.has_value();
        if (hijacks) is_answered_ = true;
      }
      is_first = false;
      if (hijacks) {
        batch->Hijack();
      } else {
        batch->Proceed();
      }
    }
  }

  const std::shared_ptr<FaultTimer> timer_;
  core::Mutex mu_;
  std::deque<Methods*> batches_ ABSL_GUARDED_BY(mu_);
  absl::optional<grpc::Status> answer_ ABSL_GUARDED_BY(mu_);
  bool is_answered_ ABSL_GUARDED_BY(mu_) = false;
  bool is_held_ ABSL_GUARDED_BY(mu_) = false;
  bool is_leaving_ ABSL_GUARDED_BY(mu_) = false;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  FaultTimer::Id id_ ABSL_GUARDED_BY(mu_);
};

class FaultInterceptor final : public grpc::experimental::Interceptor {
 public:
  FaultInterceptor(std::shared_ptr<const FaultSource> source,
                   std::shared_ptr<FaultTimer> timer, ClientRpcInfo* info)
      : source_(std::move(source)),
        timer_(std::move(timer)),
        info_(info),
        method_(info->method()),
        held_(std::make_shared<HeldCall>(timer_)) {}

  void Intercept(Methods* methods) override {
    if (Has(methods, InterceptionHookPoints::PRE_SEND_CANCEL)) {
      held_->Cancel();
      methods->Proceed();
      return;
    }
    if (IsOnItsWayDown(methods) && held_->Keep(methods)) return;
    if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA) &&
        Begin(methods)) {
      return;
    }
    if (const auto answer = held_->answer()) {
      Fill(*answer, methods);
    } else {
      Observe(methods);
    }
    methods->Proceed();
  }

 private:
  // Returns false if the call just goes on.
  bool Begin(Methods* methods) {
    // The fault is decided here and not earlier, since a call that firebreak
    // refuses, or answers by attempts of its own, never comes here.
    fault_ = source_->decide(method_);
    if (!fault_.hangs && fault_.latency <= core::Duration::zero()) {
      if (!fault_.status) return false;
      held_->Answer(methods, *fault_.status);
      return true;
    }
    const core::Time due =
        fault_.hangs
            ? core::kInfiniteFuture
            : core::SaturatingAdd(timer_->clock().Now(), fault_.latency);
    const core::Time deadline = FromGrpcDeadline(
        info_->client_context()->raw_deadline(), timer_->clock());
    absl::optional<grpc::Status> answer = fault_.status;
    if (deadline <= due) {
      answer = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                            "Deadline Exceeded");
    }
    // Hold() may end the call and destroy `this`, so only `held` is used.
    const std::shared_ptr<HeldCall> held = held_;
    held->Hold(methods, std::min(due, deadline), std::move(answer));
    return true;
  }

  static void Fill(const grpc::Status& answer, Methods* methods) {
    if (Has(methods, InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      methods->FailHijackedSendMessage();
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_MESSAGE)) {
      methods->FailHijackedRecvMessage();
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_STATUS)) {
      *methods->GetRecvStatus() = answer;
      // Only servers send trailing metadata. A call that was cancelled, or ran
      // out of time, may not have reached one.
      if (answer.error_code() != grpc::StatusCode::CANCELLED &&
          answer.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
        methods->GetRecvTrailingMetadata()->emplace(kTrailingKey,
                                                    kTrailingValue);
      }
    }
  }

  // Returns whether a server has replied. A call that the caller has ended, or
  // that reached no server, has no reply.
  static bool WasAnswered(Methods* methods) {
    switch (methods->GetRecvStatus()->error_code()) {
      case grpc::StatusCode::CANCELLED:
      case grpc::StatusCode::DEADLINE_EXCEEDED:
      case grpc::StatusCode::UNAVAILABLE:
        return false;
      default:
        return true;
    }
  }

  void Observe(Methods* methods) {
    if (Has(methods, InterceptionHookPoints::POST_RECV_MESSAGE)) {
      CountMessage(methods->GetRecvMessage());
    }
    if (Has(methods, InterceptionHookPoints::POST_RECV_STATUS) &&
        (is_cut_ || (fault_.drops_reply && WasAnswered(methods)))) {
      *methods->GetRecvStatus() =
          grpc::Status(grpc::StatusCode::UNAVAILABLE, kBroken);
      methods->GetRecvTrailingMetadata()->clear();
    }
  }

  void CountMessage(const void* message) {
    if (message == nullptr || is_cut_ ||
        info_->type() == ClientRpcInfo::Type::UNARY) {
      return;
    }
    ++messages_;
    bytes_ +=
        source_->is_generic
            ? static_cast<int64_t>(
                  static_cast<const grpc::ByteBuffer*>(message)->Length())
            : static_cast<int64_t>(
                  static_cast<const google::protobuf::MessageLite*>(message)
                      ->ByteSizeLong());
    const bool cuts =
        (fault_.cut_after_messages > 0 &&
         messages_ >= fault_.cut_after_messages) ||
        (fault_.cut_after_bytes > 0 && bytes_ >= fault_.cut_after_bytes);
    if (!cuts) return;
    is_cut_ = true;
    t_is_cutting = true;
    info_->client_context()->TryCancel();
    t_is_cutting = false;
  }

  const std::shared_ptr<const FaultSource> source_;
  const std::shared_ptr<FaultTimer> timer_;
  ClientRpcInfo* const info_;
  // Copied, since the caller of a generic stub may have destroyed it when the
  // call starts.
  const std::string method_;
  const std::shared_ptr<HeldCall> held_;
  Fault fault_;
  int64_t messages_ = 0;
  int64_t bytes_ = 0;
  // Reads and the status of a stream may end on two threads at once.
  std::atomic<bool> is_cut_{false};
};

class FaultFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit FaultFactory(FaultSource source)
      : source_(std::make_shared<const FaultSource>(std::move(source))),
        timer_(FaultTimer::Create(source_->clock)) {}
  ~FaultFactory() override { timer_->Stop(); }

  grpc::experimental::Interceptor* CreateClientInterceptor(
      ClientRpcInfo* info) override {
    return new FaultInterceptor(source_, timer_, info);
  }

 private:
  const std::shared_ptr<const FaultSource> source_;
  const std::shared_ptr<FaultTimer> timer_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
NewFaultFactory(FaultSource source) {
  return std::make_unique<FaultFactory>(std::move(source));
}

bool IsCuttingHere() { return t_is_cutting; }

}  // namespace firebreak::interceptors
