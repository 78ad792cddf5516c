#include "interceptors/interceptor.h"

#include <initializer_list>
#include <utility>

#include "interceptors/carried_options.h"
#include "interceptors/context_access.h"

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

// Neither on its way up nor asking a hijacked call for its results.
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
                         Codec codec, Refusals* refusals,
                         grpc::experimental::ClientRpcInfo* info)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      codec_(codec),
      refusals_(refusals),
      info_(info),
      is_unary_(info->type() == grpc::experimental::ClientRpcInfo::Type::UNARY),
      parent_(is_unary_ ? ReadParent(*info->client_context()) : nullptr) {}

void Interceptor::Intercept(Methods* methods) {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_CANCEL)) {
    OnCancel();
    methods->Proceed();
    return;
  }
  if (held_ != nullptr && IsOnItsWayDown(methods) && held_->Park(methods)) {
    return;
  }
  switch (mode_) {
    case Mode::kUndecided:
      if (methods->QueryInterceptionHookPoint(
              InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
        Begin(methods);
      } else {
        methods->Proceed();
      }
      return;
    case Mode::kGuarded:
      guarded_->Observe(methods, cancelled_);
      methods->Proceed();
      return;
    case Mode::kRefused:
      Answered(methods);
      return;
    case Mode::kDriven:
      if (HasAny(methods, {InterceptionHookPoints::PRE_RECV_INITIAL_METADATA,
                           InterceptionHookPoints::PRE_RECV_MESSAGE,
                           InterceptionHookPoints::PRE_RECV_STATUS})) {
        driven_->answer()->Fill(methods, codec_);
      } else if (IsOnItsWayDown(methods) && driven_->Park(methods)) {
        // On its way down, and held. (One on its way up that was held too
        // would let a later batch overtake it.)
        return;
      }
      methods->Proceed();
      return;
  }
}

void Interceptor::Begin(Methods* methods) {
  const Taken taken = TakeCallOptions(methods->GetSendInitialMetadata());
  if (taken.foreign > 0) {
    channel_->core()->CountForeignMetadata(taken.foreign);
  }
  if (taken.is_set_twice) {
    method_->runtime->stats.OnCallStarted();
    method_->runtime->stats.OnRejected(core::Reason::kInvalidOptions);
    Refuse(methods,
           std::make_shared<const Answer>(LocalAnswer(
               grpc::StatusCode::INVALID_ARGUMENT,
               "firebreak: call options are set twice on one context; "
               "allowed: once",
               core::Reason::kInvalidOptions, core::Duration::zero())));
    return;
  }
  if (is_unary_ &&
      (method_->settings->options->NeedsDriver() || taken.options.timeout ||
       method_->runtime->has_fallback()) &&
      methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    mode_ = Mode::kDriven;
    driven_ = DrivenCall::Create(std::move(channel_), std::move(method_), info_,
                                 std::move(parent_), taken.options);
    cancellable_ = driven_.get();
    if (cancelled_) driven_->RequestCancel();
    // `this` may be gone when this returns.
    driven_->Start(methods);
    return;
  }
  guarded_.emplace(std::move(channel_), std::move(method_), info_,
                   taken.options.report);
  const core::Intake::Step step = guarded_->Begin();
  if (step.kind == core::Intake::Step::Kind::kWait) {
    Hold(methods);
  } else {
    Decide(methods, step);
  }
}

void Interceptor::Hold(Methods* methods) {
  auto held = std::make_shared<HeldBatches>(methods);
  held_ = held;
  queued_ = Queued::Create(
      guarded_->channel(), guarded_->method(), guarded_->TakeVisit(),
      [this, held](Queued::End end) { EndHold(std::move(end), held.get()); });
  const std::shared_ptr<Queued> queued = queued_;
  cancellable_queued_ = queued.get();
  if (cancelled_) queued->Cancel();
  // `this` may be gone when this returns without an end.
  absl::optional<Queued::End> end = queued->Join();
  if (end.has_value()) EndHold(*std::move(end), held.get());
}

void Interceptor::EndHold(Queued::End end, HeldBatches* held) {
  bool let_in = false;
  held->LetGo(held->first());
  if (end.is_cancelled) {
    Refuse(held->first(), guarded_->Cancel());
  } else {
    guarded_->LetIn(std::move(end.visit));
    let_in = Decide(held->first(), end.step);
  }
  // With the first, `this` may be gone, unless there are others.
  held->Release([let_in](Methods* batch) {
    // As in Answered().
    if (!let_in && batch->QueryInterceptionHookPoint(
                       InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      batch->FailHijackedSendMessage();
    }
    batch->Proceed();
  });
}

bool Interceptor::Decide(Methods* first, const core::Intake::Step& step) {
  std::shared_ptr<const Answer> refusal =
      step.kind == core::Intake::Step::Kind::kOut
          ? guarded_->TurnAway(step.refusal)
          : guarded_->Admit(refusals_);
  if (refusal != nullptr) {
    Refuse(first, std::move(refusal));
    return false;
  }
  mode_ = Mode::kGuarded;
  guarded_->TellStart(first->GetSendInitialMetadata());
  first->Proceed();
  return true;
}

void Interceptor::Refuse(Methods* methods,
                         std::shared_ptr<const Answer> refusal) {
  refusal_ = std::move(refusal);
  mode_ = Mode::kRefused;
  methods->Hijack();
}

void Interceptor::OnCancel() {
  cancelled_ = true;
  DrivenCall* const driven = cancellable_;
  if (driven != nullptr) driven->RequestCancel();
  Queued* const queued = cancellable_queued_;
  if (queued != nullptr) queued->Cancel();
}

void Interceptor::Answered(Methods* methods) {
  // A write on a call that is over fails, as it does on a native one. (The
  // first batch was taken over before it came here.)
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    methods->FailHijackedSendMessage();
  }
  refusal_->FillWithoutReply(methods);
  methods->Proceed();
}

}  // namespace firebreak::interceptors
