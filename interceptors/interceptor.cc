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
      } else if (!HasAny(methods,
                         {InterceptionHookPoints::POST_SEND_MESSAGE,
                          InterceptionHookPoints::POST_RECV_INITIAL_METADATA,
                          InterceptionHookPoints::POST_RECV_MESSAGE,
                          InterceptionHookPoints::POST_RECV_STATUS}) &&
                 driven_->Park(methods)) {
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
      (method_->runtime->options->NeedsDriver() || taken.options.timeout ||
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
  auto refusal = guarded_->Admit(refusals_);
  if (refusal != nullptr) {
    Refuse(methods, std::move(refusal));
    return;
  }
  mode_ = Mode::kGuarded;
  guarded_->TellStart(methods->GetSendInitialMetadata());
  methods->Proceed();
}

void Interceptor::Refuse(Methods* methods,
                         std::shared_ptr<const Answer> refusal) {
  refusal_ = std::move(refusal);
  mode_ = Mode::kRefused;
  methods->Hijack();
}

void Strip::Intercept(grpc::experimental::InterceptorBatchMethods* methods) {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
    // Call options mean nothing here: there is no policy to change.
    const Taken taken = TakeCallOptions(methods->GetSendInitialMetadata());
    if (taken.foreign > 0) core_->CountForeignMetadata(taken.foreign);
  }
  methods->Proceed();
}

void Interceptor::OnCancel() {
  cancelled_ = true;
  DrivenCall* const driven = cancellable_;
  if (driven != nullptr) driven->RequestCancel();
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
