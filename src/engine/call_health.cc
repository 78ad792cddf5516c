#include "src/engine/call_health.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "src/core/base/duration.h"
#include "src/core/measure/call_ages.h"
#include "src/core/measure/histogram.h"

namespace firebreak::engine {
namespace {

constexpr core::Duration kLeastHang = std::chrono::seconds(5);
constexpr core::Duration kUnknownHang = std::chrono::seconds(10);
constexpr core::Duration kSureHang = std::chrono::seconds(30);
constexpr double kTimesP99 = 3;
constexpr double kMuchSlower = 10;
constexpr core::Duration kLeastSlow = std::chrono::milliseconds(50);
// An outage should be seen within ten seconds. What is compared with it by then
// must not include calls from before it.
constexpr core::Duration kMeanwhile = std::chrono::seconds(4);
constexpr core::Duration kJudged = std::chrono::seconds(9);
constexpr core::Duration kMinute = std::chrono::seconds(50);
// Without a call in this time the method is idle.
constexpr core::Duration kIdle = std::chrono::seconds(9);

}  // namespace

Hang HangOf(const MethodRuntime& runtime, core::Time now) {
  const core::Histogram& successes = runtime.stats.latency();
  Hang hang;
  hang.is_sure = successes.count() >= core::LatencyModel::kFew;
  hang.limit = hang.is_sure
                   ? std::max(kLeastHang,
                              core::Scale(successes.Quantile(0.99), kTimesP99))
                   : kUnknownHang;
  const core::CallAges::Look look = runtime.stats.ages.LookAt(now, hang.limit);
  hang.calls = look.older;
  hang.is_at_least = look.older > 0 && look.unknown > 0;
  hang.oldest = look.oldest;
  if (look.oldest && now - *look.oldest >= kSureHang) hang.is_sure = true;
  return hang;
}

CallErrors ErrorsOf(const RecentCounts::Counts& counts,
                    const core::MethodOptions& options) {
  const core::BlameRules blame = options.blame();
  CallErrors errors;
  for (std::size_t i = 0; i < counts.codes.size(); ++i) {
    const auto code = static_cast<absl::StatusCode>(i);
    if (blame.ignored.Contains(code)) continue;
    errors.calls += counts.codes[i];
    if (i == 0) continue;
    errors.not_ok += counts.codes[i];
    if (core::IsBroken(code) || blame.failures.Contains(code)) {
      errors.errors += counts.codes[i];
    }
  }
  // No server is to blame for these errors. Most of them ended a call.
  const int64_t own = std::min(errors.errors, counts.own_faults);
  errors.errors -= own;
  return errors;
}

bool Speed::is_much_slower() const {
  return current >= kLeastSlow && current >= core::Scale(usual, kMuchSlower);
}

absl::optional<Speed> SpeedOf(MethodRuntime* runtime, core::Time now) {
  core::LatencyModel& model = runtime->latency;
  if (model.samples(now) < core::LatencyModel::kFew) return absl::nullopt;
  const absl::optional<core::Duration> lately = model.MedianLately(now);
  const absl::optional<core::Duration> current =
      lately ? lately : model.Quantile(0.5, now);
  absl::optional<core::Duration> usual = model.Baseline(now);
  const core::Histogram& all = runtime->stats.latency();
  if (!usual && all.count() >= core::LatencyModel::kMany) {
    usual = all.Quantile(0.5);
  }
  if (!current || !usual) return absl::nullopt;
  return Speed{*current, lately.has_value(), *usual};
}

RecentCalls RecentOf(MethodRuntime* runtime, const MethodSettings& settings,
                     const RecentCounts* counts, core::Time now) {
  RecentCalls out;
  core::RecentAttempts& recent = out.attempts;
  if (core::Throttle* const throttle = settings.admission.throttle()) {
    recent.throttled_share = throttle->snapshot(now).rejection_probability;
  }
  const absl::optional<Speed> speed = SpeedOf(runtime, now);
  recent.much_slower = speed && speed->is_much_slower();
  out.hang = HangOf(*runtime, now);
  if (counts == nullptr) return out;
  out.counts = counts->Of(*runtime, now);
  out.judged = out.counts.LastCalls(kJudged, core::kEnoughCalls);
  recent.attempts = out.judged.counts.attempts;
  recent.failures = out.judged.counts.bad_attempts;
  const CallErrors errors = ErrorsOf(out.judged.counts, *settings.options);
  // For the caller, a call that a breaker refuses has failed as well.
  recent.calls = errors.calls + out.judged.counts.refused;
  recent.errors = errors.errors + out.judged.counts.refused;
  const CallErrors minute =
      ErrorsOf(out.counts.Last(kMinute).counts, *settings.options);
  recent.none_is_ok = minute.calls >= core::kEnoughWithoutOk &&
                      static_cast<double>(minute.not_ok) >=
                          core::kNearlyAll * static_cast<double>(minute.calls);
  recent.hanging = out.hang.calls;
  recent.hang_is_sure = out.hang.is_sure;
  if (out.hang.calls > 0) {
    recent.answered = out.counts.Last(kMeanwhile).counts.with_status();
  }
  const RecentCounts::Span idle = out.counts.Last(kIdle);
  recent.is_idle = idle.length >= kIdle && idle.counts.started == 0;
  return out;
}

}  // namespace firebreak::engine
