#include "src/engine/method_registry.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "src/engine/policy/idempotency.h"

namespace firebreak::engine {

MethodRegistry::MethodRegistry(const PolicyTable& policy,
                               std::size_t max_methods, uint64_t seed,
                               core::EventLog* events, EngineClock clock)
    : clock_(std::move(clock)),
      max_methods_(max_methods),
      events_(events),
      seed_(seed),
      policy_(policy) {}

std::shared_ptr<MethodRuntime> MethodRegistry::RuntimeFor(
    const std::string& channel, absl::string_view method) {
  const std::pair<std::string, std::string> key(channel, method);
  for (;;) {
    uint64_t version = 0;
    std::shared_ptr<const core::MethodOptions> options;
    {
      core::MutexLock lock(&mu_);
      version = version_;
      options = policy_.FindForCall(channel, method);
      if (options == nullptr) return nullptr;
      auto found = methods_.find(key);
      if (found != methods_.end()) return found->second;
      if (methods_.size() >= max_methods_) return OtherRuntime(key);
    }
    // Not done under the lock, since the first look at a proto's descriptor
    // builds the descriptor.
    options = WithDescriptor(std::move(options), method);
    core::MutexLock lock(&mu_);
    if (version != version_) continue;
    auto found = methods_.find(key);
    if (found != methods_.end()) return found->second;
    if (methods_.size() >= max_methods_) return OtherRuntime(key);
    return MakeRuntime(channel, method, std::move(options));
  }
}

void MethodRegistry::Bind(const std::vector<std::string>& targets,
                          MethodBinding* binding) {
  core::MutexLock lock(&mu_);
  binding->settings = binding->runtime->settings();
  for (const std::string& target : targets) {
    binding->targets.push_back(BreakerFor(binding->runtime.get(),
                                          *binding->settings->options, target));
  }
}

std::vector<std::shared_ptr<MethodRuntime>> MethodRegistry::All() const {
  core::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<MethodRuntime>> out;
  out.reserve(methods_.size());
  for (const auto& entry : methods_) out.push_back(entry.second);
  return out;
}

std::vector<std::pair<std::shared_ptr<MethodRuntime>,
                      std::shared_ptr<const MethodSettings>>>
MethodRegistry::AllWithSettings() const {
  core::MutexLock lock(&mu_);
  std::vector<std::pair<std::shared_ptr<MethodRuntime>,
                        std::shared_ptr<const MethodSettings>>>
      out;
  out.reserve(methods_.size());
  for (const auto& [name, runtime] : methods_) {
    out.emplace_back(runtime, runtime->settings());
  }
  return out;
}

PolicyTable MethodRegistry::policy(uint64_t* generation) const {
  core::MutexLock lock(&mu_);
  if (generation != nullptr) *generation = generation_;
  return policy_;
}

void MethodRegistry::Rebind() {
  core::MutexLock lock(&mu_);
  generation_.fetch_add(1, std::memory_order_release);
}

void MethodRegistry::Use(const PolicyTable& policy,
                         absl::FunctionRef<void(uint64_t version)> record) {
  // Looked up before the lock is held, since the first look at a proto's
  // descriptor builds the descriptor.
  absl::flat_hash_map<const MethodRuntime*,
                      std::shared_ptr<const core::MethodOptions>>
      found;
  AdmittedWaiters admitted;
  for (;;) {
    for (const std::shared_ptr<MethodRuntime>& runtime : All()) {
      auto [entry, is_new] = found.try_emplace(runtime.get());
      if (!is_new || runtime->method == kOtherMethod) continue;
      entry->second = policy.FindForCall(runtime->channel, runtime->method);
      entry->second = entry->second == nullptr
                          ? Nothing()
                          : WithDescriptor(entry->second, runtime->method);
    }
    // All methods change at once, so that no call is bound to half of the
    // policy.
    core::MutexLock lock(&mu_);
    // Runtimes are never removed, so the numbers differ if a new one has come
    // meanwhile.
    if (methods_.size() != found.size()) continue;
    policy_ = policy;
    SetShared(&admitted);
    for (const auto& [key, runtime] : methods_) {
      std::shared_ptr<const core::MethodOptions> options = found[runtime.get()];
      if (options == nullptr) continue;
      runtime->SetSettings(MakeSettings(runtime->channel, std::move(options),
                                        *runtime->settings(), &admitted),
                           clock_.Now());
    }
    SetChannelBreakers();
    generation_.fetch_add(1, std::memory_order_release);
    record(++version_);
    return;
  }
}

void MethodRegistry::SetShared(AdmittedWaiters* admitted) {
  for (auto& [channel, budget] : budgets_) {
    budget->SetOptions(policy_.BudgetFor(channel), clock_.Now());
  }
  for (auto& [channel, admission] : admissions_) {
    admission = admission.With(policy_.AdmissionFor(channel), NextSeed(),
                               clock_.Now(), admitted);
  }
}

void MethodRegistry::SetChannelBreakers() {
  for (auto& [key, shared] : channel_breakers_) {
    // The options are those of the entry that the breaker has had them from, if
    // some method still has that entry, and else those of the first method by
    // name.
    std::shared_ptr<const core::MethodOptions> next;
    for (const auto& [name, runtime] : methods_) {
      std::shared_ptr<const core::MethodOptions> options =
          runtime->settings()->options;
      if (runtime->channel != key.first || !options->SharesBreaker()) continue;
      if (next == nullptr || options->policy == shared.policy) {
        const bool is_the_same = options->policy == shared.policy;
        next = std::move(options);
        if (is_the_same) break;
      }
    }
    const std::string policy = next == nullptr ? "" : next->policy;
    if (policy != shared.policy) shared.warned = false;
    shared.policy = policy;
    shared.breaker->SetOptions(next == nullptr ? absl::nullopt : next->breaker,
                               clock_.Now());
  }
}

std::shared_ptr<const core::MethodOptions> MethodRegistry::Nothing() {
  auto options = std::make_shared<core::MethodOptions>();
  options->admission.VisitParts(
      [](const char*, auto*, bool* is_off) { *is_off = true; });
  return options;
}

void MethodRegistry::Warn(const std::string& channel, const std::string& target,
                          const std::string& method, std::string cause) {
  core::Event event;
  event.at = clock_.Now();
  event.channel = channel;
  event.target = target;
  event.method = method;
  event.cause = std::move(cause);
  events_->Append(std::move(event));
}

core::Breaker* MethodRegistry::BreakerFor(MethodRuntime* runtime,
                                          const core::MethodOptions& options,
                                          const std::string& target) {
  if (!options.SharesBreaker()) {
    return runtime->BreakerFor(target, events_, observer_, NextSeed(),
                               clock_.Now());
  }
  if (IsOneTooMany(runtime->channel, target)) {
    return runtime->OtherBreaker(events_, clock_.Now());
  }
  ChannelBreaker& shared = channel_breakers_[{runtime->channel, target}];
  if (shared.breaker == nullptr) {
    shared.policy = options.policy;
    shared.breaker = std::make_shared<core::Breaker>(
        core::Breaker::Identity{runtime->channel, target, kAllMethods, events_,
                                observer_},
        options.breaker, NextSeed(), clock_.Now());
  } else if (shared.policy.empty()) {
    shared.policy = options.policy;
    shared.breaker->SetOptions(options.breaker, clock_.Now());
  } else if (shared.policy != options.policy && !shared.warned) {
    // Two entries may inherit the same numbers. Only their owner can know that,
    // so this warns in any case.
    shared.warned = true;
    Warn(runtime->channel, target, runtime->method,
         absl::StrCat("shares the channel's breaker, whose numbers are those "
                      "of policy ",
                      shared.policy, ", not of ", options.policy));
  }
  runtime->AddShared(shared.breaker);
  return shared.breaker.get();
}

bool MethodRegistry::IsOneTooMany(const std::string& channel,
                                  const std::string& target) const {
  if (channel_breakers_.count({channel, target}) != 0) return false;
  std::size_t targets = 0;
  for (auto it = channel_breakers_.lower_bound({channel, ""});
       it != channel_breakers_.end() && it->first.first == channel; ++it) {
    ++targets;
  }
  return targets >= kMaxTargets;
}

std::shared_ptr<MethodRuntime> MethodRegistry::OtherRuntime(
    const std::pair<std::string, std::string>& asked_for) {
  const auto& [channel, method] = asked_for;
  if (!warned_of_cap_) {
    warned_of_cap_ = true;
    Warn(channel, /*target=*/"", method,
         absl::StrCat("more than ", max_methods_,
                      " methods: further ones share the entry \"", kOtherMethod,
                      "\", which only counts"));
  }
  auto found = methods_.find({channel, kOtherMethod});
  if (found != methods_.end()) return found->second;
  // Each channel name adds one runtime, so there may be as many channel names
  // as methods.
  if (methods_.size() >= 2 * max_methods_ && channel != kOtherMethod) {
    if (methods_.count({kOtherMethod, kOtherMethod}) == 0) {
      Warn(channel, /*target=*/"", method,
           absl::StrCat("more than ", max_methods_,
                        " channel names besides: further ones share one \"",
                        kOtherMethod, "\""));
    }
    return OtherRuntime({kOtherMethod, kOtherMethod});
  }
  auto counting_only = std::make_shared<core::MethodOptions>(*Nothing());
  counting_only->policy = kOtherMethod;
  return MakeRuntime(channel, kOtherMethod, std::move(counting_only));
}

std::shared_ptr<MethodRuntime> MethodRegistry::MakeRuntime(
    const std::string& channel, absl::string_view method,
    std::shared_ptr<const core::MethodOptions> options) {
  std::shared_ptr<core::AttemptBudget>& budget = budgets_[channel];
  if (budget == nullptr) {
    budget = std::make_shared<core::AttemptBudget>(policy_.BudgetFor(channel),
                                                   clock_.Now());
  }
  AdmittedWaiters nobody;  // no call waits yet
  auto runtime = std::make_shared<MethodRuntime>(
      channel, std::string(method), budget,
      MakeSettings(channel, std::move(options), MethodSettings(), &nobody));
  runtime->stats.tape = tape_;
  methods_[{channel, runtime->method}] = runtime;
  return runtime;
}

MethodSettings MethodRegistry::MakeSettings(
    const std::string& channel,
    std::shared_ptr<const core::MethodOptions> options,
    const MethodSettings& before, AdmittedWaiters* admitted) {
  MethodSettings settings;
  auto [of_channel, is_new] = admissions_.try_emplace(channel);
  if (is_new) {
    of_channel->second = core::AdmissionControl().With(
        policy_.AdmissionFor(channel), NextSeed(), clock_.Now(), admitted);
  }
  settings.own =
      before.own.With(options->admission, NextSeed(), clock_.Now(), admitted);
  settings.admission = settings.own.Or(of_channel->second, options->admission);
  if (options->retry && options->retry->adaptive) {
    const core::AdaptiveRetryOptions& adaptive = *options->retry->adaptive;
    // What was learned with other numbers is of no use now.
    const bool is_as_before = before.estimator != nullptr &&
                              *before.options->retry->adaptive == adaptive;
    settings.estimator = is_as_before
                             ? before.estimator
                             : std::make_shared<core::RetryEstimator>(adaptive);
  }
  settings.options = std::move(options);
  return settings;
}

}  // namespace firebreak::engine
