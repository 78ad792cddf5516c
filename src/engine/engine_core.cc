#include "src/engine/engine_core.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/callbacks/fallback_links.h"
#include "src/engine/policy/protection.h"

namespace firebreak::engine {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

Io::Options IoOptions(const EngineOptions& options) {
  return {options.poller_threads,
          options.callback_threads,
          options.observer_threads,
          options.callback_queue,
          StartThread,
          EngineClock(options.clock)};
}

EngineOptions Completed(EngineOptions options) {
  // The calling thread would wait on a queue of gRPC, which follows real time.
  if (options.clock != nullptr) options.drive_on_calling_thread = false;
  return options;
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
    const PolicyTable& policy, const EngineOptions& options,
    absl::string_view source) {
  absl::Status valid = Check(options);
  if (valid.ok() && !options.allow_faults) valid = RefuseFaults(policy);
  if (!valid.ok()) return valid;
  auto core =
      std::shared_ptr<EngineCore>(new EngineCore(policy, options, source));
  if (!core->io_.status().ok()) return core->io_.status();
  core->recovery_->SetOwner(core);
  core->policies_.TellErrors(core->policies_.Lint());
  return core;
}

EngineCore::EngineCore(const PolicyTable& policy, const EngineOptions& options,
                       absl::string_view source)
    : options_(Completed(options)),
      clock_(options.clock),
      started_(clock_.Now()),
      instance_(RandomSeed()),
      events_(options.event_log_size),
      channels_(&events_, clock_),
      methods_(policy, options.max_methods, RandomSeed(), &events_, clock_),
      policies_(policy, source,
                {&methods_, &events_, &io_, [this] { return SeenTraffic(); },
                 options.clamp_attempts_at_5, options.allow_faults, clock_}),
      candidates_({&policies_, &methods_, options.max_methods, clock_}),
      io_(IoOptions(options)),
      recovery_(Recovery::Create(&io_)),
      callbacks_(&io_, options.event_log_size, options.log_sink) {
  methods_.SetObserver(recovery_.get());
  methods_.SetTape(&tape_);
  events_.SetSink(callbacks_.listeners());
}

EngineCore::~EngineCore() {
  // In a forked process there are no threads to stop, and locks may be held for
  // ever.
  if (io_.IsForked()) return;
  policies_.StopWatching();
  recovery_->Stop();
  callbacks_.Stop();
  events_.SetSink(nullptr);
}

std::shared_ptr<ChannelBinding> EngineCore::BindChannel(
    std::string name, std::vector<std::string> targets, ChannelExtras extras) {
  channels_.Add(name, targets);
  return std::make_shared<ChannelBinding>(shared_from_this(), std::move(name),
                                          std::move(targets),
                                          std::move(extras));
}

void EngineCore::Prepare(const std::string& channel,
                         const std::string& method) {
  const std::vector<std::string> targets = channels_.TargetsOf(channel);
  if (targets.empty()) return;
  MethodBinding binding;
  binding.method = method;
  binding.runtime = methods_.RuntimeFor(channel, method);
  if (binding.runtime == nullptr || binding.runtime->method == kOtherMethod) {
    return;
  }
  // It has been called, so its breakers are those of the targets that it has
  // been called at.
  if (!binding.runtime->breakers().empty()) return;
  methods_.Bind(targets, &binding);
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
  std::shared_ptr<MethodRuntime> runtime = methods_.RuntimeFor(channel, method);
  if (runtime == nullptr || runtime->method == kOtherMethod) {
    return absl::NotFoundError(
        absl::StrCat("no policy entry for ", method, " on channel \"", channel,
                     "\": a method without policy passes through untouched"));
  }
  return runtime;
}

Traffic EngineCore::SeenTraffic() const {
  Traffic traffic;
  const std::vector<std::shared_ptr<MethodRuntime>> methods = methods_.All();
  traffic.age = clock_.Now() - started_;
  channels_.Describe(&traffic);
  for (const std::shared_ptr<MethodRuntime>& runtime : methods) {
    if (runtime->method == kOtherMethod) {
      traffic.knows_all = false;
      continue;
    }
    traffic.services.emplace(ServiceOf(runtime->method));
    traffic.methods.push_back({runtime->channel, runtime->method,
                               runtime->stats.counts().calls,
                               runtime->settings()->options});
  }
  return traffic;
}

}  // namespace firebreak::engine
