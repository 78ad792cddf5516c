#include "src/engine/policy_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy_diff.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/protection.h"

namespace firebreak::engine {
namespace {

// The most characters of the first fault in an event, with the path of its
// file.
constexpr size_t kMaxFault = 500;

// Returns how an event begins: "file /etc/p: ".
std::string Told(const std::string& source) {
  return source.empty() ? "" : absl::StrCat(source, ": ");
}

// Returns "; takes the breaker of 2: /p.S/M, every method of p.T".
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

std::string FirstFault(const absl::Status& status) {
  const absl::string_view all(status.message().data(), status.message().size());
  const absl::string_view first = all.substr(0, all.find('\n'));
  const auto more = std::count(all.begin(), all.end(), '\n');
  return absl::StrCat(Printable(first, kMaxFault), more == 0 ? "" : "; and ",
                      more == 0 ? "" : absl::StrCat(more, " more"));
}

std::string CountDifferences(const PolicyChange& change) {
  const int64_t count = static_cast<int64_t>(change.differences.size()) +
                        change.differences_left_out;
  return absl::StrCat(count, count == 1 ? " difference" : " differences");
}

PolicyStore::PolicyStore(const PolicyTable& policy, absl::string_view source,
                         Neighbours neighbours)
    : neighbours_(std::move(neighbours)) {
  core::MutexLock lock(&mu_);
  in_force_ = {policy.source(), 1, Printable(source),
               std::chrono::system_clock::now()};
  began_ = neighbours_.clock.Now();
  stats_.last_success = in_force_.since;
}

PolicyInForce PolicyStore::in_force() const {
  core::MutexLock lock(&mu_);
  return in_force_;
}

std::vector<PolicyInForce> PolicyStore::history() const {
  core::MutexLock lock(&mu_);
  return {history_.begin(), history_.end()};
}

PolicyStats PolicyStore::stats() const {
  core::MutexLock lock(&mu_);
  PolicyStats stats = stats_;
  stats.version = in_force_.version;
  return stats;
}

absl::StatusOr<PolicyChange> PolicyStore::Examine(
    const absl::StatusOr<PolicyTable>& policy,
    const PolicyUpdate& update) const {
  if (!policy.ok()) return policy.status();
  if (!neighbours_.allow_faults) {
    absl::Status may = RefuseFaults(*policy);
    if (!may.ok()) return may;
  }
  const PolicyInForce now = in_force();
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
  Traffic traffic = neighbours_.traffic();
  traffic.policy_age = core::Duration::zero();
  change.findings = engine::Lint(*policy, &traffic);
  std::vector<std::pair<std::string, std::string>> called;
  for (const Traffic::Method& each : traffic.methods) {
    called.emplace_back(each.channel, each.method);
  }
  Lost lost =
      FindLostBreakers(neighbours_.user->policy(nullptr), *policy, called);
  change.lost_breakers = std::move(lost.calls);
  change.lost_breakers_left_out = lost.left_out;
  return change;
}

absl::StatusOr<PolicyChange> PolicyStore::UpdatePolicy(
    const absl::StatusOr<PolicyTable>& policy, const PolicyUpdate& update) {
  if (update.dry_run) return Examine(policy, update);
  const std::string source = Printable(update.source);
  core::MutexLock updating(&update_mu_);
  absl::StatusOr<PolicyChange> change = Examine(policy, update);
  const uint64_t before = in_force().version;
  if (!change.ok()) {
    AppendEvent(
        before, before,
        absl::StrCat(Told(source), "refused: ", FirstFault(change.status()),
                     "; version ", before, " stays"),
        /*refused=*/true);
    core::MutexLock lock(&mu_);
    ++stats_.refused;
    // A policy that has lost a race is not faulty.
    if (!absl::IsAborted(change.status()) &&
        !std::exchange(stats_.is_refused, true)) {
      stats_.refused_since = std::chrono::system_clock::now();
    }
    return change;
  }
  if (!change->changed) {
    core::MutexLock lock(&mu_);
    ++stats_.unchanged;
    stats_.is_refused = false;
    stats_.last_success = std::chrono::system_clock::now();
    return change;
  }
  Swap(*policy, source);
  change->version = in_force().version;
  AppendEvent(before, change->version,
              absl::StrCat(Told(source), CountDifferences(*change),
                           ToldOfLost(*change)));
  TellErrors(change->findings);
  return change;
}

void PolicyStore::NotePolicyIsWell(const std::string& source,
                                   absl::string_view what) {
  const uint64_t version = in_force().version;
  {
    core::MutexLock lock(&mu_);
    stats_.is_refused = false;
  }
  AppendEvent(
      version, version,
      absl::StrCat(Told(source), what, "; version ", version, " stays"));
}

void PolicyStore::Note(const std::string& source, absl::string_view what,
                       bool refused) {
  const uint64_t version = in_force().version;
  AppendEvent(version, version, absl::StrCat(Told(Printable(source)), what),
              refused);
}

void PolicyStore::AppendEvent(uint64_t from, uint64_t to, std::string cause,
                              bool refused) {
  core::Event event;
  event.at = neighbours_.clock.Now();
  event.kind = core::Event::Kind::kPolicy;
  event.from = absl::StrCat(from);
  event.to = absl::StrCat(to);
  event.cause = std::move(cause);
  event.refused = refused;
  neighbours_.events->Append(std::move(event));
}

void PolicyStore::Swap(const PolicyTable& policy, const std::string& source) {
  neighbours_.user->Use(policy, [&](uint64_t version) {
    core::MutexLock lock(&mu_);
    history_.push_front(std::move(in_force_));
    if (history_.size() > kMaxHistory) history_.pop_back();
    in_force_ = {policy.source(), version, source,
                 std::chrono::system_clock::now()};
    began_ = neighbours_.clock.Now();
    stats_.last_success = in_force_.since;
    ++stats_.applied;
    stats_.is_refused = false;
  });
}

absl::Status PolicyStore::WatchFile(const std::string& path,
                                    core::Duration interval,
                                    const std::shared_ptr<PolicyTarget>& self) {
  constexpr std::chrono::milliseconds kShortest(10);
  constexpr std::chrono::hours kLongest(1);
  if (interval < kShortest || interval > kLongest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "WatchOptions.interval: is ", core::FormatDuration(interval),
        "; allowed [", core::FormatDuration(kShortest), ", ",
        core::FormatDuration(kLongest), "]"));
  }
  return Watch(PolicyWatch::Create(path, interval), self);
}

absl::Status PolicyStore::Watch(const std::shared_ptr<PolicyWatch>& watch,
                                const std::shared_ptr<PolicyTarget>& self) {
  // Loading may block in the file system, so it is done without a lock.
  absl::Status loaded = watch->Load(this);
  if (!loaded.ok()) return loaded;
  core::MutexLock watching(&watch_mu_);
  // The old watch must be stopped before the new policy is in force. Otherwise
  // the engine could watch one file and run the policy of another.
  if (watch_ != nullptr) watch_->Stop();
  watch_ = watch;
  watch->Apply(this);
  watch->Start(self, neighbours_.io);
  return absl::OkStatus();
}

void PolicyStore::StopWatching() {
  core::MutexLock watching(&watch_mu_);
  if (watch_ != nullptr) watch_->Stop();
  watch_.reset();
}

std::vector<LintFinding> PolicyStore::Lint() const {
  Traffic traffic = neighbours_.traffic();
  {
    core::MutexLock lock(&mu_);
    traffic.policy_age = neighbours_.clock.Now() - began_;
  }
  return engine::Lint(neighbours_.user->policy(nullptr), &traffic);
}

void PolicyStore::TellErrors(const std::vector<LintFinding>& findings) {
  // The log takes ten lines a minute.
  constexpr int64_t kMost = 5;
  const auto warn = [this](absl::string_view cause) {
    core::Event event;
    event.at = neighbours_.clock.Now();
    event.cause = absl::StrCat("the policy: ", cause);
    neighbours_.events->Append(std::move(event));
  };
  int64_t errors = 0;
  for (const LintFinding& finding : findings) {
    if (finding.severity != LintFinding::Severity::kError) continue;
    if (++errors > kMost) continue;
    warn(absl::StrCat(finding.where, ": ", finding.problem, ": ", finding.fix));
  }
  if (errors <= kMost) return;
  warn(absl::StrCat(errors - kMost,
                    " more errors: see firebreakctl policy lint"));
}

}  // namespace firebreak::engine
