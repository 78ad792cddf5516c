// How the policy of a running engine is replaced.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/idempotency.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy_diff.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/protection.h"

namespace firebreak::engine {
namespace {

// Of the first fault in an event, path of its file included.
constexpr size_t kMaxFault = 500;

// How an event begins: "file /etc/p: ".
std::string Told(const std::string& source) {
  return source.empty() ? "" : absl::StrCat(source, ": ");
}

// The first of its lines, and how many more there are.
std::string FirstFault(const absl::Status& status) {
  const absl::string_view all(status.message().data(), status.message().size());
  const absl::string_view first = all.substr(0, all.find('\n'));
  const auto more = std::count(all.begin(), all.end(), '\n');
  return absl::StrCat(Printable(first, kMaxFault), more == 0 ? "" : "; and ",
                      more == 0 ? "" : absl::StrCat(more, " more"));
}

// "; takes the breaker of 2: /p.S/M, every method of p.T"
std::string ToldOfLost(const PolicyChange& change) {
  constexpr size_t kMost = 3;
  const auto& lost = change.lost_breakers;
  if (lost.empty()) return "";
  const size_t told = std::min(lost.size(), kMost);
  const int64_t all =
      static_cast<int64_t>(lost.size()) + change.lost_breakers_left_out;
  return absl::StrCat(
      "; takes the breaker of ", all, ": ",
      Printable(absl::StrJoin(lost.begin(), lost.begin() + told, ", "),
                kMaxFault),
      all > static_cast<int64_t>(told) ? ", ..." : "");
}

}  // namespace

PolicyInForce EngineCore::policy_in_force() const {
  core::MutexLock lock(&mu_);
  return {policy_.source(), version_, policy_source_, policy_since_};
}

std::vector<PolicyInForce> EngineCore::policy_history() const {
  core::MutexLock lock(&mu_);
  return {history_.begin(), history_.end()};
}

PolicyStats EngineCore::policy_stats() const {
  core::MutexLock lock(&mu_);
  PolicyStats stats = policy_stats_;
  stats.version = version_;
  return stats;
}

absl::StatusOr<PolicyChange> EngineCore::Examine(
    const absl::StatusOr<PolicyTable>& policy,
    const PolicyUpdate& update) const {
  if (!policy.ok()) return policy.status();
  const PolicyInForce now = policy_in_force();
  if (update.if_version && *update.if_version != now.version) {
    return absl::AbortedError(absl::StrCat(
        "policy version ", now.version, " is in force, not ",
        *update.if_version, " (if_version): look at it and try again"));
  }
  PolicyDiff diff = DiffPolicies(*now.policy, *policy->source());
  PolicyChange change;
  change.version = now.version;
  change.changed = !diff.differences.empty();
  change.differences = std::move(diff.differences);
  change.differences_left_out = diff.left_out;
  Traffic traffic = SeenTraffic();
  traffic.policy_age = core::Duration::zero();
  change.findings = engine::Lint(*policy, &traffic);
  std::vector<std::pair<std::string, std::string>> called;
  for (const Traffic::Method& each : traffic.methods) {
    called.emplace_back(each.channel, each.method);
  }
  Lost lost = FindLostBreakers(this->policy(), *policy, called);
  change.lost_breakers = std::move(lost.calls);
  change.lost_breakers_left_out = lost.left_out;
  return change;
}

absl::StatusOr<PolicyChange> EngineCore::UpdatePolicy(
    const absl::StatusOr<PolicyTable>& policy, const PolicyUpdate& update) {
  if (update.dry_run) return Examine(policy, update);
  const std::string source = Printable(update.source);
  core::MutexLock updating(&update_mu_);
  absl::StatusOr<PolicyChange> change = Examine(policy, update);
  const uint64_t before = version_;
  if (!change.ok()) {
    AppendPolicyEvent(
        before, before,
        absl::StrCat(Told(source), "refused: ", FirstFault(change.status()),
                     "; version ", before, " stays"),
        /*refused=*/true);
    core::MutexLock lock(&mu_);
    ++policy_stats_.refused;
    // To lose a race is no fault of a policy.
    if (!absl::IsAborted(change.status()) &&
        !std::exchange(policy_stats_.is_refused, true)) {
      policy_stats_.refused_since = std::chrono::system_clock::now();
    }
    return change;
  }
  if (!change->changed) {
    core::MutexLock lock(&mu_);
    ++policy_stats_.unchanged;
    policy_stats_.is_refused = false;
    policy_stats_.last_success = std::chrono::system_clock::now();
    return change;
  }
  Swap(*policy, source);
  change->version = version_;
  const int64_t differences = static_cast<int64_t>(change->differences.size()) +
                              change->differences_left_out;
  AppendPolicyEvent(
      before, change->version,
      absl::StrCat(Told(source), differences,
                   differences == 1 ? " difference" : " differences",
                   ToldOfLost(*change)));
  TellErrors(change->findings);
  return change;
}

void EngineCore::NotePolicyIsWell(const std::string& source,
                                  absl::string_view what) {
  const uint64_t version = version_;
  {
    core::MutexLock lock(&mu_);
    policy_stats_.is_refused = false;
  }
  AppendPolicyEvent(
      version, version,
      absl::StrCat(Told(source), what, "; version ", version, " stays"));
}

void EngineCore::AppendPolicyEvent(uint64_t from, uint64_t to,
                                   std::string cause, bool refused) {
  core::Event event;
  event.at = Now();
  event.kind = core::Event::Kind::kPolicy;
  event.from = absl::StrCat(from);
  event.to = absl::StrCat(to);
  event.cause = std::move(cause);
  event.refused = refused;
  events_.Append(std::move(event));
}

absl::Status EngineCore::WatchFile(const std::string& path,
                                   const WatchOptions& options) {
  constexpr std::chrono::milliseconds kShortest(10);
  constexpr std::chrono::hours kLongest(1);
  if (options.interval < kShortest || options.interval > kLongest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "WatchOptions.interval: is ", core::FormatDuration(options.interval),
        "; allowed [", core::FormatDuration(kShortest), ", ",
        core::FormatDuration(kLongest), "]"));
  }
  return Watch(PolicyWatch::Create(path, options.interval));
}

absl::Status EngineCore::Watch(const std::shared_ptr<PolicyWatch>& watch) {
  // May block in the file system: nobody waits for it but who asked.
  absl::Status loaded = watch->Load(this);
  if (!loaded.ok()) return loaded;
  core::MutexLock watching(&watch_mu_);
  // What is let go says nothing any more once the next is in force: else the
  // engine would watch one file, and run another.
  if (watch_ != nullptr) watch_->Stop();
  watch_ = watch;
  watch->Apply(this);
  watch->Start(shared_from_this());
  return absl::OkStatus();
}

void EngineCore::StopWatching() {
  core::MutexLock watching(&watch_mu_);
  if (watch_ != nullptr) watch_->Stop();
  watch_.reset();
}

PolicyTable EngineCore::policy(uint64_t* version) const {
  core::MutexLock lock(&mu_);
  if (version != nullptr) *version = version_;
  return policy_;
}

void EngineCore::Swap(const PolicyTable& policy, const std::string& source) {
  // Looked up before, since the first look at a proto's descriptor builds it.
  absl::flat_hash_map<const MethodRuntime*,
                      std::shared_ptr<const core::MethodOptions>>
      found;
  LetIn let_in;
  for (;;) {
    for (const std::shared_ptr<MethodRuntime>& runtime : Methods()) {
      auto [entry, is_new] = found.try_emplace(runtime.get());
      if (!is_new || runtime->method == kOtherMethod) continue;
      entry->second = policy.FindForCall(runtime->channel, runtime->method);
      entry->second = entry->second == nullptr
                          ? Nothing()
                          : WithDescriptor(entry->second, runtime->method);
    }
    // All at once, so that nobody is bound to half of it.
    core::MutexLock lock(&mu_);
    // Runtimes are never taken away: a new one has come meanwhile.
    if (methods_.size() != found.size()) continue;
    history_.push_front(
        {policy_.source(), version_, policy_source_, policy_since_});
    if (history_.size() > kMaxHistory) history_.pop_back();
    policy_ = policy;
    policy_source_ = source;
    policy_since_ = std::chrono::system_clock::now();
    policy_began_ = Now();
    policy_stats_.last_success = policy_since_;
    ++policy_stats_.applied;
    policy_stats_.is_refused = false;
    SetChannelPolicy(&let_in);
    for (const auto& [key, runtime] : methods_) {
      std::shared_ptr<const core::MethodOptions> options = found[runtime.get()];
      if (options == nullptr) continue;
      runtime->SetSettings(MakeSettings(runtime->channel, std::move(options),
                                        *runtime->settings(), &let_in),
                           Now());
    }
    SetChannelBreakers();
    version_.fetch_add(1, std::memory_order_release);
    return;
  }
}

void EngineCore::SetChannelPolicy(LetIn* let_in) {
  for (auto& [channel, budget] : budgets_) {
    budget->SetOptions(policy_.BudgetFor(channel), Now());
  }
  for (auto& [channel, intake] : intakes_) {
    intake = intake.With(policy_.IntakeFor(channel), NextSeed(), Now(), let_in);
  }
}

void EngineCore::SetChannelBreakers() {
  for (auto& [key, shared] : channel_breakers_) {
    // Of the entry it has its numbers from, if some method still has that, else
    // of the first method by name.
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
                               Now());
  }
}

}  // namespace firebreak::engine
