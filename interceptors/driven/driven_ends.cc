// The events of a driven call: its admission, the ends of its attempts, its
// timers and its parent, and the answers that do not come from an attempt. How
// it acts on them is in driven_call.cc, and how it asks its fallbacks in
// driven_fallback.cc.
#include <utility>

#include "absl/strings/str_cat.h"
#include "interceptors/context/wire.h"
#include "interceptors/driven/driven_call.h"
#include "interceptors/reply/refusals.h"
#include "interceptors/reply/report.h"
#include "src/core/base/deadline.h"
#include "src/engine/callbacks/classification.h"

namespace firebreak::interceptors {

bool DrivenCall::PassAdmission() {
  core::AdmissionPermit permit;
  core::AdmissionControl::Step step = permit.Begin(
      &method_->settings->admission, began_, deadline_,
      method_->runtime->ExpectedTime(method_->settings->admission, began_));
  switch (step.kind) {
    case core::AdmissionControl::Step::Kind::kAdmitted:
      admission_permit_ = std::move(permit);
      return true;
    case core::AdmissionControl::Step::Kind::kRefused:
      admission_refusal_ = step.refusal;
      return true;
    case core::AdmissionControl::Step::Kind::kWait:
      break;
  }
  driver_.Arrive(began_);
  queued_ = Queued::Create(channel_, method_, std::move(permit),
                           [self = shared_from_this()](Queued::End end) {
                             self->admitted_ = std::move(end);
                             self->Post(&self->admitted_mail_);
                           });
  if (absl::optional<Queued::End> end = queued_->Join()) {
    OnAdmitted(*std::move(end));
    return false;
  }
  WatchParent();
  return false;
}

void DrivenCall::OnAdmitted(Queued::End end) {
  queued_ = nullptr;
  // If the caller has cancelled, the permit ends with `end`.
  if (concluded_.has_value() || end.is_cancelled) return;
  admission_permit_ = std::move(end.permit);
  if (end.step.kind == core::AdmissionControl::Step::Kind::kRefused) {
    admission_refusal_ = end.step.refusal;
  }
  admitted_at_ = Now();
  Run(admitted_at_);
}

void DrivenCall::HandleTimer() {
  const core::Time now = Now();
  NoteLinkBegun(now);
  const auto classifier = method_->runtime->classifier();
  const Actions actions = driver_.OnTimer(now, classifier != nullptr);
  ClassifyLate(classifier);
  Act(actions, now);
  if (candidate_ != nullptr) candidate_->OnTimer(now);
}

void DrivenCall::HandleParentEnd() {
  if (concluded_.has_value()) return;
  const core::Time now = Now();
  if (parent_code_ != grpc::StatusCode::DEADLINE_EXCEEDED) {
    Act(driver_.OnCallerCancel(now), now);
    return;
  }
  const auto classifier = method_->runtime->classifier();
  const Actions actions = driver_.OnCallersDeadline(now, classifier != nullptr);
  ClassifyLate(classifier);
  Act(actions, now);
}

void DrivenCall::ClassifyLate(
    const std::shared_ptr<const Classifier>& classifier) {
  // This is the status that gRPC would have given them.
  Result result;
  result.code = grpc::StatusCode::DEADLINE_EXCEEDED;
  result.message = "Deadline Exceeded";
  Classify(classifier, result, driver_.TakeUnjudged());
}

void DrivenCall::WatchParent() {
  if (!caller_.has_parent() || parent_watch_ != nullptr ||
      driver_.in_flight() > 0) {
    return;
  }
  parent_watch_ =
      ParentWatch::Start(caller_.fields(), channel_->core()->io(),
                         [weak = weak_from_this()](grpc::StatusCode code) {
                           auto self = weak.lock();
                           if (self == nullptr) return;
                           self->parent_code_ = code;
                           self->Post(&self->parent_mail_);
                         });
}

bool DrivenCall::KeepOnItsWayUp(Methods* batch) {
  using grpc::experimental::InterceptionHookPoints;
  if (!is_native_) return false;
  // The end that is kept may hold the last reference to this call.
  const std::shared_ptr<DrivenCall> self = shared_from_this();
  if (batch->QueryInterceptionHookPoint(
          InterceptionHookPoints::POST_RECV_STATUS)) {
    native_end_ = batch;
    Post(&native_end_mail_);
    return true;
  }
  if (batch->QueryInterceptionHookPoint(
          InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
    native_initial_ = batch;
    Post(&native_initial_mail_);
    return true;
  }
  return false;
}

void DrivenCall::HandleNativeInitial() {
  native_.NoteInitial();
  // The end may have come first, and the caller may have it by now. Then
  // nothing else would let this batch go.
  if (native_.stage() == NativeCall::Stage::kGone) {
    native_initial_->Proceed();
    return;
  }
  // A caller that has received metadata is bound to this attempt. If there is
  // none, the server has sent none, or has sent only a status, or has sent
  // nothing yet. gRPC does not say which. The caller then gets this batch
  // together with the end, as it also does if this attempt is not to be the
  // call's answer.
  if (native_initial_->GetRecvInitialMetadata()->empty() ||
      driver_.attempt(0).settled) {
    native_.KeepInitial(native_initial_);
    // The answer that is written over this batch has waited for it.
    if (concluded_.has_value() && !is_delivered_) Deliver();
    return;
  }
  const core::Time now = Now();
  if (candidate_ != nullptr) candidate_->OnCommit(0, now);
  Act(driver_.OnCommit(0, now), now);
  native_initial_->Proceed();
}

void DrivenCall::HandleNativeEnd() {
  native_.KeepEnd(native_end_);
  const grpc::Status& status = native_.status();
  const grpc::ClientContext& context = *caller_.context();
  core::AttemptEnd end = ReadEnd(status, context, channel_->targets());
  end.channel_was_not_ready = native_was_not_ready_;
  end.cancelled_by_caller |= cancel_requested_;
  if (channel_->listener() != nullptr) TellEnd(0, context, status, end);
  if (!concluded_.has_value()) {
    const auto classifier = method_->runtime->classifier();
    Result result;
    if (classifier != nullptr) {
      end.is_judged_later = true;
      result = ResultOf(status, native_.trailing());
    }
    EndAttempt(0, context, end, classifier, result);
  }
  // A call that was decided earlier has only waited for this end.
  if (concluded_.has_value() && !is_delivered_) Deliver();
}

void DrivenCall::HandleAttempt(Attempt* attempt) {
  if (!ReadReply(attempt)) {
    attempt->status = ReplyFault(*caller_reply_);
  }
  core::AttemptEnd end =
      ReadEnd(attempt->status, attempt->context, channel_->targets());
  end.channel_was_not_ready = attempt->channel_was_not_ready;
  if (channel_->listener() != nullptr) {
    TellEnd(attempt->number, attempt->context, attempt->status, end);
  }
  if (concluded_.has_value() || driver_.attempt(attempt->number).settled) {
    return;
  }
  const auto classifier = method_->runtime->classifier();
  Result result;
  if (classifier != nullptr) {
    end.is_judged_later = true;
    result =
        ResultOf(attempt->status, attempt->context.GetServerTrailingMetadata());
  }
  answer_.status = std::move(attempt->status);
  answer_.typed_reply = std::move(attempt->typed_reply);
  answer_.reply.Swap(&attempt->reply);
  answer_.initial = CopyMetadata(attempt->context.GetServerInitialMetadata());
  answer_.trailing = CopyMetadata(attempt->context.GetServerTrailingMetadata());
  answer_.debug_error_string = attempt->context.debug_error_string();
  EndAttempt(attempt->number, attempt->context, end, classifier, result);
}

void DrivenCall::EndAttempt(int n, const grpc::ClientContext& context,
                            const core::AttemptEnd& end,
                            const std::shared_ptr<const Classifier>& classifier,
                            const Result& result) {
  const core::Time now = Now();
  if (wants_report_) {
    peers_.resize(static_cast<size_t>(driver_.launched()));
    peers_[static_cast<size_t>(n)] = context.peer();
  }
  std::vector<core::CallDriver::Unjudged> candidates;
  if (candidate_ != nullptr) {
    candidates = candidate_->OnAttemptEnd(n, end, now);
  }
  const Actions actions = driver_.OnAttemptEnd(n, end, now);
  Classify(classifier, result, driver_.TakeUnjudged(), std::move(candidates));
  Act(actions, now);
}

bool DrivenCall::ReadReply(Attempt* attempt) {
  if (!attempt->status.ok() || concluded_.has_value() ||
      driver_.attempt(attempt->number).settled) {
    return true;
  }
  // This must come after the check above: once a call is answered, the caller's
  // objects may be gone.
  void* const reply = *caller_reply_;
  if (!kinds_->Fits(reply, codec_)) return false;
  // While the native call is in flight, gRPC may write its reply there.
  const bool is_ours = native_.stage() != NativeCall::Stage::kInFlight;
  if (attempt->typed_reply) {
    if (attempt->has_message) return attempt->typed_reply.HasBeenRead();
    // gRPC clears the message of a native call, too.
    if (is_ours) static_cast<google::protobuf::MessageLite*>(reply)->Clear();
    return false;
  }
  if (reply == nullptr) return true;
  return is_ours ? answer_.Read(&attempt->reply, reply, codec_)
                 : CanRead(attempt->reply, reply, codec_);
}

grpc::Status DrivenCall::ReplyFault(const void* reply) const {
  return kinds_->Fits(reply, codec_) ? UnreadableReply()
                                     : WrongCodec(method_->method, codec_);
}

void DrivenCall::Fill(Methods* batch) {
  // This is for a reply that the caller asks for after the decision.
  if (answer_.status.ok() && !answer_.reply_is_read &&
      batch->QueryInterceptionHookPoint(
          grpc::experimental::InterceptionHookPoints::PRE_RECV_MESSAGE) &&
      !kinds_->Fits(batch->GetRecvMessage(), codec_)) {
    answer_.status = ReplyFault(batch->GetRecvMessage());
    AmendReport(absl::StatusCode::kInternal, &answer_.trailing);
  }
  answer_.Fill(batch, codec_);
}

Answer DrivenCall::OwnAnswer(const Finish& finish) const {
  if (admission_refusal_ && finish.code != absl::StatusCode::kCancelled) {
    return RefusedAnswer(*method_, *admission_refusal_);
  }
  switch (finish.code) {
    case absl::StatusCode::kDeadlineExceeded:
      if (finish.reason == core::Reason::kDeadlineInfeasible) {
        return InfeasibleAnswer(
            *method_, core::Remaining(admitted_at_, deadline_), Now());
      }
      return LocalAnswer(
          grpc::StatusCode::DEADLINE_EXCEEDED,
          absl::StrCat("firebreak: the call's deadline passed after ",
                       driver_.launched(), " attempt(s)"),
          finish.reason, core::Duration::zero());
    case absl::StatusCode::kCancelled:
      return CancelledAnswer();
    default:
      return RefusalAnswer(channel_->name(), method_->runtime->method,
                           method_->targets.front()->cause(), finish.reason,
                           finish.retry_after);
  }
}

void DrivenCall::NoteRefused(const Finish& finish, core::Time now) const {
  NoteRefusal(*method_, finish.reason, finish.epoch, now, [&]() -> std::string {
    if (admission_refusal_) {
      return WhyRefused(method_->settings->admission, *admission_refusal_);
    }
    switch (finish.reason) {
      case core::Reason::kDeadlineInfeasible:
        return WhyInfeasible(*method_, core::Remaining(admitted_at_, deadline_),
                             now);
      case core::Reason::kDeadlineExceeded:
        return "the deadline was spent before the call began";
      default:
        return WhyBreakerRefuses(method_->targets.front(), finish.reason, now);
    }
  });
}

void DrivenCall::TellEnd(int n, const grpc::ClientContext& context,
                         const grpc::Status& status,
                         const core::AttemptEnd& ended) const {
  core::CallDriver::Attempt facts = driver_.attempt(n);
  if (!facts.settled) {
    facts.attribution = driver_.Judge(n, ended, Now());
  }
  AttemptEnd end;
  end.channel = channel_->name();
  end.method = method_->method;
  end.target = channel_->targets()[static_cast<size_t>(facts.target)];
  end.attempt = n;
  end.context = &context;
  end.status = status;
  end.attribution = core::AttributionName(facts.attribution);
  end.peer = context.peer();
  channel_->listener()->OnAttemptEnd(end);
}

void DrivenCall::Classify(
    const std::shared_ptr<const Classifier>& classifier, const Result& result,
    std::vector<core::CallDriver::Unjudged> unjudged,
    std::vector<core::CallDriver::Unjudged> candidates) const {
  for (core::CallDriver::Unjudged& each : unjudged) {
    // The classifier runs once for both policies.
    std::vector<core::CallDriver::Unjudged> judged;
    judged.swap(candidates);
    judged.push_back(std::move(each));
    engine::Classify({channel_->core()->io(),
                      channel_->core()->callback_counters(), channel_, method_},
                     classifier, result, std::move(judged));
  }
  for (core::CallDriver::Unjudged& each : candidates) {
    each.permit.Settle(each.by_default, Now());
  }
}

void DrivenCall::AddReport(const Finish& finish) {
  v1::CallReport report = NewReport(*channel_, *method_);
  peers_.resize(static_cast<size_t>(driver_.launched()));
  for (int n = 0; n < driver_.launched(); ++n) {
    AddAttempt(*channel_, driver_.attempt(n), peers_[static_cast<size_t>(n)],
               began_, &report)
        ->set_answered(n == finish.attempt);
  }
  report.set_from_fallback(finish.from_fallback);
  AddLinks(&report);
  FinishReport(finish.code, finish.reason, Now() - began_, &report);
  answer_.trailing.emplace_back(ReportKey(), report.SerializeAsString());
}

}  // namespace firebreak::interceptors
