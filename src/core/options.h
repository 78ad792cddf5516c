// Options of one method: what the policy says about it, in the core's types.
//
//   MethodOptions options;
//   options.breaker = BreakerOptions{};              // the defaults below
//   options.retry = RetryOptions{};
//   absl::Status valid = options.Validate();         // names every bad field
//
// A part that is absent is off. Options are plain data and may be copied; the
// engine shares one immutable copy per method. Each default says where the
// number comes from. `docs/policy.md` is the manual for people who write
// policies.
#ifndef FIREBREAK_SRC_CORE_OPTIONS_H_
#define FIREBREAK_SRC_CORE_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/duration.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// One field with a wrong value. `field` is a dotted path
// ("breaker.failure_rate"); `problem` names the value and the allowed range.
struct FieldError {
  std::string field;
  std::string problem;
};
using FieldErrors = std::vector<FieldError>;

// The results that the rates of a breaker are judged on.
struct WindowOptions {
  enum class Kind { kCalls, kTime };
  Kind kind = Kind::kTime;
  // The last `calls` results. [1, 10'000].
  int calls = 100;
  // The results of the last `duration`, in ten buckets. [100ms, 1h]. 30 s as in
  // Polly and Finagle: long enough for little traffic, and short enough to
  // forget old trouble.
  Duration duration = std::chrono::seconds(30);

  // True if both windows cover the same results.
  friend bool operator==(const WindowOptions& a, const WindowOptions& b) {
    return a.kind == b.kind &&
           (a.kind == Kind::kCalls ? a.calls == b.calls
                                   : a.duration == b.duration);
  }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// After probes have succeeded, admits a share of the calls that grows evenly
// from `initial` to 1 over `duration`, so that a target that has just recovered
// does not get all calls at once.
struct RampOptions {
  double initial = 0.1;  // (0, 1]. Envoy's slow start: 10 %
  // [0, 1h], 0 = off. Absent: half a second after an outage of ten or more,
  // after which connections, caches and threads of a server may be cold; else
  // none. No longer, since who comes back is to be back.
  absl::optional<Duration> duration;

  bool IsOn() const { return !duration || *duration > Duration::zero(); }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// The breaker opens when any of its rules holds; see trip_rules.h.
struct BreakerOptions {
  enum class Mode {
    kEnforce,
    // Goes through the states as if it refused calls, and refuses none: for
    // trying out numbers.
    kShadow,
    kDisabled,  // as if there were no breaker, but an operator can force it
  };
  enum class Scope {
    kMethod,
    kChannel,  // one per target, for all methods of the channel that say so
  };
  Mode mode = Mode::kEnforce;
  Scope scope = Scope::kMethod;

  // Failures in a row. [0, 1'000'000], 0 = rule off. 5 as in Finagle, Envoy.
  int consecutive_failures = 5;
  // The limit of a count to which a failure adds 1 and from which a success
  // subtracts 1, down to 0. [0, 1'000'000], 0 = rule off. It opens the breaker
  // where failures in a row are rare, but more than half of all calls fail.
  int leaky_failures = 0;
  // The share of failures in the window. (0, 1], 0 = rule off. 0.5 as in
  // resilience4j, Hystrix.
  double failure_rate = 0.5;
  // A unary call that takes this long is slow. It counts from that moment on,
  // even if it has not ended. [0, 1h], 0 = both rules on slow calls are off.
  Duration slow_call_duration = Duration::zero();
  // The share of slow calls in the window. (0, 1], 0 = rule off. 0.5 as the
  // failure rate; with resilience4j's 1.0 every second caller may have to wait.
  double slow_call_rate = 0.5;
  // The limit of a count like that of `leaky_failures`, of slow and fast calls.
  // [0, 1'000'000], 0 = rule off.
  int leaky_slow_calls = 0;
  // The number of results in the window from which on the two rates are judged.
  // [1, 10'000]. 20 as in Hystrix. With the 100 of resilience4j and Envoy, the
  // breaker of a client with few calls would never judge.
  int minimum_calls = 20;
  // Absent: a rule that holds opens the breaker unless chance explains it, at
  // the method's own rate of failures (usual_rate.h). Present: it opens
  // whatever is usual; and where it is not 0, also with fewer results than
  // `minimum_calls`, as soon as it is this certain that the true rate has
  // reached its limit. 0, or [0.5, 0.9999]. With a limit of 0.5, a confidence
  // of 0.95 takes 3 failures of 3, and 0.99 takes 6 of 6 or 11 of 13.
  absl::optional<double> confidence;
  WindowOptions window;

  // While OPEN one attempt is let through so often, and what becomes of it says
  // whether the target is back. As the outage goes on, a sixtieth of its length
  // if that is more, up to five times as much: who was away for an hour may be
  // so for five seconds more. 1 s: who is back is found at once, and that is a
  // tenth of the attempts of a client with ten calls a second. [1ms, 1h], or 0
  // = the times below. Times U(1 - open_jitter, 1 + open_jitter).
  Duration probe_interval = std::chrono::seconds(1);
  // Without a probe_interval: OPEN lasts open_duration * growth^re-trips, at
  // most max_open_duration, times U(1 - jitter, 1 + jitter).
  Duration open_duration = std::chrono::seconds(10);      // [1ms, 1h]
  double open_growth = 2.0;                               // [1, 10]
  Duration max_open_duration = std::chrono::seconds(60);  // >= open_duration
  double open_jitter = 0.1;                               // [0, 0.5]

  // HALF_OPEN admits `probes` concurrent calls. `probe_samples` of their
  // results decide, as soon as `probe_success_ratio` is reached or out of
  // reach.
  int probes = 3;                                    // [1, 1'000]
  int probe_samples = 0;                             // 0 = probes; >= probes
  double probe_success_ratio = 1.0;                  // (0, 1]
  Duration probe_timeout = std::chrono::seconds(5);  // [1ms, 1h]
  // After this time the results so far decide, if there is one, so that a
  // client with few calls does not stay HALF_OPEN. [0, 1h], 0 = wait for
  // `probe_samples`. 30 s as the window: older results do not count elsewhere
  // either.
  Duration half_open_duration = std::chrono::seconds(30);
  RampOptions ramp;

  CodeSet failure_codes = kDefaultFailureCodes;  // without OK
  // Codes that count neither as failures nor as successes, whatever
  // `failure_codes` says. Without OK; at least one failure code must be left.
  CodeSet ignored_codes;
  // Whether RESOURCE_EXHAUSTED, and failures with a pushback, are failures. Not
  // by default: a server that sheds load is not broken, and if its breaker
  // opened, the load would move to the other servers (brpc's ELIMIT).
  bool overload_counts = false;

  bool HasSlowRule() const {
    return slow_call_duration > Duration::zero() &&
           (slow_call_rate > 0 || leaky_slow_calls > 0);
  }
  int samples() const { return probe_samples == 0 ? probes : probe_samples; }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// Whether there is a breaker that counts.
inline bool IsOn(const absl::optional<BreakerOptions>& breaker) {
  return breaker && breaker->mode != BreakerOptions::Mode::kDisabled;
}

// The wait before retry n (1, 2, ...): see backoff.h for the formula.
struct BackoffOptions {
  enum class Jitter { kFull, kEqual, kPlusMinus, kNone };
  // 100 ms and a factor of 2, as in the example of gRFC A6. [0, 1h].
  Duration initial = std::chrono::milliseconds(100);
  double multiplier = 2.0;                 // (0, 100]; A6 allows any over 0
  Duration max = std::chrono::seconds(1);  // [initial, 1h]
  // FULL does the least work for the same completion time ("Exponential
  // Backoff and Jitter", AWS architecture blog).
  Jitter jitter = Jitter::kFull;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Retries that learn from earlier ones: retry_estimator.h estimates the chance
// that the next one succeeds, and retry_pacer.h adapts the backoff to it.
struct AdaptiveRetryOptions {
  // Below this chance no retry is made, except one a second to learn from.
  // [0, 0.5], since with a higher floor the very first retry would not be made;
  // 0 = retries never stop. At 0.1 nine of ten retries fail.
  double floor = 0.1;
  // After this time the result of a retry counts half. [100ms, 1h]. 30 s as the
  // breaker's window.
  Duration half_life = std::chrono::seconds(30);
  // The longest wait before jitter. [backoff.max, 1h]. The factors for an
  // overloaded server (5) and for a small chance (3) make 15 s of the default
  // of backoff.max, which is below this.
  Duration max_delay = std::chrono::seconds(30);

  friend bool operator==(const AdaptiveRetryOptions& a,
                         const AdaptiveRetryOptions& b) {
    return a.floor == b.floor && a.half_life == b.half_life &&
           a.max_delay == b.max_delay;
  }
  void Check(const std::string& path, Duration backoff_max,
             FieldErrors* errors) const;
};

struct RetryOptions {
  // The first attempt included. [2, 10].
  int max_attempts = 3;
  BackoffOptions backoff;
  // The codes that are retried. Not empty, without OK. Only UNAVAILABLE by
  // default: after the other codes the server may have done the work.
  CodeSet codes = {absl::StatusCode::kUnavailable};
  // The deadline of the first attempt; 0 = only the call's deadline. [0, 1h].
  Duration attempt_timeout = Duration::zero();
  // The factor on that for each further attempt: a server that was too slow for
  // one deadline is mostly too slow for the same one again. [1, 10].
  double attempt_timeout_growth = 1.0;
  absl::optional<AdaptiveRetryOptions> adaptive;

  void Check(const std::string& path, FieldErrors* errors) const;
};

struct HedgingOptions {
  // The first attempt included. [2, 10].
  int max_attempts = 2;
  // The time between two attempts; 0 = all at once. [0, 1h]. Not used with
  // `quantile`.
  Duration delay = std::chrono::milliseconds(100);
  // Instead of `delay`: this quantile of the method's present latency
  // (latency_model.h), within [min_delay, max_delay]. 0 = `delay`, otherwise
  // (0, 1). A hedge after the 0.95 quantile costs about 5 % more load (Dean and
  // Barroso, "The Tail at Scale", CACM 2013).
  double quantile = 0;
  // The shortest delay by quantile, however fast the method is. 1 ms as in
  // Finagle's backup requests. [0, max_delay].
  Duration min_delay = std::chrono::milliseconds(1);
  // The longest delay by quantile, and the delay while too little is known.
  // [min_delay, 1h].
  Duration max_delay = std::chrono::seconds(1);
  // Failures with these codes leave the other attempts running, and the next
  // one is sent at once (nonFatalStatusCodes of gRFC A6). Without OK.
  CodeSet non_fatal_codes = {absl::StatusCode::kUnavailable};

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Does not start an attempt for which the remaining time is most likely too
// short: less than this quantile of the method's present latency. While the
// latency is not known, every attempt may start.
struct DeadlineGateOptions {
  // (0, 1). An attempt that fails five times of six is not worth sending. With
  // the median, a method whose callers are in a hurry by habit would lose
  // successes by the gate alone (docs/tails.md).
  double quantile = 0.17;
  // Whether the gate applies to the first attempt too, and not only to retries
  // and hedges.
  bool first_attempt = false;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// The retryThrottling of gRFC A6: failures subtract from a count, and successes
// add to it.
struct ThrottlingOptions {
  double max_tokens = 10;    // [0.001, 1'000], with three decimals
  double token_ratio = 0.1;  // per success. [0.001, 1'000], with three decimals

  void Check(const std::string& path, FieldErrors* errors) const;
};

// The budget of a channel name for the retries and hedges of all its methods:
// each takes a token.
struct BudgetOptions {
  double ratio = 0.1;  // tokens per admitted call. [0, 1]. SRE book, ch. 21
  // Tokens per second, whatever the traffic. [0, 1'000]. 0: one a second would
  // triple the load of a client with a call each ten seconds, and is nothing to
  // one with a thousand. What a slow client needs is in the burst.
  double floor = 0.0;
  double burst = 10.0;  // the most tokens. [1, 10'000]
  // If it is set, it must allow retries and hedges too.
  absl::optional<ThrottlingOptions> throttling;
  // Tokens at the start, at most `burst`; absent: `burst`. [0, 10'000]. With 8,
  // from 800 calls on a client has made no more than 1.11 attempts for each, at
  // any rate and whatever fails; and where 5 % fail hardly any retry lacks a
  // token, which with 5 some do (docs/tails.md).
  absl::optional<double> initial = 8.0;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// A limit on the number of concurrent calls, with a queue for further ones.
struct BulkheadOptions {
  // [1, 100'000]. 25 as in resilience4j.
  int max_concurrent = 25;
  // How many calls may wait for a place. [0, 100'000], 0 = none. A few times
  // max_concurrent, as for thread pools with a bounded queue.
  int max_queue = 100;
  // How long a call may wait. [0, 1h], 0 = not at all. It is short, since a
  // call that has waited longer than it usually takes is mostly too late.
  Duration max_wait = std::chrono::milliseconds(100);

  void Check(const std::string& path, FieldErrors* errors) const;
};

// A limit on the number of calls per second.
struct RateLimitOptions {
  // [0.001, 1'000'000]. No rate fits all methods, so it has to be set.
  double rate = 0;
  // How many calls may come at once after a pause. [0, 1'000'000], 0 = as many
  // as in one second, at least 1.
  int burst = 0;
  // How long a call may wait for its token. [0, 1h], 0 = not at all, like the
  // status 429 of HTTP.
  Duration max_wait = Duration::zero();

  int tokens() const;
  friend bool operator==(const RateLimitOptions& a, const RateLimitOptions& b) {
    return a.rate == b.rate && a.burst == b.burst && a.max_wait == b.max_wait;
  }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// Refuses calls in the share in which the server does: SRE book, ch. 21.
struct ThrottleOptions {
  double k = 2.0;                                  // [1, 1'000]. ibid.
  Duration window = std::chrono::seconds(2 * 60);  // [1s, 1h]. ibid.

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Admission: what a call passes once, before its first attempt.
struct IntakeOptions {
  absl::optional<BulkheadOptions> bulkhead;
  absl::optional<RateLimitOptions> rate_limit;
  absl::optional<ThrottleOptions> throttle;
  // The method switches these off, whatever its channel has.
  bool no_bulkhead = false;
  bool no_rate_limit = false;
  bool no_throttle = false;

  void Check(const std::string& path, FieldErrors* errors) const;
};

struct MethodOptions {
  // The name of the policy entry these come from, for operators.
  std::string policy;

  // The deadline of a call whose caller set a later one, or none. 0 = off.
  Duration timeout = Duration::zero();  // [0, 1h]
  // For calls whose caller has not set it: wait for a connection, or fail fast.
  absl::optional<bool> wait_for_ready;
  // Whether a call may run twice; not known if absent. A call that may not is
  // sent again only if it cannot have run, or if the server asks for it, and it
  // is never hedged.
  absl::optional<bool> idempotent;
  absl::optional<BreakerOptions> breaker;
  absl::optional<RetryOptions> retry;
  absl::optional<HedgingOptions> hedging;
  absl::optional<DeadlineGateOptions> deadline_gate;
  IntakeOptions intake;

  // The limit that retries and hedges share; Check() refuses two that differ.
  int max_attempts() const;
  // The timeout of attempt n = 0, 1, ...; zero for none.
  Duration attempt_timeout(int n) const;
  // Whether another attempt may follow a failure with this code.
  bool IsRetryable(absl::StatusCode code) const;
  BlameRules blame() const;
  // Whether it shares a breaker with other methods of its channel. A breaker
  // that is switched off is not shared.
  bool SharesBreaker() const {
    return IsOn(breaker) && breaker->scope == BreakerOptions::Scope::kChannel;
  }
  // Whether a call may need attempts made by firebreak; without these parts it
  // runs natively.
  bool NeedsDriver() const {
    return retry.has_value() || hedging.has_value() ||
           timeout > Duration::zero() || wait_for_ready.value_or(false);
  }

  void Check(const std::string& path, FieldErrors* errors) const;
  // OK, or INVALID_ARGUMENT that lists every field with a wrong value.
  absl::Status Validate() const;
};

// "a.b: problem; c: problem" as one INVALID_ARGUMENT, OK when empty.
absl::Status ToStatus(const FieldErrors& errors);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_OPTIONS_H_
