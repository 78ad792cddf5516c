// The parts of the public Engine that make channels. This is the only place
// where the engine meets its interceptors.
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "firebreak/engine.h"
#include "interceptors/factory.h"
#include "interceptors/fault/fault.h"
#include "src/core/base/rng.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/service_config.h"

namespace firebreak {
namespace {

using interceptors::Fault;

// Returns null if the argument is not set.
const grpc_arg* Find(const grpc_channel_args& args, const char* name) {
  for (size_t i = 0; i < args.num_args; ++i) {
    if (std::strcmp(args.args[i].key, name) == 0) return &args.args[i];
  }
  return nullptr;
}

// Warns about retries of gRPC's own. They happen below ours and multiply each
// attempt, without a retry budget and without asking a breaker.
void CheckOwnRetries(const std::string& name, const grpc_channel_args& args,
                     engine::EngineCore* core) {
  const grpc_arg* const config = Find(args, GRPC_ARG_SERVICE_CONFIG);
  if (config == nullptr || config->type != GRPC_ARG_STRING) return;
  const grpc_arg* const enabled = Find(args, GRPC_ARG_ENABLE_RETRIES);
  if (enabled != nullptr && enabled->type == GRPC_ARG_INTEGER &&
      enabled->value.integer == 0) {
    return;
  }
  if (!engine::HasRetryPolicy(config->value.string)) return;
  LintFinding finding;
  finding.problem =
      "has a retryPolicy in its own service config (grpc.service_config), so "
      "gRPC sends each attempt again by itself: out of no budget, and past the "
      "breaker";
  finding.fix = "move it into the policy, or set grpc.enable_retries to 0";
  core->channels()->AddFinding(name, std::move(finding));
}

// Returns the fault that the policy's `fault` asks for; called for each
// attempt.
Fault FaultOf(engine::ChannelBinding* channel, absl::string_view method) {
  Fault fault;
  const auto binding = channel->Find(method);
  if (binding == nullptr) return fault;
  const auto& asked = binding->settings->options->fault;
  if (!asked || !asked->DoesAnything()) return fault;
  core::Rng rng(channel->core()->NextSeed());
  if (rng.Uniform() >= asked->share) return fault;
  fault.latency = asked->latency;
  fault.hangs = asked->hang;
  if (fault.hangs) return fault;
  fault.drops_reply = asked->drop_reply;
  if (fault.drops_reply) return fault;
  fault.cut_after_messages = asked->cut_after_messages;
  if (fault.cut_after_messages > 0) return fault;
  std::vector<absl::StatusCode> codes;
  for (int n = 1; n < core::kStatusCodes; ++n) {
    const auto code = static_cast<absl::StatusCode>(n);
    if (asked->codes.Contains(code)) codes.push_back(code);
  }
  if (codes.empty()) return fault;
  const auto picked =
      static_cast<size_t>(rng.Uniform(0, static_cast<double>(codes.size())));
  fault.status = grpc::Status(static_cast<grpc::StatusCode>(codes[picked]),
                              "a fault that the policy injects");
  return fault;
}

// Forwards to a factory that several channels may share.
class SharedFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit SharedFactory(
      std::shared_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
          shared)
      : shared_(std::move(shared)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return shared_->CreateClientInterceptor(info);
  }

 private:
  const std::shared_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
      shared_;
};

}  // namespace

InterceptorFactories::operator std::vector<
    std::unique_ptr<InterceptorFactories::Factory>>() const {
  std::vector<std::unique_ptr<Factory>> factories;
  factories.reserve(size() + 1);
  for (const std::shared_ptr<Factory>& factory : *this) {
    factories.push_back(std::make_unique<SharedFactory>(factory));
  }
  return factories;
}

std::shared_ptr<grpc::Channel> Engine::CreateChannel(
    const std::string& name, const std::string& target,
    const std::shared_ptr<grpc::ChannelCredentials>& creds,
    ChannelOptions options) {
  constexpr char kNoServiceConfig[] =
      GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION;
  const grpc_channel_args args = options.args.c_channel_args();
  CheckOwnRetries(name, args, core_.get());
  if (Find(args, kNoServiceConfig) == nullptr) {
    options.args.SetInt(kNoServiceConfig, 1);
  }
  if (core_->options().allow_faults) {
    interceptors::FaultSource source;
    source.decide = [channel = core_->BindChannel(name, {target})](
                        absl::string_view method) {
      return FaultOf(channel.get(), method);
    };
    source.clock = core_->options().clock;
    source.is_generic = options.codec == Codec::kByteBuffer;
    options.attempt_interceptors.push_back(
        interceptors::NewFaultFactory(std::move(source)));
  }
  std::vector<std::string> targets = {target};
  engine::ChannelExtras extras;
  extras.listener = std::move(options.attempt_listener);
  for (const std::string& replica : options.replicas) {
    targets.push_back(replica);
    extras.replicas.push_back(
        options.attempt_interceptors.empty()
            ? grpc::CreateCustomChannel(replica, creds, options.args)
            : grpc::experimental::CreateCustomChannelWithInterceptors(
                  replica, creds, options.args, options.attempt_interceptors));
    core_->recovery()->AddChannel(
        name, replica,
        {extras.replicas.back(), options.codec == Codec::kByteBuffer});
  }
  std::vector<std::unique_ptr<InterceptorFactories::Factory>> factories =
      options.interceptors;
  factories.push_back(std::make_unique<interceptors::Factory>(
      core_->BindChannel(name, std::move(targets), std::move(extras)),
      options.codec));
  std::vector<std::unique_ptr<InterceptorFactories::Factory>> behind =
      options.attempt_interceptors;
  std::move(behind.begin(), behind.end(), std::back_inserter(factories));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      target, creds, options.args, std::move(factories));
}

std::shared_ptr<grpc::Channel> Engine::CreateGenericChannel(
    const std::string& name, const std::string& target,
    const std::shared_ptr<grpc::ChannelCredentials>& creds,
    ChannelOptions options) {
  options.codec = Codec::kByteBuffer;
  return CreateChannel(name, target, creds, std::move(options));
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
Engine::InterceptorFactory(const std::string& name, const std::string& target,
                           Codec codec) {
  return std::make_unique<interceptors::Factory>(
      core_->BindChannel(name, {target}), codec);
}

}  // namespace firebreak
