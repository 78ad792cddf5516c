#include "src/engine/engine_core.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "src/core/base/rng.h"
#include "src/engine/callbacks/fallback_links.h"
#include "src/engine/callbacks/log.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/idempotency.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

Io::Options IoOptions(const EngineOptions& options) {
  return {options.poller_threads, options.callback_threads,
          options.observer_threads, options.callback_queue};
}

absl::Status Check(const EngineOptions& options) {
  core::FieldErrors errors;
  auto range = [&](const char* field, size_t value, size_t high) {
    if (value >= 1 && value <= high) return;
    errors.push_back({absl::StrCat("EngineOptions.", field),
                      absl::StrCat("is ", static_cast<int64_t>(value),
                                   "; allowed [1, ", high, "]")});
  };
  range("poller_threads", static_cast<size_t>(options.poller_threads), 64);
  range("callback_threads", static_cast<size_t>(options.callback_threads), 64);
  range("observer_threads", static_cast<size_t>(options.observer_threads), 64);
  range("callback_queue", options.callback_queue, 1'000'000);
  range("max_methods", options.max_methods, 1'000'000);
  range("event_log_size", options.event_log_size, 1'000'000);
  return core::ToStatus(errors);
}

}  // namespace

absl::StatusOr<std::shared_ptr<EngineCore>> EngineCore::Create(
    PolicyTable policy, const EngineOptions& options,
    absl::string_view source) {
  absl::Status valid = Check(options);
  if (!valid.ok()) return valid;
  auto core = std::shared_ptr<EngineCore>(
      new EngineCore(std::move(policy), options, source));
  if (!core->io_.status().ok()) return core->io_.status();
  core->recovery_->SetOwner(core);
  core->TellErrors(core->Lint());
  return core;
}

EngineCore::EngineCore(PolicyTable policy, const EngineOptions& options,
                       absl::string_view source)
    : options_(options),
      started_(Now()),
      instance_(RandomSeed()),
      events_(options.event_log_size),
      seed_(RandomSeed()),
      policy_(std::move(policy)),
      policy_source_(Printable(source)),
      policy_since_(std::chrono::system_clock::now()),
      policy_began_(started_),
      io_(IoOptions(options)),
      recovery_(Recovery::Create(&io_)),
      listeners_(Listeners::Create(&io_, options.event_log_size)) {
  if (options_.log_sink) {
    listeners_->Add(std::make_shared<EventLines>(options_.log_sink),
                    Listeners::Interest::kNoRejections);
  }
  policy_stats_.last_success = policy_since_;
  events_.SetSink(listeners_.get());
}

EngineCore::~EngineCore() {
  // There is nothing to stop, and what is locked stays locked.
  if (io_.IsForked()) return;
  StopWatching();
  recovery_->Stop();
  listeners_->Stop();
  events_.SetSink(nullptr);
}

absl::Status EngineCore::SetFallback(const std::string& channel,
                                     const std::string& method,
                                     Fallback fallback) {
  if (fallback) {
    return SetFallback(
        channel, method,
        FallbackChain({{FallbackLinks::kOnlyLink, std::move(fallback)}}));
  }
  auto runtime = RuntimeToSet(channel, method);
  if (!runtime.ok()) return runtime.status();
  (*runtime)->SetFallback(nullptr);
  return absl::OkStatus();
}

absl::Status EngineCore::SetFallback(const std::string& channel,
                                     const std::string& method,
                                     const FallbackChain& chain) {
  auto runtime = RuntimeToSet(channel, method);
  if (!runtime.ok()) return runtime.status();
  auto links = FallbackLinks::Create(channel, method, chain,
                                     (*runtime)->fallback().get());
  if (!links.ok()) return links.status();
  (*runtime)->SetFallback(*std::move(links));
  return absl::OkStatus();
}

absl::Status EngineCore::SetClassifier(const std::string& channel,
                                       const std::string& method,
                                       Classifier classifier) {
  auto runtime = RuntimeToSet(channel, method);
  if (!runtime.ok()) return runtime.status();
  (*runtime)->SetClassifier(std::move(classifier));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<MethodRuntime>> EngineCore::RuntimeToSet(
    const std::string& channel, const std::string& method) {
  if (method.size() < 4 || method[0] != '/' ||
      method.find('/', 1) == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("method: is \"", method,
                     "\"; allowed the form \"/package.Service/Method\""));
  }
  std::shared_ptr<MethodRuntime> runtime = RuntimeFor(channel, method);
  if (runtime == nullptr || runtime->method == kOtherMethod) {
    return absl::NotFoundError(
        absl::StrCat("no policy entry for ", method, " on channel \"", channel,
                     "\": a method without policy passes through untouched"));
  }
  return runtime;
}

std::vector<std::shared_ptr<MethodRuntime>> EngineCore::Methods() const {
  core::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<MethodRuntime>> out;
  out.reserve(methods_.size());
  for (const auto& entry : methods_) out.push_back(entry.second);
  return out;
}

std::vector<std::pair<std::shared_ptr<MethodRuntime>,
                      std::shared_ptr<const MethodSettings>>>
EngineCore::MethodsAndSettings() const {
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

uint64_t EngineCore::NextSeed() {
  return seed_.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed);
}

bool EngineCore::ClaimChannel(const void* channel, const void* factory) {
  core::MutexLock lock(&mu_);
  return claims_.try_emplace(channel, factory).first->second == factory;
}

std::shared_ptr<const core::MethodOptions> EngineCore::Nothing() {
  auto options = std::make_shared<core::MethodOptions>();
  options->intake.no_bulkhead = true;
  options->intake.no_rate_limit = true;
  options->intake.no_throttle = true;
  return options;
}

void EngineCore::ReleaseChannel(const void* factory) {
  core::MutexLock lock(&mu_);
  for (auto it = claims_.begin(); it != claims_.end(); ++it) {
    if (it->second != factory) continue;
    claims_.erase(it);
    return;
  }
}

std::shared_ptr<MethodRuntime> EngineCore::RuntimeFor(
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
      if (methods_.size() >= options_.max_methods) return OtherRuntime(key);
    }
    // Not under the lock: the first look at a proto's descriptor builds it.
    options = WithDescriptor(std::move(options), method);
    core::MutexLock lock(&mu_);
    if (version != version_) continue;
    auto found = methods_.find(key);
    if (found != methods_.end()) return found->second;
    if (methods_.size() >= options_.max_methods) return OtherRuntime(key);
    return MakeRuntime(channel, method, std::move(options));
  }
}

void EngineCore::Bind(const std::vector<std::string>& targets,
                      MethodBinding* binding) {
  core::MutexLock lock(&mu_);
  binding->settings = binding->runtime->settings();
  for (const std::string& target : targets) {
    binding->targets.push_back(BreakerFor(binding->runtime.get(),
                                          *binding->settings->options, target));
  }
}

core::Breaker* EngineCore::BreakerFor(MethodRuntime* runtime,
                                      const core::MethodOptions& options,
                                      const std::string& target) {
  if (!options.SharesBreaker()) {
    return runtime->BreakerFor(target, &events_, recovery_.get(), NextSeed(),
                               Now());
  }
  if (IsOneTooMany(runtime->channel, target)) {
    return runtime->OtherBreaker(&events_, Now());
  }
  ChannelBreaker& shared = channel_breakers_[{runtime->channel, target}];
  if (shared.breaker == nullptr) {
    shared.policy = options.policy;
    shared.breaker = std::make_shared<core::Breaker>(
        core::Breaker::Identity{runtime->channel, target, kAllMethods, &events_,
                                recovery_.get()},
        options.breaker, NextSeed(), Now());
  } else if (shared.policy.empty()) {
    shared.policy = options.policy;
    shared.breaker->SetOptions(options.breaker, Now());
  } else if (shared.policy != options.policy && !shared.warned) {
    // Two entries may well inherit the same numbers; that they do is for their
    // owner to know.
    shared.warned = true;
    core::Event event;
    event.at = Now();
    event.channel = runtime->channel;
    event.target = target;
    event.method = runtime->method;
    event.cause = absl::StrCat(
        "shares the channel's breaker, whose numbers "
        "are those of policy ",
        shared.policy, ", not of ", options.policy);
    events_.Append(std::move(event));
  }
  runtime->AddShared(shared.breaker);
  return shared.breaker.get();
}

void EngineCore::Warn(const std::string& channel, const std::string& method,
                      std::string cause) {
  core::Event event;
  event.at = Now();
  event.channel = channel;
  event.method = method;
  event.cause = std::move(cause);
  events_.Append(std::move(event));
}

bool EngineCore::IsOneTooMany(const std::string& channel,
                              const std::string& target) const {
  if (channel_breakers_.count({channel, target}) != 0) return false;
  std::size_t targets = 0;
  for (auto it = channel_breakers_.lower_bound({channel, ""});
       it != channel_breakers_.end() && it->first.first == channel; ++it) {
    ++targets;
  }
  return targets >= kMaxTargets;
}

std::shared_ptr<MethodRuntime> EngineCore::OtherRuntime(
    const std::pair<std::string, std::string>& asked_for) {
  const auto& [channel, method] = asked_for;
  if (!warned_of_cap_) {
    warned_of_cap_ = true;
    Warn(channel, method,
         absl::StrCat("more than ", options_.max_methods,
                      " methods: further ones share the entry \"", kOtherMethod,
                      "\", which only counts"));
  }
  auto found = methods_.find({channel, kOtherMethod});
  if (found != methods_.end()) return found->second;
  // Each channel name is one more: as many of them as methods.
  if (methods_.size() >= 2 * options_.max_methods && channel != kOtherMethod) {
    if (methods_.count({kOtherMethod, kOtherMethod}) == 0) {
      Warn(channel, method,
           absl::StrCat("more than ", options_.max_methods,
                        " channel names besides: further ones share one \"",
                        kOtherMethod, "\""));
    }
    return OtherRuntime({kOtherMethod, kOtherMethod});
  }
  auto counting_only = std::make_shared<core::MethodOptions>(*Nothing());
  counting_only->policy = kOtherMethod;
  return MakeRuntime(channel, kOtherMethod, std::move(counting_only));
}

MethodSettings EngineCore::MakeSettings(
    const std::string& channel,
    std::shared_ptr<const core::MethodOptions> options,
    const MethodSettings& before, LetIn* let_in) {
  MethodSettings settings;
  auto [of_channel, is_new] = intakes_.try_emplace(channel);
  if (is_new) {
    of_channel->second = core::Intake().With(policy_.IntakeFor(channel),
                                             NextSeed(), Now(), let_in);
  }
  settings.own = before.own.With(options->intake, NextSeed(), Now(), let_in);
  settings.intake = settings.own.Or(of_channel->second, options->intake);
  if (options->retry && options->retry->adaptive) {
    const core::AdaptiveRetryOptions& adaptive = *options->retry->adaptive;
    // What has been learned by other numbers is nothing to go on with.
    const bool is_as_before = before.estimator != nullptr &&
                              *before.options->retry->adaptive == adaptive;
    settings.estimator = is_as_before
                             ? before.estimator
                             : std::make_shared<core::RetryEstimator>(adaptive);
  }
  settings.options = std::move(options);
  return settings;
}

std::shared_ptr<MethodRuntime> EngineCore::MakeRuntime(
    const std::string& channel, absl::string_view method,
    std::shared_ptr<const core::MethodOptions> options) {
  std::shared_ptr<core::AttemptBudget>& budget = budgets_[channel];
  if (budget == nullptr) {
    budget = std::make_shared<core::AttemptBudget>(policy_.BudgetFor(channel),
                                                   Now());
  }
  LetIn nobody;  // waits yet
  auto runtime = std::make_shared<MethodRuntime>(
      channel, std::string(method), budget,
      MakeSettings(channel, std::move(options), MethodSettings(), &nobody));
  methods_[{channel, runtime->method}] = runtime;
  return runtime;
}

}  // namespace firebreak::engine
