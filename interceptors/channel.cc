// The parts of the public Engine that make channels: the one place where the
// engine meets its interceptors.
#include <grpcpp/create_channel.h>

#include <cstring>
#include <utility>

#include "firebreak/engine.h"
#include "interceptors/factory.h"
#include "src/engine/engine_core.h"

namespace firebreak {
namespace {

bool IsSet(const grpc::ChannelArguments& args, const char* name) {
  const grpc_channel_args all = args.c_channel_args();
  for (size_t i = 0; i < all.num_args; ++i) {
    if (std::strcmp(all.args[i].key, name) == 0) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<grpc::Channel> Engine::CreateChannel(
    const std::string& name, const std::string& target,
    const std::shared_ptr<grpc::ChannelCredentials>& creds,
    ChannelOptions options) {
  constexpr char kNoServiceConfig[] =
      GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION;
  if (!IsSet(options.args, kNoServiceConfig)) {
    options.args.SetInt(kNoServiceConfig, 1);
  }
  std::vector<std::string> targets = {target};
  engine::ChannelExtras extras;
  extras.listener = std::move(options.attempt_listener);
  for (const std::string& replica : options.replicas) {
    targets.push_back(replica);
    extras.replicas.push_back(
        grpc::CreateCustomChannel(replica, creds, options.args));
    core_->recovery()->AddChannel(name, replica, extras.replicas.back());
  }
  options.interceptors.push_back(std::make_unique<interceptors::Factory>(
      core_->BindChannel(name, std::move(targets), std::move(extras)),
      options.codec));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      target, creds, options.args, std::move(options.interceptors));
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
Engine::InterceptorFactory(const std::string& name, const std::string& target,
                           Codec codec) {
  return std::make_unique<interceptors::Factory>(
      core_->BindChannel(name, {target}), codec);
}

}  // namespace firebreak
