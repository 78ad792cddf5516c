#include "interceptors/guarded_call.h"

#include <utility>

#include "interceptors/context_access.h"
#include "interceptors/wire.h"
#include "src/core/deadline.h"
#include "src/engine/clock.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

GuardedCall::GuardedCall(std::shared_ptr<engine::ChannelBinding> channel,
                         std::shared_ptr<const engine::MethodBinding> method,
                         grpc::experimental::ClientRpcInfo* info)
    : channel_(std::move(channel)), method_(std::move(method)), info_(info) {}

GuardedCall::~GuardedCall() {
  if (!is_running_) return;
  // The permit gives itself back.
  core::MethodStats& stats = method_->runtime->stats;
  stats.OnAttemptEnd(core::Attribution::kAbandoned);
  stats.OnCallEnded(core::CallEnd::kAbandoned, absl::StatusCode::kOk,
                    core::Duration::zero());
}

std::shared_ptr<const Answer> GuardedCall::Admit(Refusals* refusals) {
  engine::MethodRuntime& runtime = *method_->runtime;
  core::Breaker* const breaker = method_->targets.front();
  runtime.stats.OnCallStarted();
  started_ = engine::Now();
  const core::Time deadline =
      FromGrpcDeadline(info_->client_context()->raw_deadline());
  if (!core::CanPayFor(deadline, started_)) {
    // gRPC would say the same without sending anything; the server, and a
    // probe's slot, have nothing to do with it.
    runtime.stats.OnRejected(core::Reason::kDeadlineExceeded);
    return std::make_shared<const Answer>(
        LocalAnswer(grpc::StatusCode::DEADLINE_EXCEEDED,
                    "firebreak: the deadline was spent before the call began",
                    core::Reason::kDeadlineExceeded, core::Duration::zero()));
  }
  core::Admission admission = breaker->Admit(started_, deadline);
  if (!admission.permit) {
    runtime.stats.OnRejected(admission.refusal.reason);
    return refusals->For(*method_, admission.refusal);
  }
  is_running_ = true;
  runtime.stats.OnAttempt(core::AttemptKind::kFirst);
  runtime.budget->OnCallAdmitted(started_);
  channel_was_not_ready_ = admission.permit.is_probe() &&
                           info_->channel()->GetState(
                               /*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  core::MutexLock lock(&mu_);
  permit_ = std::move(admission.permit);
  return nullptr;
}

void GuardedCall::Observe(grpc::experimental::InterceptorBatchMethods* methods,
                          bool cancelled) {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::POST_RECV_STATUS)) {
    OnStatus(*methods->GetRecvStatus(), cancelled);
  } else if (info_->type() != grpc::experimental::ClientRpcInfo::Type::UNARY &&
             (methods->QueryInterceptionHookPoint(
                  InterceptionHookPoints::POST_RECV_INITIAL_METADATA) ||
              (methods->QueryInterceptionHookPoint(
                   InterceptionHookPoints::POST_RECV_MESSAGE) &&
               methods->GetRecvMessage() != nullptr))) {
    OnProgress();
  }
}

void GuardedCall::OnProgress() {
  core::MutexLock lock(&mu_);
  permit_.NoteProgress(engine::Now());
}

void GuardedCall::OnStatus(const grpc::Status& status, bool cancelled) {
  if (!std::exchange(is_running_, false)) return;
  const grpc::ClientContext& context = *info_->client_context();
  engine::MethodRuntime& runtime = *method_->runtime;
  core::AttemptEnd end = ReadEnd(status, context);
  end.channel_was_not_ready = channel_was_not_ready_;
  end.cancelled_by_caller =
      cancelled || (end.code == absl::StatusCode::kCancelled &&
                    ReadContext(context).parent != nullptr);
  const core::Attribution attribution =
      core::Attribute(end, runtime.options->failure_codes());
  const core::Time now = engine::Now();
  {
    core::MutexLock lock(&mu_);
    permit_.Settle(core::EffectsOf(attribution).verdict, now);
  }
  runtime.stats.OnAttemptEnd(attribution);
  const core::CallEnd call_end =
      attribution == core::Attribution::kCancelledByCaller
          ? core::CallEnd::kCancelled
          : (status.ok() ? core::CallEnd::kSuccess : core::CallEnd::kFailure);
  runtime.stats.OnCallEnded(call_end, end.code, now - started_);
}

}  // namespace firebreak::interceptors
