// The parts of the public Engine that do not need interceptors. CreateChannel()
// and InterceptorFactory() are in interceptors/channel.cc.
#include "firebreak/engine.h"

#include <utility>

#include "firebreak/v1/policy.pb.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/service_config.h"

namespace firebreak {
namespace {

absl::StatusOr<std::shared_ptr<engine::EngineCore>> MakeCore(
    absl::StatusOr<engine::PolicyTable> policy, const EngineOptions& options,
    const std::string& source) {
  if (!policy.ok()) return policy.status();
  return engine::EngineCore::Create(*std::move(policy), options, source);
}

}  // namespace

Engine::Engine(std::shared_ptr<engine::EngineCore> core)
    : core_(std::move(core)) {}

Engine::~Engine() = default;

absl::StatusOr<std::shared_ptr<Engine>> Engine::FromFile(
    const std::string& path, const EngineOptions& options) {
  auto core =
      MakeCore(engine::LoadPolicyFile(path, options.clamp_attempts_at_5),
               options, "file " + path);
  if (!core.ok()) return core.status();
  return std::shared_ptr<Engine>(new Engine(*std::move(core)));
}

absl::StatusOr<std::shared_ptr<Engine>> Engine::FromText(
    absl::string_view text, const EngineOptions& options) {
  auto core = MakeCore(
      engine::ParsePolicyText(text, "policy", options.clamp_attempts_at_5),
      options, "text");
  if (!core.ok()) return core.status();
  return std::shared_ptr<Engine>(new Engine(*std::move(core)));
}

absl::StatusOr<std::shared_ptr<Engine>> Engine::FromProto(
    const v1::PolicySet& policy, const EngineOptions& options) {
  auto core =
      MakeCore(engine::CompilePolicy(policy, "policy"), options, "message");
  if (!core.ok()) return core.status();
  return std::shared_ptr<Engine>(new Engine(*std::move(core)));
}

absl::StatusOr<std::shared_ptr<Engine>> Engine::FromServiceConfig(
    absl::string_view json, const EngineOptions& options) {
  auto policy = engine::FromServiceConfig(json, options.clamp_attempts_at_5);
  if (!policy.ok()) return policy.status();
  auto core = MakeCore(engine::CompilePolicy(*policy, "policy"), options,
                       "service config");
  if (!core.ok()) return core.status();
  return std::shared_ptr<Engine>(new Engine(*std::move(core)));
}

absl::StatusOr<PolicyChange> Engine::UpdatePolicy(const v1::PolicySet& policy,
                                                  const PolicyUpdate& update) {
  return core_->policies()->UpdatePolicy(
      engine::CompilePolicy(policy, "policy"), update);
}

absl::StatusOr<PolicyChange> Engine::UpdatePolicy(absl::string_view text,
                                                  const PolicyUpdate& update) {
  return core_->policies()->UpdatePolicy(
      engine::ParsePolicyText(text, "policy",
                              core_->options().clamp_attempts_at_5),
      update);
}

absl::Status Engine::SetPolicy(const v1::PolicySet& policy) {
  return UpdatePolicy(policy).status();
}

absl::Status Engine::SetPolicyText(absl::string_view text) {
  return UpdatePolicy(text).status();
}

absl::Status Engine::WatchFile(const std::string& path,
                               const WatchOptions& options) {
  return core_->policies()->WatchFile(path, options.interval,
                                      core_->SharedPolicies());
}

void Engine::StopWatching() { core_->policies()->StopWatching(); }

PolicyInForce Engine::policy() const { return core_->policies()->in_force(); }

std::vector<PolicyInForce> Engine::PolicyHistory() const {
  return core_->policies()->history();
}

std::vector<LintFinding> Engine::Lint() const {
  return core_->policies()->Lint();
}

absl::Status Engine::SetClassifier(const std::string& channel,
                                   const std::string& method,
                                   Classifier classifier) {
  return core_->SetClassifier(channel, method, std::move(classifier));
}

void Engine::AddEventListener(std::shared_ptr<EventListener> listener) {
  core_->listeners()->Add(std::move(listener));
}

void Engine::RemoveEventListener(
    const std::shared_ptr<EventListener>& listener) {
  core_->listeners()->Remove(listener.get());
}

CallbackFaults Engine::callback_faults() const {
  const engine::CallbackCounters& counters = *core_->callback_counters();
  CallbackFaults faults;
  faults.classifier_threw = counters.classifier_threw;
  faults.classifier_late = counters.classifier_late;
  faults.classifier_skipped = counters.classifier_skipped;
  faults.fallback_threw = counters.fallback_threw;
  faults.listener_threw = core_->listeners()->threw();
  faults.events_missed = core_->listeners()->missed();
  return faults;
}

absl::Status Engine::SetFallback(const std::string& channel,
                                 const std::string& method, Fallback fallback) {
  return core_->SetFallback(channel, method, std::move(fallback));
}

absl::Status Engine::SetFallback(
    const std::string& channel, const std::string& method,
    // By value, since that is what the header promises.
    FallbackChain chain) {  // NOLINT(performance-unnecessary-value-param)
  return core_->SetFallback(channel, method, chain);
}

}  // namespace firebreak
