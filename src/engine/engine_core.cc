#include "src/engine/engine_core.h"

#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/core/rng.h"
#include "src/engine/clock.h"
#include "src/engine/idempotency.h"
#include "src/engine/log.h"

namespace firebreak::engine {
namespace {

constexpr char kOther[] = "other";
// What a breaker of scope CHANNEL has for a method.
constexpr char kAllMethods[] = "*";

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

Io::Options IoOptions(const EngineOptions& options) {
  return {options.poller_threads, options.callback_threads,
          options.callback_queue};
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
  range("callback_queue", options.callback_queue, 1'000'000);
  range("max_methods", options.max_methods, 1'000'000);
  range("event_log_size", options.event_log_size, 1'000'000);
  return core::ToStatus(errors);
}

core::Intake MakeIntake(const core::IntakeOptions& options, uint64_t seed) {
  std::shared_ptr<core::Throttle> throttle;
  std::shared_ptr<core::RateLimit> rate_limit;
  std::shared_ptr<core::Bulkhead> bulkhead;
  if (options.throttle) {
    throttle = std::make_shared<core::Throttle>(*options.throttle, seed, Now());
  }
  if (options.rate_limit) {
    rate_limit = std::make_shared<core::RateLimit>(*options.rate_limit, Now());
  }
  if (options.bulkhead) {
    bulkhead = std::make_shared<core::Bulkhead>(*options.bulkhead);
  }
  return core::Intake(std::move(throttle), std::move(rate_limit),
                      std::move(bulkhead));
}

// Their failures say nothing about the service, and a breaker on them would
// take a node out that only its health check was slow on. So they have none
// unless an entry names their service.
bool IsExempt(absl::string_view method) {
  return absl::StartsWith(method, "/grpc.health.v1.Health/") ||
         absl::StartsWith(method, "/grpc.reflection.") ||
         absl::StartsWith(method, "/firebreak.v1.Admin/");
}

}  // namespace

ChannelBinding::ChannelBinding(std::shared_ptr<EngineCore> core,
                               std::string name,
                               std::vector<std::string> targets,
                               ChannelExtras extras)
    : core_(std::move(core)),
      name_(std::move(name)),
      targets_(std::move(targets)),
      extras_(std::move(extras)) {}

ChannelBinding::~ChannelBinding() {
  if (!extras_.replicas.empty()) {
    core_->io()->Dispose(
        [replicas = std::move(extras_.replicas)]() mutable {
          replicas.clear();
        },
        core_);
  }
}

std::shared_ptr<const MethodBinding> ChannelBinding::Find(
    absl::string_view method) {
  {
    core::MutexLock lock(&mu_);
    auto found = methods_.find(method);
    if (found != methods_.end()) return found->second;
  }
  auto binding = std::make_shared<MethodBinding>();
  binding->method = std::string(method);
  binding->runtime = core_->RuntimeFor(name_, method);
  // Not remembered: what has no policy may be any number of names.
  if (binding->runtime == nullptr) return nullptr;
  for (const std::string& target : targets_) {
    binding->targets.push_back(
        core_->BreakerFor(binding->runtime.get(), target));
  }
  if (binding->runtime->method == kOther) return binding;
  core::MutexLock lock(&mu_);
  return methods_.try_emplace(std::string(method), std::move(binding))
      .first->second;
}

absl::StatusOr<std::shared_ptr<EngineCore>> EngineCore::Create(
    PolicyTable policy, const EngineOptions& options) {
  absl::Status valid = Check(options);
  if (!valid.ok()) return valid;
  auto core =
      std::shared_ptr<EngineCore>(new EngineCore(std::move(policy), options));
  core->recovery_->SetOwner(core);
  return core;
}

EngineCore::EngineCore(PolicyTable policy, const EngineOptions& options)
    : policy_(std::move(policy)),
      options_(options),
      events_(options.event_log_size),
      seed_(RandomSeed()),
      io_(IoOptions(options)),
      recovery_(Recovery::Create(&io_)),
      listeners_(Listeners::Create(&io_, options.event_log_size)) {
  if (options_.log_sink) {
    listeners_->Add(std::make_shared<EventLines>(options_.log_sink),
                    Listeners::Interest::kNoRejections);
  }
  events_.SetSink(listeners_.get());
}

EngineCore::~EngineCore() {
  recovery_->Stop();
  listeners_->Stop();
  events_.SetSink(nullptr);
}

std::shared_ptr<ChannelBinding> EngineCore::BindChannel(
    std::string name, std::vector<std::string> targets, ChannelExtras extras) {
  return std::make_shared<ChannelBinding>(shared_from_this(), std::move(name),
                                          std::move(targets),
                                          std::move(extras));
}

absl::Status EngineCore::SetFallback(const std::string& channel,
                                     const std::string& method,
                                     Fallback fallback) {
  auto runtime = RuntimeToSet(channel, method);
  if (!runtime.ok()) return runtime.status();
  (*runtime)->SetFallback(std::move(fallback));
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
  if (runtime == nullptr || runtime->method == kOther) {
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

uint64_t EngineCore::NextSeed() {
  return seed_.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed);
}

bool EngineCore::ClaimChannel(const void* channel, const void* factory) {
  core::MutexLock lock(&mu_);
  return claims_.try_emplace(channel, factory).first->second == factory;
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
  std::shared_ptr<const core::MethodOptions> options =
      IsExempt(method) ? policy_.FindNamed(channel, method)
                       : policy_.Find(channel, method);
  if (options == nullptr) return nullptr;
  const std::pair<std::string, std::string> key(channel, method);
  {
    core::MutexLock lock(&mu_);
    auto found = methods_.find(key);
    if (found != methods_.end()) return found->second;
    if (methods_.size() >= options_.max_methods) return OtherRuntime(key);
  }
  // Not under the lock: the first look at a proto's descriptor builds it.
  options = WithDescriptor(std::move(options), method);
  core::MutexLock lock(&mu_);
  auto found = methods_.find(key);
  if (found != methods_.end()) return found->second;
  if (methods_.size() < options_.max_methods) {
    return MakeRuntime(channel, method, std::move(options));
  }
  return OtherRuntime(key);
}

core::Breaker* EngineCore::BreakerFor(MethodRuntime* runtime,
                                      const std::string& target) {
  const core::MethodOptions& options = *runtime->options;
  if (!options.breaker ||
      options.breaker->scope != core::BreakerOptions::Scope::kChannel) {
    return runtime->BreakerFor(target, &events_, recovery_.get(), NextSeed(),
                               Now());
  }
  core::MutexLock lock(&mu_);
  ChannelBreaker& shared = channel_breakers_[{runtime->channel, target}];
  if (shared.breaker == nullptr) {
    shared.policy = options.policy;
    shared.breaker = std::make_shared<core::Breaker>(
        core::Breaker::Identity{runtime->channel, target, kAllMethods, &events_,
                                recovery_.get()},
        options.breaker, NextSeed(), Now());
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

std::shared_ptr<MethodRuntime> EngineCore::OtherRuntime(
    const std::pair<std::string, std::string>& asked_for) {
  const auto& [channel, method] = asked_for;
  if (!warned_of_cap_) {
    warned_of_cap_ = true;
    core::Event event;
    event.at = Now();
    event.channel = channel;
    event.method = method;
    event.cause = absl::StrCat("more than ", options_.max_methods,
                               " methods: further ones share the entry \"",
                               kOther, "\", which only counts");
    events_.Append(std::move(event));
  }
  auto found = methods_.find({channel, kOther});
  if (found != methods_.end()) return found->second;
  auto counting_only = std::make_shared<core::MethodOptions>();
  counting_only->policy = kOther;
  counting_only->intake.no_bulkhead = true;
  counting_only->intake.no_rate_limit = true;
  counting_only->intake.no_throttle = true;
  return MakeRuntime(channel, kOther, std::move(counting_only));
}

core::Intake EngineCore::IntakeFor(const std::string& channel,
                                   const core::IntakeOptions& options) {
  auto [found, is_new] = intakes_.try_emplace(channel);
  if (is_new) {
    found->second = MakeIntake(policy_.IntakeFor(channel), NextSeed());
  }
  return MakeIntake(options, NextSeed()).Or(found->second, options);
}

std::shared_ptr<MethodRuntime> EngineCore::MakeRuntime(
    const std::string& channel, absl::string_view method,
    std::shared_ptr<const core::MethodOptions> options) {
  std::shared_ptr<core::AttemptBudget>& budget = budgets_[channel];
  if (budget == nullptr) {
    budget = std::make_shared<core::AttemptBudget>(policy_.BudgetFor(channel),
                                                   Now());
  }
  core::Intake intake = IntakeFor(channel, options->intake);
  auto runtime = std::make_shared<MethodRuntime>(channel, std::string(method),
                                                 std::move(options), budget,
                                                 std::move(intake));
  methods_[{channel, runtime->method}] = runtime;
  return runtime;
}

}  // namespace firebreak::engine
