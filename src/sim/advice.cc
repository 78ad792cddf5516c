#include "src/sim/advice.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/core/base/duration.h"
#include "src/core/base/outcome.h"

namespace firebreak::sim {
namespace {

using core::MethodOptions;
using Field = Suggestion::Field;

constexpr size_t kEnoughForP999 = 10'000;
constexpr double kHedgeAfter = 0.95;
constexpr double kTailWorthIt = 2.5;
constexpr double kFewFail = 0.001;
// Retries only help against failures that do not follow each other.
constexpr double kMostTogether = 0.5;
constexpr double kChance = 1e-6;
// In a recording of a minute, the first call begins a little after its start,
// and the last one that ended began before its end.
constexpr Duration kEdges = std::chrono::seconds(3);
// A present value within this share of a suggestion is as good.
constexpr double kCloseEnough = 0.25;

// Rounded to the microsecond: further digits mean nothing.
std::string Text(Duration d) {
  if (d >= std::chrono::milliseconds(10)) {
    return core::FormatDuration(
        std::chrono::round<std::chrono::milliseconds>(d));
  }
  return core::FormatDuration(std::chrono::round<std::chrono::microseconds>(d));
}

// Two digits, or all digits of a larger number: never "1e+03".
std::string Figure(double value) {
  return value < 99.5 ? absl::StrFormat("%.2g", value)
                      : absl::StrFormat("%.0f", value);
}

std::string Percent(double share) { return Figure(share * 100) + "%"; }

bool IsClose(Duration a, Duration b) {
  return std::abs(core::ToSeconds(a) - core::ToSeconds(b)) <=
         kCloseEnough * core::ToSeconds(b);
}

Suggestion Timeout(const Facts& facts, const MethodOptions& now) {
  Suggestion s;
  s.field = Field::kTimeout;
  const bool knows_p999 = facts.latencies.size() >= kEnoughForP999;
  const Duration tail = facts.Quantile(knows_p999 ? 0.999 : 0.99);
  s.duration = RoundUpNicely(core::Scale(tail, knows_p999 ? 1.25 : 2));
  const std::string seen =
      absl::StrCat(knows_p999 ? "p99.9" : "p99", " is ", Text(tail));
  if (facts.at_deadline > 0.01) {
    s.reason = absl::StrCat(
        Percent(facts.at_deadline), " of calls ended at a deadline, and how ",
        "long they would have taken is not known; record them with a longer ",
        "one first");
    return s;
  }
  if (now.timeout > Duration::zero() && IsClose(now.timeout, s.duration)) {
    s.reason = absl::StrCat(seen, ": the present ", Text(now.timeout), " fits");
    return s;
  }
  s.is_proposed = true;
  s.reason = absl::StrCat(
      seen, "; a timeout of ", Text(s.duration), " costs ",
      Percent(facts.Beyond(s.duration)), " of calls, and a call to a server ",
      "that hangs ends then, and ",
      now.timeout > Duration::zero()
          ? absl::StrFormat("not after %s", Text(now.timeout))
          : std::string("not only at its caller's own deadline"));
  return s;
}

// The p99 with a second attempt after `delay`, if the two are independent.
Duration HedgedP99(const Facts& facts, Duration delay) {
  Duration low = Duration::zero();
  Duration high = facts.latencies.back();
  while (high - low > std::chrono::microseconds(10)) {
    const Duration middle = low + (high - low) / 2;
    const double later = middle > delay ? facts.Beyond(middle - delay) : 1.0;
    (facts.Beyond(middle) * later > 0.01 ? low : high) = middle;
  }
  return high;
}

Suggestion Hedge(const Facts& facts, const MethodOptions& now) {
  Suggestion s;
  s.field = Field::kHedgeQuantile;
  s.number = kHedgeAfter;
  const Duration p95 = facts.Quantile(kHedgeAfter);
  const Duration p99 = facts.Quantile(0.99);
  const std::string seen =
      absl::StrCat("p95 is ", Text(p95), " and p99 ", Text(p99));
  if (core::ToSeconds(p99) < kTailWorthIt * core::ToSeconds(p95)) {
    s.reason = seen +
               ": the tail is too short for hedges to be worth 5% more "
               "load";
  } else if (now.hedging && now.hedging->quantile > 0) {
    s.reason = absl::StrFormat("%s: the present quantile %g is kept", seen,
                               now.hedging->quantile);
  } else if (!now.idempotent.value_or(false)) {
    s.reason =
        absl::StrCat(seen, ": a hedge after p95 would bring p99 to about ",
                     Text(HedgedP99(facts, p95)),
                     " for 5% more load, if calls may run twice; the "
                     "policy does not say idempotent: true");
  } else {
    s.is_proposed = true;
    s.duration = RoundUpNicely(p99);  // its max_delay
    s.reason = absl::StrCat(seen, ": a hedge after p95 brings p99 to about ",
                            Text(HedgedP99(facts, p95)), " for 5% more load");
  }
  return s;
}

Suggestion Retry(const Facts& facts, const MethodOptions& now) {
  Suggestion s;
  s.field = Field::kMaxAttempts;
  const double f = facts.unavailable;
  if (f <= kFewFail / 10) {
    s.reason = absl::StrCat(Percent(f),
                            " of calls are UNAVAILABLE: there is "
                            "hardly anything to retry");
    return s;
  }
  if (facts.together > kMostTogether) {
    s.reason = absl::StrCat(
        Percent(facts.together), " of failures come right after another: ",
        "retries meet the same trouble, which is what a breaker is for");
    return s;
  }
  if (now.idempotent.has_value() && !*now.idempotent) {
    s.reason = "the policy says that calls may not run twice";
    return s;
  }
  // A retry follows soon after the failure, so it fails as often as the call
  // after a failure.
  const double again = std::max(f, facts.together);
  s.number = f * again <= kFewFail ? 2 : 3;
  const double left = f * std::pow(again, s.number - 1);
  const std::string seen = absl::StrFormat(
      "%s of calls are UNAVAILABLE, and after one %s; with %d "
      "attempts %s are left",
      Percent(f), Percent(facts.together), static_cast<int>(s.number),
      Percent(left));
  if (now.retry && now.max_attempts() >= s.number) {
    s.reason = absl::StrCat(seen, ": the present ", now.max_attempts(),
                            " attempts do");
    return s;
  }
  s.is_proposed = true;
  s.reason = seen;
  return s;
}

Suggestion Slow(const Facts& facts, const MethodOptions& now,
                Duration timeout) {
  Suggestion s;
  s.field = Field::kSlowCallDuration;
  const Duration p99 = facts.Quantile(0.99);
  s.duration = RoundUpNicely(core::Scale(p99, 2));
  const std::string seen = absl::StrCat("p99 is ", Text(p99), "; ",
                                        Percent(facts.Beyond(s.duration)),
                                        " take longer than ", Text(s.duration));
  if (timeout > Duration::zero() &&
      core::ToSeconds(s.duration) > 0.7 * core::ToSeconds(timeout)) {
    s.reason = absl::StrCat("twice p99 is ", Text(core::Scale(p99, 2)),
                            ": the timeout of ", Text(timeout),
                            " ends calls before they are much slower");
  } else if (now.breaker &&
             IsClose(now.breaker->slow_call_duration, s.duration)) {
    s.reason = absl::StrCat(seen, ": the present value fits");
  } else {
    s.is_proposed = true;
    s.reason = absl::StrCat(seen, ": a server that answers half of its calls ",
                            "so late is as good as down");
  }
  return s;
}

// The probability that of n calls `least` or more fail, each with probability
// f.
double Tail(int n, double f, int least) {
  if (f <= 0) return least <= 0 ? 1 : 0;
  double sum = 0;
  for (int k = least; k <= n; ++k) {
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) -
                    std::lgamma(n - k + 1) + k * std::log(f) +
                    (n - k) * std::log1p(-std::min(f, 1 - 1e-12)));
  }
  return sum;
}

Suggestion Minimum(const Facts& facts, const MethodOptions& now) {
  Suggestion s;
  s.field = Field::kMinimumCalls;
  const core::BreakerOptions breaker =
      now.breaker.value_or(core::BreakerOptions{});
  const double window =
      breaker.window.kind == core::WindowOptions::Kind::kTime
          ? facts.per_second * core::ToSeconds(breaker.window.duration)
          : breaker.window.calls;
  const auto chance = [&](int n) {
    return Tail(n, facts.failing,
                static_cast<int>(std::ceil(breaker.failure_rate * n)));
  };
  constexpr int kFewest = 5;
  constexpr int kMost = 1000;
  int n = kFewest;
  while (n < kMost && chance(n) > kChance) ++n;
  const std::string traffic =
      absl::StrFormat("%s calls come in a window, and %s of calls fail",
                      Figure(window), Percent(facts.failing));
  if (breaker.failure_rate <= 0) {
    s.reason = "the policy has no failure rate";
  } else if (n == kMost) {
    s.reason = absl::StrCat(traffic,
                            ": that is too near the limit for any "
                            "number of calls to tell");
  } else if (n > window / 2) {
    s.reason = absl::StrCat(traffic, ": ", n,
                            " calls would be needed to tell, "
                            "and hardly ever come; consecutive_failures has "
                            "to do");
  } else if (n <= breaker.minimum_calls &&
             breaker.minimum_calls <= window / 2) {
    s.reason = absl::StrCat(traffic, ": the present ", breaker.minimum_calls,
                            " are enough, and there in time");
  } else {
    s.is_proposed = true;
    s.number = n;
    s.reason = absl::StrFormat(
        "%s; with %d calls, chance alone reaches the limit of %s in %.1g of "
        "windows",
        traffic, n, Percent(breaker.failure_rate), chance(n));
  }
  return s;
}

Suggestion Bulkhead(const Facts& facts, const MethodOptions& now,
                    Duration timeout) {
  Suggestion s;
  s.field = Field::kMaxConcurrent;
  const double most = static_cast<double>(facts.most_at_once);
  s.number = std::max(2.0, 2 * most);
  // The calls in flight to a server that hangs.
  const double hung = facts.per_second * core::ToSeconds(timeout);
  const std::string seen = absl::StrFormat(
      "at most %d calls were under way at once, and %s on average",
      facts.most_at_once, Figure(facts.mean_at_once));
  const auto& present = now.admission.bulkhead;
  if (present && present->max_concurrent >= s.number &&
      present->max_concurrent <= 2 * s.number) {
    s.reason =
        absl::StrCat(seen, ": the present ", present->max_concurrent, " fits");
  } else if (timeout > Duration::zero() && hung <= s.number) {
    s.reason = absl::StrFormat(
        "%s; with the timeout, a server that hangs keeps %s: twice the most "
        "would never be reached",
        seen, Figure(hung));
  } else {
    s.is_proposed = true;
    s.reason = seen + "; a server that hangs keeps " +
               (timeout > Duration::zero() ? Figure(hung) : "all of them");
  }
  return s;
}

}  // namespace

Duration Facts::Quantile(double q) const {
  const auto n = static_cast<double>(latencies.size());
  const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(q * n)));
  return latencies[std::min(rank, latencies.size()) - 1];
}

double Facts::Beyond(Duration limit) const {
  const auto first =
      std::upper_bound(latencies.begin(), latencies.end(), limit);
  return static_cast<double>(latencies.end() - first) /
         static_cast<double>(latencies.size());
}

absl::StatusOr<Facts> FactsOf(const Recording& recording) {
  Facts facts;
  int64_t failures = 0;
  int64_t unavailable = 0;
  int64_t at_deadline = 0;
  int64_t together = 0;
  bool failed_before = false;
  double busy_seconds = 0;
  std::vector<Duration> ends;
  for (const Recording::Call& call : recording.calls) {
    if (call.code == absl::StatusCode::kCancelled) continue;
    ++facts.calls;
    busy_seconds += core::ToSeconds(call.latency);
    // At least a nanosecond, so that no call ends before it begins.
    ends.push_back(call.at + std::max(call.latency, Duration(1)));
    if (call.code == absl::StatusCode::kOk) {
      facts.latencies.push_back(call.latency);
    }
    const bool failed = core::kDefaultFailureCodes.Contains(call.code);
    if (failed) ++failures;
    if (failed && failed_before) ++together;
    failed_before = failed;
    if (call.code == absl::StatusCode::kUnavailable) ++unavailable;
    if (call.code == absl::StatusCode::kDeadlineExceeded) ++at_deadline;
  }
  if (!recording.calls.empty()) {
    facts.span = recording.calls.back().at - recording.calls.front().at;
  }
  const auto successes = static_cast<int64_t>(facts.latencies.size());
  if (successes < kEnoughSuccesses || facts.span < kEnoughTime - kEdges) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "too little to advise on: %d successes in %.0f s; it takes %d in %s or "
        "more",
        successes, core::ToSeconds(facts.span), kEnoughSuccesses,
        core::FormatDuration(kEnoughTime)));
  }
  std::sort(facts.latencies.begin(), facts.latencies.end());
  const auto calls = static_cast<double>(facts.calls);
  const double seconds = core::ToSeconds(facts.span);
  facts.per_second = calls / seconds;
  facts.failing = static_cast<double>(failures) / calls;
  facts.unavailable = static_cast<double>(unavailable) / calls;
  facts.at_deadline = static_cast<double>(at_deadline) / calls;
  facts.together = failures == 0 ? 0
                                 : static_cast<double>(together) /
                                       static_cast<double>(failures);
  facts.mean_at_once = busy_seconds / seconds;
  // The starts are in order already; the ends have to be sorted.
  std::sort(ends.begin(), ends.end());
  auto ended = ends.begin();
  int64_t under_way = 0;
  for (const Recording::Call& call : recording.calls) {
    if (call.code == absl::StatusCode::kCancelled) continue;
    for (; ended != ends.end() && *ended <= call.at; ++ended) --under_way;
    facts.most_at_once = std::max(facts.most_at_once, ++under_way);
  }
  return facts;
}

absl::string_view FieldName(Suggestion::Field field) {
  switch (field) {
    case Field::kTimeout:
      return "timeout";
    case Field::kHedgeQuantile:
      return "hedging.quantile";
    case Field::kMaxAttempts:
      return "retry.max_attempts";
    case Field::kSlowCallDuration:
      return "breaker.slow_call_duration";
    case Field::kMinimumCalls:
      return "breaker.minimum_calls";
    case Field::kMaxConcurrent:
      return "bulkhead.max_concurrent";
  }
  return "";
}

std::vector<Suggestion> Suggest(const Facts& facts, const MethodOptions& now) {
  const Suggestion timeout = Timeout(facts, now);
  const Duration then = timeout.is_proposed ? timeout.duration : now.timeout;
  return {timeout,
          Hedge(facts, now),
          Retry(facts, now),
          Slow(facts, now, then),
          Minimum(facts, now),
          Bulkhead(facts, now, then)};
}

Duration RoundUpNicely(Duration least) {
  double power = 1e6;  // a millisecond
  const auto wanted = static_cast<double>(least.count());
  for (;; power *= 10) {
    for (const double factor :
         {1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0}) {
      const double value = factor * power;
      // People do not write fractions of a millisecond.
      const bool is_whole = std::fmod(value, 1e6) == 0;
      if (is_whole && value >= wanted) {
        return Duration(static_cast<Duration::rep>(value));
      }
    }
  }
}

}  // namespace firebreak::sim
