#include "interceptors/interceptor.h"

#include <initializer_list>
#include <utility>

#include "interceptors/context/carried_options.h"
#include "interceptors/context/context_access.h"
#include "interceptors/context/wire.h"
#include "interceptors/fault/fault.h"

namespace firebreak::interceptors {
namespace {

using grpc::experimental::InterceptionHookPoints;

bool HasAny(grpc::experimental::InterceptorBatchMethods* methods,
            std::initializer_list<InterceptionHookPoints> hooks) {
  for (InterceptionHookPoints hook : hooks) {
    if (methods->QueryInterceptionHookPoint(hook)) return true;
  }
  return false;
}

// Returns whether the batch is on its way down: it neither brings results nor
// asks a hijacked call for them.
bool IsOnItsWayDown(grpc::experimental::InterceptorBatchMethods* methods) {
  return !HasAny(methods, {InterceptionHookPoints::PRE_RECV_INITIAL_METADATA,
                           InterceptionHookPoints::PRE_RECV_MESSAGE,
                           InterceptionHookPoints::PRE_RECV_STATUS,
                           InterceptionHookPoints::POST_SEND_MESSAGE,
                           InterceptionHookPoints::POST_RECV_INITIAL_METADATA,
                           InterceptionHookPoints::POST_RECV_MESSAGE,
                           InterceptionHookPoints::POST_RECV_STATUS});
}

}  // namespace

Interceptor::Interceptor(std::shared_ptr<engine::ChannelBinding> channel,
                         std::shared_ptr<const engine::MethodBinding> method,
                         Codec codec, Refusals* refusals, ReplyKinds* kinds,
                         grpc::experimental::ClientRpcInfo* info)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      codec_(codec),
      refusals_(refusals),
      kinds_(kinds),
      info_(info),
      is_unary_(info->type() == grpc::experimental::ClientRpcInfo::Type::UNARY),
      stack_(CallerStack::Current()),
      parent_(ReadParent(*info->client_context())) {}

Interceptor::~Interceptor() {
  if (parent_watch_ != nullptr) parent_watch_->Cancel();
}

void Interceptor::Intercept(Methods* methods) {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_CANCEL)) {
    // If an injected fault cuts the stream, the caller has not cancelled.
    if (!IsCuttingHere()) OnCancel();
    methods->Proceed();
    return;
  }
  if (!gate_.is_open() && Admit(methods)) return;
  switch (mode_) {
    case Mode::kUndecided:
      // The call was cancelled, or ran out of time, before there was anything
      // to decide on.
      if (methods->QueryInterceptionHookPoint(
              InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
        TakeCallOptions(methods->GetSendInitialMetadata());
      }
      methods->Proceed();
      return;
    case Mode::kGuarded:
      guarded_->Observe(methods, cancelled_);
      methods->Proceed();
      return;
    case Mode::kRefused:
      Refused(methods);
      return;
    case Mode::kDriven:
      Driven(methods);
      return;
  }
}

bool Interceptor::Admit(Methods* methods) {
  // While the gate opens, the batches of a hijacked call come back through here
  // to ask for their results.
  if (!IsOnItsWayDown(methods)) return false;
  if (is_unary_ && methods->GetRecvMessage() != nullptr) {
    reply_ = methods->GetRecvMessage();
  }
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_INITIAL_METADATA) &&
      gate_.Claim()) {
    Begin(methods);
    return true;
  }
  return gate_.Keep(methods,
                    FromGrpcDeadline(info_->client_context()->raw_deadline(),
                                     channel_->core()->clock()),
                    channel_);
}

void Interceptor::Begin(Methods* first) {
  const Taken taken = TakeCallOptions(first->GetSendInitialMetadata());
  if (taken.foreign > 0) {
    channel_->core()->CountForeignMetadata(taken.foreign);
  }
  if (taken.is_set_twice) {
    RefuseInvalid(first,
                  {grpc::StatusCode::INVALID_ARGUMENT,
                   "firebreak: call options are set twice on one context; "
                   "allowed: once"});
    return;
  }
  if (is_unary_ &&
      (method_->settings->options->NeedsDriver() || taken.options.timeout ||
       method_->runtime->has_fallback()) &&
      first->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    if (!kinds_->Fits(reply_, codec_)) {
      RefuseInvalid(first, WrongCodec(method_->method, codec_));
      return;
    }
    DrivenCall::Made made;
    made.kinds = kinds_;
    made.info = info_;
    made.gate = &gate_;
    made.reply = &reply_;
    made.codec = codec_;
    made.is_asynchronous = !stack_.MayHold(first);
    made.options = taken.options;
    driven_ = DrivenCall::Create(channel_, std::move(method_), made,
                                 std::move(parent_));
    mode_ = Mode::kDriven;
    cancellable_ = driven_.get();
    if (cancelled_) driven_->RequestCancel();
    driven_->Start(first);
    return;
  }
  guarded_.emplace(channel_, std::move(method_), info_, taken.options.report);
  const core::AdmissionControl::Step step = guarded_->Begin(taken.options);
  if (step.kind == core::AdmissionControl::Step::Kind::kWait) {
    Wait(first);
  } else {
    Decide(first, step);
  }
}

void Interceptor::Wait(Methods* first) {
  queued_ = Queued::Create(
      channel_, guarded_->method(), guarded_->TakeAdmissionPermit(),
      [this, first](Queued::End end) { EndWait(std::move(end), first); });
  const std::shared_ptr<Queued> queued = queued_;
  cancellable_queued_ = queued.get();
  if (cancelled_) queued->Cancel();
  const ContextFields fields = ReadContext(*info_->client_context());
  if (fields.parent != nullptr) {
    parent_watch_ = ParentWatch::Start(
        fields, channel_->core()->io(),
        [queued = std::weak_ptr<Queued>(queued)](grpc::StatusCode code) {
          if (auto waits = queued.lock()) {
            waits->Cancel(code == grpc::StatusCode::DEADLINE_EXCEEDED);
          }
        });
  }
  // `this` may be gone when Join() returns without an end.
  absl::optional<Queued::End> end = queued->Join();
  if (end.has_value()) EndWait(*std::move(end), first);
}

void Interceptor::EndWait(Queued::End end, Methods* first) {
  if (parent_watch_ != nullptr) parent_watch_->Cancel();
  if (end.is_cancelled) {
    Refuse(first, guarded_->Cancel());
    return;
  }
  guarded_->OnAdmitted(std::move(end.permit));
  Decide(first, end.step);
}

void Interceptor::Decide(Methods* first,
                         const core::AdmissionControl::Step& step) {
  std::shared_ptr<const Answer> refusal =
      step.kind == core::AdmissionControl::Step::Kind::kRefused
          ? guarded_->TurnAway(step.refusal)
          : guarded_->Admit(refusals_);
  if (refusal != nullptr) {
    Refuse(first, std::move(refusal));
    return;
  }
  mode_ = Mode::kGuarded;
  guarded_->TellStart(first->GetSendInitialMetadata());
  gate_.OpenNatively(first, channel_);
}

void Interceptor::Refuse(Methods* first,
                         std::shared_ptr<const Answer> refusal) {
  refusal_ = std::move(refusal);
  mode_ = Mode::kRefused;
  // A write on a call that is over fails, as it does on a native one. The
  // failure of a unary call's message shows in its status.
  gate_.OpenHijacked(first, channel_, /*fails_writes=*/!is_unary_);
}

void Interceptor::RefuseInvalid(Methods* first, const grpc::Status& wrong) {
  core::MethodStats& stats = method_->runtime->stats;
  const core::Time now = channel_->core()->Now();
  stats.OnCallStarted();
  stats.OnRejected(core::Reason::kInvalidOptions);
  NoteRefusal(*method_, core::Reason::kInvalidOptions, /*epoch=*/0, now,
              [&] { return wrong.error_message(); });
  if (core::CallTape* const tape = core::Listening(stats)) {
    core::CallTape::Call call;
    call.method = &stats;
    call.started = now;
    call.code = static_cast<absl::StatusCode>(wrong.error_code());
    call.reason = core::Reason::kInvalidOptions;
    call.end = core::CallEnd::kRejected;
    call.is_stream = !is_unary_;
    tape->Write(call, [](int) { return core::CallTape::Attempt(); });
  }
  Refuse(first, std::make_shared<const Answer>(LocalAnswer(
                    wrong.error_code(), wrong.error_message(),
                    core::Reason::kInvalidOptions, core::Duration::zero())));
}

void Interceptor::OnCancel() {
  if (NativeCall::IsCancelling(info_->client_context())) return;
  cancelled_ = true;
  gate_.OnCancel();
  DrivenCall* const driven = cancellable_;
  if (driven != nullptr) driven->RequestCancel();
  Queued* const queued = cancellable_queued_;
  if (queued != nullptr) queued->Cancel();
}

void Interceptor::Driven(Methods* methods) {
  if (HasAny(methods, {InterceptionHookPoints::PRE_RECV_INITIAL_METADATA,
                       InterceptionHookPoints::PRE_RECV_MESSAGE,
                       InterceptionHookPoints::PRE_RECV_STATUS})) {
    driven_->Fill(methods);
  } else if (driven_->KeepOnItsWayUp(methods)) {
    return;
  } else if (methods->GetRecvMessage() != nullptr) {
    // A batch on its way down, after the first one.
    reply_ = methods->GetRecvMessage();
  }
  methods->Proceed();
}

void Interceptor::Refused(Methods* methods) {
  // As in Refuse(), for writes that come later.
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    methods->FailHijackedSendMessage();
  }
  refusal_->FillWithoutReply(methods);
  methods->Proceed();
}

}  // namespace firebreak::interceptors
