#include "interceptors/interceptor.h"

#include <initializer_list>
#include <utility>

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
      may_be_driven_(info->type() ==
                         grpc::experimental::ClientRpcInfo::Type::UNARY &&
                     (method_->runtime->options->NeedsDriver() ||
                      method_->runtime->fallback() != nullptr)),
      parent_(may_be_driven_ ? ReadContext(*info->client_context()).parent
                             : nullptr) {}

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
  if (may_be_driven_ && methods->QueryInterceptionHookPoint(
                            InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    mode_ = Mode::kDriven;
    driven_ = DrivenCall::Create(std::move(channel_), std::move(method_), info_,
                                 std::move(parent_));
    cancellable_ = driven_.get();
    if (cancelled_) driven_->RequestCancel();
    // `this` may be gone when this returns.
    driven_->Start(methods);
    return;
  }
  guarded_.emplace(std::move(channel_), std::move(method_), info_);
  refusal_ = guarded_->Admit(refusals_);
  if (refusal_ == nullptr) {
    mode_ = Mode::kGuarded;
    methods->Proceed();
    return;
  }
  mode_ = Mode::kRefused;
  methods->Hijack();
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
