// The options of one method: its policy, in the types of the core.
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
#include "src/core/admission/admission_control.h"
#include "src/core/base/duration.h"
#include "src/core/base/field.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker_options.h"

namespace firebreak::core {

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
};

// The most attempts of a call, retries and hedges included.
inline constexpr int kMaxAttempts = 10;

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

  FieldList Fields();
  void Check(const std::string& path, FieldErrors* errors) const;
};

inline FieldList RetryOptions::Fields() {
  FieldList fields = {
      {"max_attempts", &max_attempts, Within(2, kMaxAttempts)},
      {"backoff.initial", &backoff.initial, Within(Duration::zero(), kHour)},
      {"backoff.multiplier", &backoff.multiplier, Over(0, 100)},
      {"backoff.max", &backoff.max, Within(backoff.initial, kHour)},
      {"backoff.jitter", &backoff.jitter},
      {"codes", &codes, Codes::kAtLeastOne},
      {"attempt_timeout", &attempt_timeout, Within(Duration::zero(), kHour)},
      {"attempt_timeout_growth", &attempt_timeout_growth, Within(1, 10)},
  };
  if (!adaptive) return fields;
  fields.emplace_back("adaptive.floor", &adaptive->floor, Within(0, 0.5));
  fields.emplace_back("adaptive.half_life", &adaptive->half_life,
                      Within(std::chrono::milliseconds(100), kHour));
  fields.emplace_back("adaptive.max_delay", &adaptive->max_delay,
                      Within(backoff.max, kHour));
  return fields;
}

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

  FieldList Fields() {
    return {
        {"max_attempts", &max_attempts, Within(2, kMaxAttempts)},
        {"delay", &delay, Within(Duration::zero(), kHour)},
        {"quantile", &quantile, OrZero(Between(0, 1))},
        {"min_delay", &min_delay, Within(Duration::zero(), kHour)},
        {"max_delay", &max_delay, Within(min_delay, kHour)},
        {"non_fatal_codes", &non_fatal_codes, Codes::kAnyNumber},
    };
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
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

  FieldList Fields() {
    return {{"quantile", &quantile, Between(0, 1)},
            {"first_attempt", &first_attempt}};
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
};

// Faults that are injected into attempts on purpose. By default there are none.
// Of `hang`, `drop_reply`, `cut_after_messages` and `codes`, only the first
// that is set applies.
struct FaultOptions {
  // The share of attempts that are affected. [0, 1]. One in a hundred is
  // visible in staging, and leaves it usable.
  double share = 0.01;
  Duration latency = Duration::zero();  // added before sending. [0, 1h]
  bool hang = false;
  bool drop_reply = false;     // the server has done the work
  int cut_after_messages = 0;  // of a stream. [0, 1'000'000], 0 = off
  CodeSet codes;               // one of them, at random, without a server

  FieldList Fields() {
    return {{"share", &share, Within(0, 1)},
            {"latency", &latency, Within(Duration::zero(), kHour)},
            {"hang", &hang},
            {"drop_reply", &drop_reply},
            {"cut_after_messages", &cut_after_messages, Within(0, 1'000'000)},
            {"codes", &codes, Codes::kAnyNumber}};
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
  // Whether it affects any attempt.
  bool DoesAnything() const {
    return share > 0 && (latency > Duration::zero() || hang || drop_reply ||
                         cut_after_messages > 0 || !codes.empty());
  }
};

// The retryThrottling of gRFC A6: failures subtract from a count, and successes
// add to it.
struct ThrottlingOptions {
  double max_tokens = 10;    // [0.001, 1'000], with three decimals
  double token_ratio = 0.1;  // per success. [0.001, 1'000], with three decimals

  // A fraction below a thousandth would count as zero.
  FieldList Fields() {
    return {{"max_tokens", &max_tokens, Within(0.001, 1'000)},
            {"token_ratio", &token_ratio, Within(0.001, 1'000)}};
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
};

// The retry budget of a channel name, which the retries and hedges of all its
// methods share: each takes a token.
struct BudgetOptions {
  double ratio = 0.1;  // tokens per admitted call. [0, 1]. SRE book, ch. 21
  // Tokens per second, whatever the traffic. [0, 1'000]. 0 by default: one a
  // second would triple the load of a client with a call every ten seconds, and
  // means nothing to one with a thousand a second. The burst covers slow
  // clients.
  double floor = 0.0;
  double burst = 10.0;  // the most tokens. [1, 10'000]
  // If it is set, it must allow retries and hedges too.
  absl::optional<ThrottlingOptions> throttling;
  // Tokens at the start, at most `burst`; absent: `burst`. [0, 10'000]. With 8,
  // a client has made at most 1.11 attempts per call from its 800th call on, at
  // any rate and whatever fails; and if 5 % of the calls fail, hardly any retry
  // lacks a token, whereas with 5 tokens some do (docs/tails.md).
  absl::optional<double> initial = 8.0;

  // The fields of `throttling` are not here: in the policy language they stand
  // beside the budget.
  FieldList Fields() {
    return {{"ratio", &ratio, Within(0, 1)},
            {"floor", &floor, Within(0, 1'000)},
            {"burst", &burst, Within(1, 10'000)}};
  }
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
  absl::optional<FaultOptions> fault;
  AdmissionOptions admission;

  // The fields outside of the parts.
  FieldList Fields() {
    return {{"timeout", &timeout, Within(Duration::zero(), kHour)},
            {"wait_for_ready", &wait_for_ready},
            {"idempotent", &idempotent}};
  }
  // Visits each part, with its name in the policy language: visit(name,
  // optional<Options>*).
  template <class Visitor>
  void VisitParts(Visitor visit) {
    visit("breaker", &breaker);
    visit("retry", &retry);
    visit("hedging", &hedging);
    visit("deadline_gate", &deadline_gate);
    visit("fault", &fault);
    admission.VisitParts(
        [&](const char* name, auto* part, bool*) { visit(name, part); });
  }

  // The limit that retries and hedges share; Check() refuses two that differ.
  int max_attempts() const;
  // The timeout of attempt n = 0, 1, ...; zero for none.
  Duration attempt_timeout(int n) const;
  // Whether another attempt may follow a failure with this code.
  bool IsRetryable(absl::StatusCode code) const;
  BlameRules blame() const {
    if (!breaker) return {};
    return {breaker->failure_codes, breaker->ignored_codes,
            breaker->overload_counts};
  }
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

// Returns "a.b: problem; c: problem" as one INVALID_ARGUMENT, or OK if empty.
absl::Status ToStatus(const FieldErrors& errors);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_OPTIONS_H_
