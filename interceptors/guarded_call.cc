#include "interceptors/guarded_call.h"

#include <utility>
#include <vector>

#include "interceptors/context/wire.h"
#include "interceptors/reply/report.h"
#include "src/core/attempts/deadline_gate.h"
#include "src/core/base/deadline.h"
#include "src/engine/callbacks/classification.h"

namespace firebreak::interceptors {

using grpc::experimental::InterceptionHookPoints;

GuardedCall::GuardedCall(std::shared_ptr<engine::ChannelBinding> channel,
                         std::shared_ptr<const engine::MethodBinding> method,
                         grpc::experimental::ClientRpcInfo* info,
                         bool wants_report)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      info_(info),
      wants_report_(wants_report) {}

GuardedCall::~GuardedCall() {
  if (!is_running_) return;
  // The destructor of the permit returns it.
  core::MethodStats& stats = method_->runtime->stats;
  const core::Time now = Now();
  admission_permit_.End(core::AdmissionControl::Verdict::kUnknown, now);
  stats.OnAttemptEnd(core::Attribution::kAbandoned);
  stats.OnCallEnded(core::CallEnd::kAbandoned, absl::StatusCode::kOk,
                    core::Duration::zero());
  const auto attribution = core::Attribution::kAbandoned;
  Write(core::CallEnd::kAbandoned, absl::StatusCode::kOk, core::Reason::kNone,
        &attribution, now);
  TellEnd(grpc::Status::CANCELLED, attribution);
}

void GuardedCall::Write(core::CallEnd end, absl::StatusCode code,
                        core::Reason reason, const core::Attribution* sent,
                        core::Time now) {
  const core::MethodStats& stats = method_->runtime->stats;
  core::CallTape* const tape = core::Listening(stats);
  if (tape == nullptr && candidate_ == nullptr) return;
  core::CallTape::Call call;
  call.method = &stats;
  call.started = started_;
  const bool is_abandoned = end == core::CallEnd::kAbandoned;
  call.took = is_abandoned ? core::Duration::zero() : now - started_;
  call.granted = core::Remaining(started_, deadline_);
  call.code = code;
  call.reason = reason;
  call.end = end;
  call.attempts = sent != nullptr ? 1 : 0;
  call.is_stream = !is_unary();
  const auto attempt_of = [&](int) {
    core::CallTape::Attempt attempt;
    attempt.breaker = method_->targets.front();
    attempt.started = admitted_;
    attempt.took = now - admitted_;
    attempt.granted = granted_;
    attempt.code = code;
    attempt.attribution = *sent;
    attempt.answered =
        end == core::CallEnd::kSuccess || end == core::CallEnd::kFailure;
    return attempt;
  };
  if (tape != nullptr) tape->Write(call, attempt_of);
  if (candidate_ == nullptr) return;
  core::MutexLock lock(&mu_);
  candidate_->End(call, now);
}

void GuardedCall::TellStart(std::multimap<std::string, std::string>* metadata) {
  if (channel_->listener() == nullptr) return;
  AttemptStart start;
  start.channel = channel_->name();
  start.method = method_->method;
  start.target = channel_->targets().front();
  start.kind = KindName(core::AttemptKind::kFirst);
  start.context = info_->client_context();
  start.metadata = metadata;
  channel_->listener()->OnAttemptStart(start);
}

void GuardedCall::TellEnd(const grpc::Status& status,
                          core::Attribution attribution) const {
  if (channel_->listener() == nullptr) return;
  AttemptEnd end;
  end.channel = channel_->name();
  end.method = method_->method;
  end.target = channel_->targets().front();
  end.context = info_->client_context();
  end.status = status;
  end.attribution = core::AttributionName(attribution);
  if (attribution != core::Attribution::kAbandoned) {
    end.peer = info_->client_context()->peer();
  }
  channel_->listener()->OnAttemptEnd(end);
}

void GuardedCall::TellRefused(core::Reason reason) const {
  channel_->core()->listeners()->OnRejection(
      channel_->name(), method_->runtime->method, reason, admitted_);
}

void GuardedCall::Report(
    const core::CallDriver::Attempt& facts,
    std::multimap<grpc::string_ref, grpc::string_ref>* trailing) {
  v1::CallReport report = NewReport(*channel_, *method_);
  AddAttempt(*channel_, facts, info_->client_context()->peer(), facts.started,
             &report)
      ->set_answered(true);
  FinishReport(facts.code, core::Reason::kNone, facts.ended - facts.started,
               &report);
  report_ = report.SerializeAsString();
  trailing->emplace(ReportKey(), report_);
}

core::AdmissionControl::Step GuardedCall::Begin(const CallOptions& options) {
  engine::MethodRuntime& runtime = *method_->runtime;
  runtime.stats.OnCallStarted();
  started_ = Now();
  admitted_ = started_;
  deadline_ = FromGrpcDeadline(info_->client_context()->raw_deadline(),
                               channel_->core()->clock());
  if (method_->candidate != nullptr) {
    engine::CandidateCall::Arrival arrival;
    arrival.now = started_;
    arrival.deadline = deadline_;
    arrival.kind = kind();
    arrival.options =
        AdjustOptions(method_->candidate->binding.settings->options, options);
    arrival.seed = channel_->core()->NextSeed();
    candidate_ = std::make_unique<engine::CandidateCall>(
        *method_->candidate, &runtime, std::move(arrival));
  }
  // If the deadline has passed, admission refuses the call. gRPC would do the
  // same without sending anything, so neither the server nor a probe's slot is
  // used.
  return admission_permit_.Begin(
      &method_->settings->admission, started_, deadline_,
      is_unary() ? runtime.ExpectedTime(method_->settings->admission, started_)
                 : core::Duration::zero());
}

void GuardedCall::OnAdmitted(core::AdmissionPermit permit) {
  admission_permit_ = std::move(permit);
  admitted_ = Now();
}

std::shared_ptr<const Answer> GuardedCall::TurnAway(
    const core::AdmissionControl::Refusal& refusal) {
  method_->runtime->stats.OnRejected(refusal.reason);
  Write(core::CallEnd::kRejected, refusal.code, refusal.reason, nullptr,
        admitted_);
  NoteRefusal(*method_, refusal.reason, /*epoch=*/0, admitted_, [&] {
    return WhyRefused(method_->settings->admission, refusal);
  });
  TellRefused(refusal.reason);
  return WithReport(
      std::make_shared<const Answer>(RefusedAnswer(*method_, refusal)),
      refusal.reason);
}

std::shared_ptr<const Answer> GuardedCall::Cancel() {
  const core::Time now = Now();
  method_->runtime->stats.OnCallEnded(
      core::CallEnd::kCancelled, absl::StatusCode::kCancelled, now - started_);
  Write(core::CallEnd::kCancelled, absl::StatusCode::kCancelled,
        core::Reason::kCancelled, nullptr, now);
  return WithReport(std::make_shared<const Answer>(CancelledAnswer()),
                    core::Reason::kCancelled);
}

std::shared_ptr<const Answer> GuardedCall::Admit(Refusals* refusals) {
  engine::MethodRuntime& runtime = *method_->runtime;
  core::Breaker* const breaker = method_->targets.front();
  granted_ = core::Remaining(admitted_, deadline_);
  const auto& gate = method_->settings->options->deadline_gate;
  if (is_unary() && gate && gate->first_attempt &&
      !core::IsFeasible(gate, &runtime.latency, granted_, admitted_)) {
    admission_permit_.End(core::AdmissionControl::Verdict::kNotSent, admitted_);
    runtime.stats.OnRejected(core::Reason::kDeadlineInfeasible);
    Write(core::CallEnd::kRejected, absl::StatusCode::kDeadlineExceeded,
          core::Reason::kDeadlineInfeasible, nullptr, admitted_);
    NoteRefusal(*method_, core::Reason::kDeadlineInfeasible, /*epoch=*/0,
                admitted_,
                [&] { return WhyInfeasible(*method_, granted_, admitted_); });
    TellRefused(core::Reason::kDeadlineInfeasible);
    return WithReport(std::make_shared<const Answer>(
                          InfeasibleAnswer(*method_, granted_, admitted_)),
                      core::Reason::kDeadlineInfeasible);
  }
  core::Admission admission = breaker->Admit(admitted_, deadline_, kind());
  if (!admission.permit) {
    admission_permit_.End(core::AdmissionControl::Verdict::kNotSent, admitted_);
    const core::Refusal& refusal = admission.refusal;
    runtime.stats.OnRejected(refusal.reason);
    Write(core::CallEnd::kRejected, absl::StatusCode::kUnavailable,
          refusal.reason, nullptr, admitted_);
    NoteRefusal(*method_, refusal.reason, refusal.epoch, admitted_, [&] {
      return WhyBreakerRefuses(breaker, refusal.reason, admitted_);
    });
    TellRefused(refusal.reason);
    return WithReport(refusals->For(*method_, refusal), refusal.reason);
  }
  is_running_ = true;
  runtime.stats.OnAttempt(core::AttemptKind::kFirst);
  if (is_unary()) age_ = runtime.stats.ages.Begin(admitted_);
  runtime.budget->OnCallAdmitted();
  channel_was_not_ready_ = admission.permit.is_probe() &&
                           info_->channel()->GetState(
                               /*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  core::MutexLock lock(&mu_);
  permit_ = std::move(admission.permit);
  if (candidate_ != nullptr) {
    candidate_->OnLaunch(
        {0, 0, core::AttemptKind::kFirst, deadline_, permit_.is_probe()},
        admitted_);
  }
  return nullptr;
}

void GuardedCall::Observe(grpc::experimental::InterceptorBatchMethods* methods,
                          bool cancelled) {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::POST_RECV_STATUS)) {
    OnStatus(methods, cancelled);
  } else if (!is_unary() &&
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
  const core::Time now = Now();
  permit_.NoteProgress(now);
  if (candidate_ != nullptr) candidate_->OnProgress(now);
}

void GuardedCall::OnStatus(grpc::experimental::InterceptorBatchMethods* methods,
                           bool cancelled) {
  if (!std::exchange(is_running_, false)) return;
  age_.End();
  const grpc::Status& status = *methods->GetRecvStatus();
  const grpc::ClientContext& context = *info_->client_context();
  engine::MethodRuntime& runtime = *method_->runtime;
  core::AttemptEnd end = ReadEnd(status, context, channel_->targets());
  end.channel_was_not_ready = channel_was_not_ready_;
  end.cancelled_by_caller |= cancelled;
  const core::Time now = Now();
  end.deadline_was_too_short =
      is_unary() && end.code == absl::StatusCode::kDeadlineExceeded &&
      core::IsTooShort(granted_, &runtime.latency, now);
  const core::BlameRules blame = method_->settings->options->blame();
  const core::Attribution attribution = core::Attribute(end, blame);
  const core::Verdict verdict = core::VerdictOn(attribution, end.code, blame);
  auto classifier =
      core::IsJudgeable(attribution) ? runtime.classifier() : nullptr;
  std::vector<core::CallDriver::Unjudged> unjudged;
  core::Permit permit;
  {
    core::MutexLock lock(&mu_);
    permit = std::move(permit_);
    if (candidate_ != nullptr) {
      end.is_judged_later = classifier != nullptr;
      unjudged = candidate_->OnAttemptEnd(0, end, now);
    }
  }
  if (core::IsServersWord(attribution, end.code)) permit.SetHasAnswer();
  if (classifier != nullptr) {
    permit.NoteAnswered(now);
    unjudged.push_back({std::move(permit), verdict});
    engine::Classify({channel_->core()->io(),
                      channel_->core()->callback_counters(), channel_, method_},
                     std::move(classifier),
                     ResultOf(status, *methods->GetRecvTrailingMetadata()),
                     std::move(unjudged));
  } else {
    permit.Settle(verdict, now);
  }
  admission_permit_.End(
      core::AdmissionControl::VerdictOf(end.code, attribution), now);
  runtime.stats.OnAttemptEnd(attribution);
  if (is_unary()) {
    runtime.latency.OnAttemptEnd(end.code, attribution, now - admitted_, now);
  }
  const core::CallEnd call_end =
      attribution == core::Attribution::kCancelledByCaller
          ? core::CallEnd::kCancelled
          : (status.ok() ? core::CallEnd::kSuccess : core::CallEnd::kFailure);
  runtime.stats.OnCallEnded(call_end, end.code, now - started_);
  Write(call_end, end.code,
        call_end == core::CallEnd::kCancelled ? core::Reason::kCancelled
                                              : core::Reason::kNone,
        &attribution, now);
  TellEnd(status, attribution);
  if (wants_report_) {
    core::CallDriver::Attempt facts;
    facts.started = started_;
    facts.ended = now;
    facts.code = end.code;
    facts.attribution = attribution;
    Report(facts, methods->GetRecvTrailingMetadata());
  }
}

std::shared_ptr<const Answer> GuardedCall::WithReport(
    std::shared_ptr<const Answer> refusal, core::Reason reason) const {
  if (!wants_report_) return refusal;
  v1::CallReport report = NewReport(*channel_, *method_);
  FinishReport(static_cast<absl::StatusCode>(refusal->status.error_code()),
               reason, Now() - started_, &report);
  // The answer is copied, since many calls share a refusal.
  auto mine = std::make_shared<Answer>();
  mine->status = refusal->status;
  mine->initial = refusal->initial;
  mine->trailing = refusal->trailing;
  mine->trailing.emplace_back(ReportKey(), report.SerializeAsString());
  return mine;
}

}  // namespace firebreak::interceptors
