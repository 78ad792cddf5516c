#include "src/engine/policy/lint_rules.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::engine {
namespace {

using core::Duration;
using core::FormatDuration;
using core::ToSeconds;

constexpr Duration kZero = Duration::zero();
// 1 - 0.9 is a little less than 0.1.
constexpr double kRounding = 1e-9;

// Returns the mean wait before retry n (1, 2, ...).
Duration UsualBackoff(const core::BackoffOptions& backoff, int retry) {
  const Duration cap = std::min(
      core::Scale(backoff.initial, std::pow(backoff.multiplier, retry - 1)),
      backoff.max);
  switch (backoff.jitter) {
    case core::BackoffOptions::Jitter::kFull:
      return core::Scale(cap, 0.5);
    case core::BackoffOptions::Jitter::kEqual:
      return core::Scale(cap, 0.75);
    case core::BackoffOptions::Jitter::kPlusMinus:
    case core::BackoffOptions::Jitter::kNone:
      break;
  }
  return cap;
}

class Judge {
 public:
  Judge(const core::MethodOptions& options, std::vector<LintFinding>* findings)
      : options_(options), findings_(findings) {}

  void Faults() {
    if (!options_.fault) return;
    if (!options_.fault->DoesAnything()) {
      Add("has a fault that injects nothing",
          "say which: latency, hang, drop_reply, cut_after_messages or codes");
      return;
    }
    Add(absl::StrCat("injects faults into ", options_.fault->share * 100,
                     "% of its attempts"),
        "keep that to staging");
  }

  void Hedging() {
    if (!options_.hedging) return;
    if (!options_.idempotent.value_or(true)) {
      Add("is hedged, and says idempotent: false, so no hedge is ever sent",
          "take the hedging out; or say idempotent: true, if the method may "
          "run twice");
      return;
    }
    const core::HedgingOptions& hedging = *options_.hedging;
    const Duration soonest =
        hedging.quantile == 0 ? hedging.delay : hedging.min_delay;
    const Duration bound = options_.attempt_timeout(0);
    if (bound > kZero && soonest >= bound) {
      Add(absl::StrCat("is hedged after ", FormatDuration(soonest),
                       ", and by then attempt_timeout has ended the attempt, "
                       "so no hedge is ever sent"),
          absl::StrCat("say a delay under ", FormatDuration(bound),
                       ", or a longer attempt_timeout"));
    }
    // With retries, a further attempt has another use than hedging.
    if (hedging.quantile != 0 || options_.retry || options_.timeout == kZero ||
        hedging.delay == kZero) {
      return;
    }
    const int in_time = 1 + static_cast<int>((options_.timeout.count() - 1) /
                                             hedging.delay.count());
    if (in_time >= hedging.max_attempts) return;
    Add(absl::StrCat("is hedged every ", FormatDuration(hedging.delay),
                     ", so attempt ", in_time + 1,
                     " would begin when its timeout of ",
                     FormatDuration(options_.timeout), " is over"),
        absl::StrCat("say hedging.max_attempts: ", in_time,
                     ", or a shorter delay"));
  }

  void AttemptTimeout() {
    const Duration bound = options_.attempt_timeout(0);
    if (bound == kZero) return;
    if (options_.timeout > kZero && bound >= options_.timeout) {
      Add(absl::StrCat("has an attempt_timeout of ", FormatDuration(bound),
                       ", which its timeout of ",
                       FormatDuration(options_.timeout),
                       " never lets come about"),
          "say a shorter attempt_timeout, or none");
    }
    if (!options_.IsRetryable(absl::StatusCode::kDeadlineExceeded)) {
      Add("has an attempt_timeout, and an attempt that it ends is not sent "
          "again, since that is DEADLINE_EXCEEDED, which retry.codes has not",
          "add DEADLINE_EXCEEDED to retry.codes, if the method may run twice; "
          "or say timeout in place of attempt_timeout");
    }
  }

  // The last attempt must be able to begin, even if attempt_timeout ends those
  // before it.
  void Retries() {
    if (!options_.retry || options_.hedging || options_.timeout == kZero) {
      return;
    }
    const core::RetryOptions& retry = *options_.retry;
    const bool may_hang =
        options_.IsRetryable(absl::StatusCode::kDeadlineExceeded);
    double begins = 0;  // in seconds, since sums of Durations overflow
    for (int n = 1; n < retry.max_attempts; ++n) {
      if (may_hang) begins += ToSeconds(options_.attempt_timeout(n - 1));
      begins += ToSeconds(UsualBackoff(retry.backoff, n));
      if (begins + kRounding < ToSeconds(options_.timeout)) continue;
      const bool hangs = may_hang && options_.attempt_timeout(0) > kZero;
      Add(absl::StrCat("has a timeout of ", FormatDuration(options_.timeout),
                       ", and attempt ", n + 1, " of ", retry.max_attempts,
                       " would as a rule begin ", begins, "s after the call",
                       hangs ? ", when those before it hang" : ""),
          n > 1 ? absl::StrCat("say max_attempts: ", n,
                               ", or shorter times, or a longer timeout")
                : "say shorter times, or a longer timeout");
      return;
    }
  }

  void Breaker() {
    if (!options_.breaker) return;
    const core::BreakerOptions& breaker = *options_.breaker;
    const Duration cut = LongestAttempt();
    if (breaker.HasSlowRule() && breaker.slow_call_duration >= cut) {
      Add(absl::StrCat("calls slow what takes ",
                       FormatDuration(breaker.slow_call_duration),
                       ", and ends every attempt after ", FormatDuration(cut),
                       ", so none is ever slow"),
          absl::StrCat("say a slow_call_duration under ", FormatDuration(cut)));
    }
    if (breaker.leaky_slow_calls > 0 && breaker.slow_call_duration == kZero) {
      Add("has leaky_slow_calls and no slow_call_duration, so no call is slow",
          "say slow_call_duration");
    }
    const Duration probe = std::min(breaker.probe_timeout, cut);
    if (breaker.half_open_duration > kZero &&
        probe > breaker.half_open_duration) {
      Add(absl::StrCat("decides after half_open_duration, ",
                       FormatDuration(breaker.half_open_duration),
                       ", but only when no probe is under way, and a probe may "
                       "take ",
                       FormatDuration(probe)),
          absl::StrCat("say a probe_timeout under ",
                       FormatDuration(breaker.half_open_duration),
                       ", or a longer half_open_duration"));
    }
    if (breaker.HasCanaries() && breaker.HasOwnOpenTime()) {
      Add(absl::StrCat("is looked at each ",
                       FormatDuration(breaker.probe_interval),
                       " while its breaker is open, so the breaker does not "
                       "stay open for an open_duration"),
          "take out open_duration and how it grows, or what sets the "
          "probe_interval");
    }
    MinimumCalls(breaker);
  }

  // A call that never ends is not a failure, so it opens no breaker.
  void Hangs() {
    const auto& breaker = options_.breaker;
    const bool has_breaker = core::IsOn(breaker);
    if (!has_breaker && !options_.retry) return;
    if (LongestAttempt() < core::kInfiniteDuration) return;
    if (has_breaker && breaker->HasSlowRule() &&
        breaker->slow_call_duration > kZero && breaker->leaky_slow_calls > 0) {
      return;
    }
    Add(absl::StrCat(
            "has ", has_breaker ? "a breaker" : "retries",
            ", and no timeout: where callers set no deadline, calls to "
            "a server that hangs never end, and are no failures"),
        has_breaker
            ? "say timeout; or slow_call_duration and leaky_slow_calls, "
              "which find such calls while they are in flight"
            : "say timeout, or retry.attempt_timeout");
  }

  void Waits(const core::AdmissionOptions& admission) {
    if (options_.timeout == kZero) return;
    if (admission.bulkhead && admission.bulkhead->max_queue > 0) {
      Wait("bulkhead", admission.bulkhead->max_wait);
    }
    if (admission.rate_limit) {
      Wait("rate_limit", admission.rate_limit->max_wait);
    }
  }

  void Budget(const core::BudgetOptions& budget) {
    const bool may_hedge =
        options_.hedging && options_.idempotent.value_or(true);
    if (!options_.retry && !may_hedge) return;
    if (budget.ratio == 0 && budget.floor == 0) {
      Add(absl::StrCat("is sent again from a budget that nothing is paid into: "
                       "after the first ",
                       budget.burst, " times never again"),
          "say a budget.ratio, 0.1 for example, or a budget.floor");
    }
    if (!may_hedge) return;
    if (options_.hedging->quantile != 0) {
      HedgesPaidFor(
          budget, 1 - options_.hedging->quantile,
          absl::StrCat("hedging.quantile: ", 1 - budget.ratio, " or more"));
    } else if (options_.hedging->delay == kZero) {
      HedgesPaidFor(budget, options_.hedging->max_attempts - 1,
                    "a hedging.delay");
    }
  }

 private:
  void Add(std::string problem, std::string fix) {
    findings_->push_back(Warning(std::move(problem), std::move(fix)));
  }

  // Returns the time after which no attempt of a call is in flight; infinite if
  // nothing ends an attempt.
  Duration LongestAttempt() const {
    const Duration bound =
        options_.attempt_timeout(options_.max_attempts() - 1);
    return std::min(
        options_.timeout > kZero ? options_.timeout : core::kInfiniteDuration,
        bound > kZero ? bound : core::kInfiniteDuration);
  }

  void MinimumCalls(const core::BreakerOptions& breaker) {
    if (!NeedsMinimumCalls(breaker) || !options_.admission.rate_limit) return;
    const core::RateLimitOptions& limit = *options_.admission.rate_limit;
    const double most =
        (limit.rate * ToSeconds(breaker.window.duration) + limit.tokens()) *
        options_.max_attempts();
    if (most >= breaker.minimum_calls) return;
    Add(absl::StrCat("has a breaker that judges from ", breaker.minimum_calls,
                     " calls in ", FormatDuration(breaker.window.duration),
                     " on, and a rate_limit that lets no more than ", most,
                     " of them through, so it never opens"),
        "say a lower minimum_calls, a longer window, or confidence: 0.99");
  }

  void Wait(absl::string_view part, Duration wait) {
    if (wait < options_.timeout) return;
    Add(absl::StrCat("may wait for ", FormatDuration(wait), " in ", part,
                     ", and has a timeout of ",
                     FormatDuration(options_.timeout)),
        absl::StrCat("say a ", part,
                     ".max_wait that leaves time for the call"));
  }

  void HedgesPaidFor(const core::BudgetOptions& budget, double wanted,
                     absl::string_view other_way) {
    if (wanted <= budget.ratio + kRounding) return;
    const std::string how =
        options_.hedging->quantile != 0
            ? absl::StrCat("at the ", options_.hedging->quantile, " quantile")
            : "at once";
    Add(absl::StrCat("is hedged ", how, ", so each call wants ", wanted,
                     " hedges, and brings ", budget.ratio,
                     " tokens to pay for them"),
        wanted <= 1
            ? absl::StrCat("say ", other_way, ", or a budget.ratio of ", wanted)
            : absl::StrCat("say ", other_way));
  }

  const core::MethodOptions& options_;
  std::vector<LintFinding>* const findings_;
};

}  // namespace

std::string OnChannel(absl::string_view channel) {
  return channel.empty() ? "" : absl::StrCat(" on channel \"", channel, "\"");
}

std::string CallsOf(absl::string_view channel, absl::string_view service,
                    absl::string_view method) {
  return absl::StrCat(
      service.empty()  ? std::string("every method without a better entry")
      : method.empty() ? absl::StrCat("every method of ", service)
                       : absl::StrCat("/", service, "/", method),
      OnChannel(channel));
}

std::string PlaceOf(absl::string_view channel, absl::string_view service,
                    absl::string_view method,
                    const core::MethodOptions& options) {
  return absl::StrCat(options.policy, ": ", CallsOf(channel, service, method));
}

LintFinding Warning(std::string problem, std::string fix) {
  LintFinding finding;
  finding.problem = std::move(problem);
  finding.fix = std::move(fix);
  return finding;
}

bool NeedsMinimumCalls(const core::BreakerOptions& breaker) {
  const bool counts = breaker.consecutive_failures > 0 ||
                      breaker.leaky_failures > 0 ||
                      (breaker.HasSlowRule() && breaker.leaky_slow_calls > 0);
  return !counts && breaker.confidence.value_or(0) == 0 &&
         breaker.window.kind == core::WindowOptions::Kind::kTime &&
         breaker.mode != core::BreakerOptions::Mode::kDisabled;
}

void JudgeNumbers(const core::MethodOptions& options,
                  std::vector<LintFinding>* findings) {
  Judge judge(options, findings);
  judge.Hedging();
  judge.AttemptTimeout();
  judge.Retries();
  judge.Breaker();
  judge.Hangs();
  judge.Waits(options.admission);
  judge.Faults();
}

void JudgeShared(const core::MethodOptions& options,
                 const core::AdmissionOptions& of_channel,
                 const core::BudgetOptions& budget,
                 std::vector<LintFinding>* findings) {
  Judge judge(options, findings);
  core::AdmissionOptions shared;  // what the entry does not have itself
  if (!options.admission.bulkhead && !options.admission.no_bulkhead) {
    shared.bulkhead = of_channel.bulkhead;
  }
  if (!options.admission.rate_limit && !options.admission.no_rate_limit) {
    shared.rate_limit = of_channel.rate_limit;
  }
  judge.Waits(shared);
  judge.Budget(budget);
}

}  // namespace firebreak::engine
