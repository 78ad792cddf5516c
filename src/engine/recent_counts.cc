#include "src/engine/recent_counts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/core/measure/method_stats.h"

namespace firebreak::engine {
namespace {

constexpr auto kCancelled =
    static_cast<std::size_t>(absl::StatusCode::kCancelled);

bool IsFailing(const RecentCounts::Counts& counts) {
  return static_cast<double>(counts.not_ok()) >=
         RecentCounts::kFailingShare *
             static_cast<double>(counts.with_status());
}

RecentCounts::Counts Difference(RecentCounts::Counts to,
                                const RecentCounts::Counts& from) {
  return to -= from;
}

}  // namespace

int64_t RecentCounts::Counts::with_status() const {
  return std::accumulate(codes.begin(), codes.end(), int64_t{0});
}

RecentCounts::Counts& RecentCounts::Counts::operator-=(const Counts& from) {
  started -= from.started;
  failures -= from.failures;
  rejected -= from.rejected;
  refused -= from.refused;
  ended -= from.ended;
  attempts -= from.attempts;
  bad_attempts -= from.bad_attempts;
  own_faults -= from.own_faults;
  no_place -= from.no_place;
  no_token -= from.no_token;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] -= from.codes[i];
  return *this;
}

RecentCounts::Counts RecentCounts::Read(const MethodRuntime& runtime) {
  const core::MethodCounts all = runtime.stats.counts();
  const auto attributed = [&](core::Attribution attribution) {
    return all.attributions[static_cast<std::size_t>(attribution)];
  };
  const auto rejected = [&](core::Reason reason) {
    return all.rejections[static_cast<std::size_t>(reason)];
  };
  const auto stopped = [&](core::Reason reason) {
    return all.stops[static_cast<std::size_t>(reason)];
  };
  Counts counts;
  counts.started = all.calls;
  counts.failures = all.end(core::CallEnd::kFailure);
  counts.rejected = all.end(core::CallEnd::kRejected);
  counts.refused = rejected(core::Reason::kBreakerOpen) +
                   rejected(core::Reason::kForcedOpen) +
                   rejected(core::Reason::kProbesTaken);
  counts.ended = all.calls - all.in_flight;
  counts.bad_attempts = attributed(core::Attribution::kServerFailure) +
                        attributed(core::Attribution::kTransportFailure);
  counts.attempts = counts.bad_attempts +
                    attributed(core::Attribution::kSuccess) +
                    attributed(core::Attribution::kAnsweredWithError);
  counts.own_faults = attributed(core::Attribution::kDeadlineTooShort) +
                      attributed(core::Attribution::kLocalError);
  counts.no_place = rejected(core::Reason::kBulkheadFull) +
                    rejected(core::Reason::kQueueTimeout);
  counts.no_token = stopped(core::Reason::kBudgetExhausted) +
                    stopped(core::Reason::kThrottled);
  counts.codes = all.codes;
  // The calls that are left were cancelled by a server.
  counts.codes[kCancelled] = std::max<int64_t>(
      counts.codes[kCancelled] - all.end(core::CallEnd::kCancelled), 0);
  return counts;
}

void RecentCounts::Advance(
    const std::vector<std::shared_ptr<MethodRuntime>>& methods,
    core::Time now) {
  core::MutexLock lock(&mu_);
  const bool is_first = !first_;
  if (is_first) first_ = last_ = now;
  for (const auto& method : methods) {
    History& history = methods_[method.get()];
    // The method is new since the last look, so all of its counts are too.
    if (history.looks.empty() && !is_first) {
      history.looks.push_back({last_, {}});
    }
    history.looks.push_back({now, Read(*method)});
    if (history.looks.size() > 1) {
      const Look& before = history.looks[history.looks.size() - 2];
      const Counts step =
          Difference(history.looks.back().counts, before.counts);
      if (step.with_status() > 0) {
        if (!IsFailing(step)) {
          history.failing_since.reset();
        } else if (!history.failing_since) {
          history.failing_since = before.at;
        }
      }
    }
    if (history.looks.size() > kLooks) history.looks.pop_front();
  }
  last_ = now;
}

void RecentCounts::AdvanceIfOlder(
    core::Duration age,
    const std::vector<std::shared_ptr<MethodRuntime>>& methods,
    core::Time now) {
  {
    core::MutexLock lock(&mu_);
    if (first_ && now - last_ < age) return;
  }
  Advance(methods, now);
}

RecentCounts::Reading RecentCounts::Of(const MethodRuntime& runtime,
                                       core::Time now) const {
  Reading reading;
  {
    core::MutexLock lock(&mu_);
    const auto found = methods_.find(&runtime);
    if (found != methods_.end()) {
      const auto& looks = found->second.looks;
      reading.looks_.assign(looks.begin(), looks.end());
    } else {
      reading.looks_.push_back({first_ ? last_ : core::Time(), {}});
    }
  }
  reading.now_ = {now, Read(runtime)};
  return reading;
}

RecentCounts::Counts RecentCounts::All(const MethodRuntime& runtime) const {
  Counts first;
  {
    core::MutexLock lock(&mu_);
    const auto found = methods_.find(&runtime);
    if (found != methods_.end()) first = found->second.looks.front().counts;
  }
  return Difference(Read(runtime), first);
}

std::vector<RecentCounts::Counts> RecentCounts::Reading::Steps() const {
  std::vector<Counts> steps;
  for (std::size_t i = 1; i < looks_.size(); ++i) {
    steps.push_back(Difference(looks_[i].counts, looks_[i - 1].counts));
  }
  steps.push_back(Difference(now_.counts, looks_.back().counts));
  return steps;
}

RecentCounts::Span RecentCounts::Reading::LastCalls(core::Duration least,
                                                    int64_t calls) const {
  Span span;
  for (auto look = looks_.rbegin(); look != looks_.rend(); ++look) {
    if (look != looks_.rbegin() && now_.at - look->at > kOldest) break;
    span = {Difference(now_.counts, look->counts), now_.at - look->at};
    if (span.length >= least && span.counts.with_status() >= calls) break;
  }
  return span;
}

absl::optional<core::Time> RecentCounts::failing_since(
    const MethodRuntime& runtime, core::Time now) const {
  const Counts counts = Read(runtime);
  core::MutexLock lock(&mu_);
  const auto found = methods_.find(&runtime);
  const Counts step =
      found == methods_.end()
          ? counts
          : Difference(counts, found->second.looks.back().counts);
  const auto before = found == methods_.end() ? absl::optional<core::Time>()
                                              : found->second.failing_since;
  if (step.with_status() == 0) return before;
  if (!IsFailing(step)) return absl::nullopt;
  return before ? before : first_ ? absl::make_optional(last_) : now;
}

}  // namespace firebreak::engine
