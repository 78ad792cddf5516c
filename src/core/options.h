// Options of one method: what the policy file says, in the core's own terms.
//
//   MethodOptions options;
//   options.breaker = BreakerOptions{};              // the defaults below
//   options.retry = RetryOptions{};
//   absl::Status valid = options.Validate();         // names every bad field
//
// A part that is absent is off. Values are plain data, copied freely; the
// engine shares one immutable copy per method. Every default says where it is
// from. `docs/policy.md` is the same page for people who write policy files.
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

// One bad field. `field` is a dotted path ("breaker.failure_rate"); `problem`
// names the value found and the range allowed.
struct FieldError {
  std::string field;
  std::string problem;
};
using FieldErrors = std::vector<FieldError>;

// Where calls are counted for the failure rate.
struct WindowOptions {
  enum class Kind { kCalls, kTime };
  Kind kind = Kind::kTime;
  // The last `calls` results. [1, 10'000].
  int calls = 100;
  // The last `duration`, in ten buckets. [100ms, 1h]. 30 s as in Polly and
  // Finagle: long enough for a low rate, short enough to forget.
  Duration duration = std::chrono::seconds(30);

  // Both cover the same results.
  friend bool operator==(const WindowOptions& a, const WindowOptions& b) {
    return a.kind == b.kind &&
           (a.kind == Kind::kCalls ? a.calls == b.calls
                                   : a.duration == b.duration);
  }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// After probes have succeeded: admit a share of the calls that grows evenly
// from `initial` to all over `duration`, so that a target that has just come
// back is not met by everything at once.
struct RampOptions {
  double initial = 0.1;                  // (0, 1]. Envoy's slow start: 10 %
  Duration duration = Duration::zero();  // [0, 1h], 0 = off

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Trips when any rule that is set holds; see trip_rules.h.
struct BreakerOptions {
  enum class Mode {
    kEnforce,
    // Judges as if it refused, and refuses nothing: for trying out numbers.
    kShadow,
    kDisabled,  // as no breaker at all, but still obeys an operator
  };
  enum class Scope {
    kMethod,
    kChannel,  // one for all methods of the channel and target that say so
  };
  Mode mode = Mode::kEnforce;
  Scope scope = Scope::kMethod;

  // Failures in a row. [0, 1'000'000], 0 = rule off. 5 as in Finagle, Envoy.
  int consecutive_failures = 5;
  // A count to which a failure adds 1 and from which a success takes 1, down
  // to 0. [0, 1'000'000], 0 = rule off. Trips where failures in a row are
  // rare and half of all calls fail.
  int leaky_failures = 0;
  // Share of failures in the window, (0, 1], 0 = rule off. 0.5 as in
  // resilience4j, Hystrix.
  double failure_rate = 0.5;
  // A unary call that takes this long is slow, from that moment on: it need
  // not have ended. [0, 1h], 0 = both rules on slow calls off.
  Duration slow_call_duration = Duration::zero();
  // Share of slow calls in the window, (0, 1], 0 = rule off. 0.5 as the
  // failure rate; resilience4j's 1.0 lets every second caller wait.
  double slow_call_rate = 0.5;
  // A count like `leaky_failures`, of slow and of fast calls. [0, 1'000'000],
  // 0 = rule off.
  int leaky_slow_calls = 0;
  // Fewest results in the window for the two rate rules. [1, 10'000]. The 100
  // of resilience4j and Envoy leaves a slow client's breaker asleep; 20 is
  // Hystrix's.
  int minimum_calls = 20;
  // With fewer, trip as soon as one can be so sure that the true rate is at
  // its limit. 0 = never, or [0.5, 0.9999]. With a limit of 0.5, 0.95 takes 3
  // failures of 3, 0.99 6 of 6 or 11 of 13.
  double confidence = 0;
  WindowOptions window;

  // OPEN lasts open_duration * growth^re-trips, at most max_open_duration,
  // times U(1 - jitter, 1 + jitter).
  Duration open_duration = std::chrono::seconds(10);      // [1ms, 1h]
  double open_growth = 2.0;                               // [1, 10]
  Duration max_open_duration = std::chrono::seconds(60);  // >= open_duration
  double open_jitter = 0.1;                               // [0, 0.5]

  // HALF_OPEN: `probes` at a time; decided after `probe_samples` results, as
  // soon as `probe_success_ratio` of them is reached or out of reach.
  int probes = 3;                                    // [1, 1'000]
  int probe_samples = 0;                             // 0 = probes; >= probes
  double probe_success_ratio = 1.0;                  // (0, 1]
  Duration probe_timeout = std::chrono::seconds(5);  // [1ms, 1h]
  // After so long what results there are decide, if there is one: few calls
  // are no reason to stay HALF_OPEN. [0, 1h], 0 = wait for `probe_samples`.
  // 30 s as the window: older results count nowhere else either.
  Duration half_open_duration = std::chrono::seconds(30);
  RampOptions ramp;

  CodeSet failure_codes = kDefaultFailureCodes;  // without OK
  // Neither failures nor successes, whatever `failure_codes` says. Without
  // OK; must leave one code that is a failure.
  CodeSet ignored_codes;
  // RESOURCE_EXHAUSTED, and failures with pushback, are failures. Not by
  // default: a server that sheds load is not broken, and breaking it moves the
  // load to the rest (brpc's ELIMIT).
  bool overload_counts = false;

  bool HasSlowRule() const {
    return slow_call_duration > Duration::zero() &&
           (slow_call_rate > 0 || leaky_slow_calls > 0);
  }
  int samples() const { return probe_samples == 0 ? probes : probe_samples; }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// The wait before retry n (1, 2, ...): see backoff.h for the formula.
struct BackoffOptions {
  enum class Jitter { kFull, kEqual, kPlusMinus, kNone };
  // 100 ms, x 2 as gRFC A6's example; the cap is lower than its 1 s so that a
  // retry still fits the deadlines people use. [0, 1h].
  Duration initial = std::chrono::milliseconds(100);
  double multiplier = 2.0;                 // (0, 100]; A6 allows any over 0
  Duration max = std::chrono::seconds(1);  // [initial, 1h]
  // FULL does the least work for the same completion time ("Exponential
  // Backoff and Jitter", AWS architecture blog).
  Jitter jitter = Jitter::kFull;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Retries that learn from earlier ones: retry_estimator.h guesses the chance of
// the next, retry_pacer.h waits longer or shorter by it.
struct AdaptiveRetryOptions {
  // Below this chance no retry is made, but for one now and then to learn
  // from. [0, 0.5], since with more the first retry ever would not be made;
  // 0 = never stops. 0.1: nine of ten are in vain, and the attempt budget's
  // ratio counts on as many good ones.
  double floor = 0.1;
  // Of what earlier retries say. [100ms, 1h]. 30 s as the breaker's window.
  Duration half_life = std::chrono::seconds(30);
  // The longest stretched wait, before jitter. [backoff.max, 1h]. Three times
  // five times the default of backoff.max is 15 s: this leaves that alone.
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
  // Not empty, without OK. Only UNAVAILABLE by default: the other codes do
  // not say that the server has not done the work.
  CodeSet codes = {absl::StatusCode::kUnavailable};
  // Bound of the first attempt; 0 = only the call's deadline. [0, 1h].
  Duration attempt_timeout = Duration::zero();
  // Factor on that for each further attempt: a server that was too slow for
  // one bound will mostly be too slow for the same again. [1, 10].
  double attempt_timeout_growth = 1.0;
  absl::optional<AdaptiveRetryOptions> adaptive;

  void Check(const std::string& path, FieldErrors* errors) const;
};

struct HedgingOptions {
  // The first attempt included. [2, 10].
  int max_attempts = 2;
  // Between two attempts; 0 = all at once. [0, 1h]. Not used with `quantile`.
  Duration delay = std::chrono::milliseconds(100);
  // Instead: this quantile of what the method takes now (latency_model.h),
  // within [min_delay, max_delay]. 0 = `delay`, else (0, 1). A hedge after the
  // 0.95 quantile costs about 5 % more load (Dean and Barroso, "The Tail at
  // Scale", CACM 2013).
  double quantile = 0;
  // Never sooner, however fast the method. 1 ms as in Finagle's backup
  // requests. [0, max_delay].
  Duration min_delay = std::chrono::milliseconds(1);
  // Never later, and while too little is known. [min_delay, 1h].
  Duration max_delay = std::chrono::seconds(1);
  // Failures that leave the other attempts running, and send the next at once
  // (gRFC A6 nonFatalStatusCodes). Without OK.
  CodeSet non_fatal_codes = {absl::StatusCode::kUnavailable};

  void Check(const std::string& path, FieldErrors* errors) const;
};

// Sends nothing that the remaining time most likely does not suffice for: an
// attempt begins only where that is at least the quantile of what the method
// takes now. What is not known is not gated.
struct DeadlineGateOptions {
  // (0, 1). The median: what more likely fails than not is not worth sending.
  double quantile = 0.5;
  // The call's first attempt too, not only retries and hedges.
  bool first_attempt = false;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// gRFC A6's retryThrottling: a count of failures against successes.
struct ThrottlingOptions {
  double max_tokens = 10;    // [0.001, 1'000]; three decimals count
  double token_ratio = 0.1;  // + per success. [0.001, 1'000]; likewise

  void Check(const std::string& path, FieldErrors* errors) const;
};

// One purse per channel name for retries and hedges of all its methods.
struct BudgetOptions {
  double ratio = 0.1;   // + per call admitted. [0, 1]. SRE book, ch. 21
  double floor = 1.0;   // + per second. [0, 1'000]. for low traffic
  double burst = 10.0;  // at the start, and at most. [1, 10'000]
  // Must agree too, where it is set.
  absl::optional<ThrottlingOptions> throttling;

  void Check(const std::string& path, FieldErrors* errors) const;
};

// At most so many calls at a time, and a queue before them.
struct BulkheadOptions {
  // [1, 100'000]. 25 as in resilience4j.
  int max_concurrent = 25;
  // Calls that may wait for a place. [0, 100'000], 0 = none. Some times
  // max_concurrent, as thread pools with a bounded queue are dimensioned.
  int max_queue = 100;
  // How long one may wait. [0, 1h], 0 = not at all. Short: what has waited
  // longer than a usual call takes is mostly not worth it any more.
  Duration max_wait = std::chrono::milliseconds(100);

  void Check(const std::string& path, FieldErrors* errors) const;
};

// At most so many calls a second.
struct RateLimitOptions {
  // [0.001, 1'000'000]. No rate fits all: it has to be set.
  double rate = 0;
  // Calls that may come at once after a pause. [0, 1'000'000], 0 = one
  // second's worth, at least 1.
  int burst = 0;
  // How long a call may wait for its turn. [0, 1h], 0 = not at all, as HTTP's
  // 429 has it.
  Duration max_wait = Duration::zero();

  int tokens() const;
  friend bool operator==(const RateLimitOptions& a, const RateLimitOptions& b) {
    return a.rate == b.rate && a.burst == b.burst && a.max_wait == b.max_wait;
  }
  void Check(const std::string& path, FieldErrors* errors) const;
};

// Turns calls away in the share in which the server does: SRE book, ch. 21.
struct ThrottleOptions {
  double k = 2.0;                                  // [1, 1'000]. ibid.
  Duration window = std::chrono::seconds(2 * 60);  // [1s, 1h]. ibid.

  void Check(const std::string& path, FieldErrors* errors) const;
};

// What a call passes once, before its first attempt.
struct IntakeOptions {
  absl::optional<BulkheadOptions> bulkhead;
  absl::optional<RateLimitOptions> rate_limit;
  absl::optional<ThrottleOptions> throttle;
  // Switched off for a method, whatever its channel has.
  bool no_bulkhead = false;
  bool no_rate_limit = false;
  bool no_throttle = false;

  void Check(const std::string& path, FieldErrors* errors) const;
};

struct MethodOptions {
  // The name of the policy entry these come from, for operators.
  std::string policy;

  // The call's deadline when the caller set a later one, or none. 0 = off.
  Duration timeout = Duration::zero();  // [0, 1h]
  // Where the caller has not said: wait for a connection, or fail fast?
  absl::optional<bool> wait_for_ready;
  // May a call run twice? Unknown when absent. A method known not to be
  // idempotent is sent again only when it cannot have run, or when the server
  // asks for it, and never hedged.
  absl::optional<bool> idempotent;
  absl::optional<BreakerOptions> breaker;
  absl::optional<RetryOptions> retry;
  absl::optional<HedgingOptions> hedging;
  absl::optional<DeadlineGateOptions> deadline_gate;
  IntakeOptions intake;

  // Retries and hedges share one limit; Check() refuses two that differ.
  int max_attempts() const;
  // Of attempt n = 0, 1, ...; zero for none.
  Duration attempt_timeout(int n) const;
  // Leaves room for another attempt.
  bool IsRetryable(absl::StatusCode code) const;
  BlameRules blame() const;
  // With the other methods of its channel. One that is off takes none along.
  bool SharesBreaker() const {
    return breaker && breaker->scope == BreakerOptions::Scope::kChannel &&
           breaker->mode != BreakerOptions::Mode::kDisabled;
  }
  // Only these need attempts of our own; anything else runs natively.
  bool NeedsDriver() const {
    return retry.has_value() || hedging.has_value() ||
           timeout > Duration::zero() || wait_for_ready.value_or(false);
  }

  void Check(const std::string& path, FieldErrors* errors) const;
  // INVALID_ARGUMENT that lists every bad field, or OK.
  absl::Status Validate() const;
};

// "a.b: problem; c: problem" as one INVALID_ARGUMENT, OK when empty.
absl::Status ToStatus(const FieldErrors& errors);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_OPTIONS_H_
