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
                         Codec codec, grpc::experimental::ClientRpcInfo* info)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      codec_(codec),
      info_(info) {}

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
  const bool is_driven =
      info_->type() == grpc::experimental::ClientRpcInfo::Type::UNARY &&
      methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_SEND_MESSAGE) &&
      (method_->runtime->options->NeedsDriver() ||
       method_->runtime->fallback() != nullptr);
  if (is_driven) {
    mode_ = Mode::kDriven;
    driven_ = DrivenCall::Create(channel_, method_, info_);
    cancellable_ = driven_.get();
    if (cancelled_) driven_->RequestCancel();
    // `this` may be gone when this returns.
    driven_->Start(methods);
    return;
  }
  guarded_.emplace(channel_, method_, info_);
  refusal_ = guarded_->Admit();
  if (!refusal_.has_value()) {
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
  refusal_->Fill(methods, codec_);
  methods->Proceed();
}

}  // namespace firebreak::interceptors
