#include "interceptors/factory.h"

#include <grpcpp/channel.h>

#include <utility>

#include "interceptors/batch/pass_through.h"
#include "interceptors/interceptor.h"
#include "src/engine/io/own_call.h"

namespace firebreak::interceptors {

Factory::Factory(std::shared_ptr<engine::ChannelBinding> channel, Codec codec)
    : channel_(std::move(channel)), codec_(codec) {
  for (auto& share : shares_) share = core::NewShare(channel_);
}

Factory::~Factory() {
  if (role_ == Role::kFirst) channel_->core()->channels()->Release(this);
}

grpc::experimental::Interceptor* Factory::CreateClientInterceptor(
    grpc::experimental::ClientRpcInfo* info) {
  if (engine::OwnCall::Is(info->client_context())) return new PassThrough();
  Role role = role_;
  if (role == Role::kUnknown) role = TakeRole(info->channel());
  if (role == Role::kNotFirst) return new PassThrough();
  std::shared_ptr<const engine::MethodBinding> method =
      channel_->Find(info->method());
  if (method == nullptr) return new Strip(channel_->core().get());
  return new Interceptor(shares_[core::MyStripe()], std::move(method), codec_,
                         &refusals_, &kinds_, info);
}

Factory::Role Factory::TakeRole(grpc::ChannelInterface* channel) {
  engine::EngineCore* const core = channel_->core().get();
  const Role role =
      core->channels()->Claim(channel, this) ? Role::kFirst : Role::kNotFirst;
  // Two calls that come first at the same time take the same role. One of them
  // registers the channel with the engine.
  Role unknown = Role::kUnknown;
  if (!role_.compare_exchange_strong(unknown, role)) return role;
  auto* const concrete = dynamic_cast<grpc::Channel*>(channel);
  if (role == Role::kFirst && concrete != nullptr) {
    core->recovery()->AddChannel(
        channel_->name(), channel_->targets().front(),
        {concrete->weak_from_this(), codec_ == Codec::kByteBuffer});
  }
  return role;
}

}  // namespace firebreak::interceptors
