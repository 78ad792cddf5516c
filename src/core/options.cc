#include "src/core/options.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace firebreak::core {
namespace {

constexpr Duration kHour = std::chrono::hours(1);
constexpr Duration kMilli = std::chrono::milliseconds(1);
constexpr int kMaxAttempts = 10;

// Collects the errors of one message; `path` is its own field path.
class Checker {
 public:
  Checker(std::string path, FieldErrors* errors)
      : path_(std::move(path)), errors_(errors) {}

  void Number(const char* field, double value, double low, double high,
              bool low_open = false) {
    if (std::isfinite(value) && (low_open ? value > low : value >= low) &&
        value <= high) {
      return;
    }
    Add(field, absl::StrFormat("is %.15g; allowed %s%.15g, %.15g]", value,
                               low_open ? "(" : "[", low, high));
  }

  // (0, 1): a quantile that has values on both sides.
  void Quantile(const char* field, double value) {
    if (value > 0 && value < 1) return;
    Add(field, absl::StrFormat("is %.15g; allowed (0, 1)", value));
  }

  void Range(const char* field, Duration value, Duration low, Duration high) {
    if (value >= low && value <= high) return;
    Add(field,
        absl::StrCat("is ", FormatDuration(value), "; allowed [",
                     FormatDuration(low), ", ", FormatDuration(high), "]"));
  }

  void Codes(const char* field, CodeSet codes, bool may_be_empty = false) {
    if (codes.Contains(absl::StatusCode::kOk)) {
      Add(field, "contains OK; allowed: codes other than OK");
    }
    if (codes.empty() && !may_be_empty) {
      Add(field, "is empty; allowed: at least one code");
    }
  }

  void Add(const char* field, std::string problem) {
    errors_->push_back({Join(field), std::move(problem)});
  }

  std::string Join(const char* field) const {
    return path_.empty() ? field : absl::StrCat(path_, ".", field);
  }

 private:
  const std::string path_;
  FieldErrors* const errors_;
};

}  // namespace

void WindowOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  if (kind == Kind::kCalls) {
    check.Number("calls", calls, 1, 10'000);
  } else {
    check.Range("duration", duration, 100 * kMilli, kHour);
  }
}

void RampOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("initial", initial, 0, 1, /*low_open=*/true);
  check.Range("duration", duration.value_or(Duration::zero()), Duration::zero(),
              kHour);
}

void BreakerOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("consecutive_failures", consecutive_failures, 0, 1'000'000);
  check.Number("leaky_failures", leaky_failures, 0, 1'000'000);
  check.Number("failure_rate", failure_rate, 0, 1);
  check.Range("slow_call_duration", slow_call_duration, Duration::zero(),
              kHour);
  check.Number("slow_call_rate", slow_call_rate, 0, 1);
  check.Number("leaky_slow_calls", leaky_slow_calls, 0, 1'000'000);
  if (consecutive_failures == 0 && leaky_failures == 0 && failure_rate == 0 &&
      !HasSlowRule()) {
    check.Add("failure_rate",
              "is 0, and every other trip rule is off; allowed: at least one "
              "trip rule");
  }
  if (confidence.value_or(0) != 0) {
    check.Number("confidence", *confidence, 0.5, 0.9999);
  }
  check.Number("minimum_calls", minimum_calls, 1, 10'000);
  window.Check(check.Join("window"), errors);
  const bool has_rate_rule =
      failure_rate > 0 || (HasSlowRule() && slow_call_rate > 0);
  if (has_rate_rule && window.kind == WindowOptions::Kind::kCalls &&
      minimum_calls > window.calls) {
    check.Add("minimum_calls",
              absl::StrCat("is ", minimum_calls,
                           "; allowed [1, window.calls = ", window.calls,
                           "], or the rate rule can never hold"));
  }
  if (probe_interval != Duration::zero()) {
    check.Range("probe_interval", probe_interval, kMilli, kHour);
  }
  check.Range("open_duration", open_duration, kMilli, kHour);
  check.Number("open_growth", open_growth, 1, 10);
  check.Range("max_open_duration", max_open_duration, open_duration, kHour);
  check.Number("open_jitter", open_jitter, 0, 0.5);
  check.Number("probes", probes, 1, 1'000);
  if (probe_samples != 0) {
    check.Number("probe_samples", probe_samples, probes, 10'000);
  }
  check.Number("probe_success_ratio", probe_success_ratio, 0, 1, true);
  check.Range("probe_timeout", probe_timeout, kMilli, kHour);
  check.Range("half_open_duration", half_open_duration, Duration::zero(),
              kHour);
  ramp.Check(check.Join("ramp"), errors);
  check.Codes("failure_codes", failure_codes);
  check.Codes("ignored_codes", ignored_codes, /*may_be_empty=*/true);
  if (!failure_codes.empty() && (failure_codes - ignored_codes).empty()) {
    check.Add("ignored_codes",
              "contains all of failure_codes; allowed: at least one code that "
              "is a failure");
  }
}

void BackoffOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Range("initial", initial, Duration::zero(), kHour);
  check.Number("multiplier", multiplier, 0, 100, /*low_open=*/true);
  check.Range("max", max, initial, kHour);
}

void AdaptiveRetryOptions::Check(const std::string& path, Duration backoff_max,
                                 FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("floor", floor, 0, 0.5);
  check.Range("half_life", half_life, 100 * kMilli, kHour);
  check.Range("max_delay", max_delay, backoff_max, kHour);
}

void RetryOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("max_attempts", max_attempts, 2, kMaxAttempts);
  backoff.Check(check.Join("backoff"), errors);
  check.Codes("codes", codes);
  check.Range("attempt_timeout", attempt_timeout, Duration::zero(), kHour);
  check.Number("attempt_timeout_growth", attempt_timeout_growth, 1, 10);
  if (adaptive) {
    adaptive->Check(check.Join("adaptive"), backoff.max, errors);
  }
}

void HedgingOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("max_attempts", max_attempts, 2, kMaxAttempts);
  check.Range("delay", delay, Duration::zero(), kHour);
  if (quantile != 0) check.Quantile("quantile", quantile);
  check.Range("min_delay", min_delay, Duration::zero(), kHour);
  check.Range("max_delay", max_delay, min_delay, kHour);
  check.Codes("non_fatal_codes", non_fatal_codes, /*may_be_empty=*/true);
}

void DeadlineGateOptions::Check(const std::string& path,
                                FieldErrors* errors) const {
  Checker(path, errors).Quantile("quantile", quantile);
}

void ThrottlingOptions::Check(const std::string& path,
                              FieldErrors* errors) const {
  Checker check(path, errors);
  // What is less than a thousandth would count as nothing.
  check.Number("max_tokens", max_tokens, 0.001, 1'000);
  check.Number("token_ratio", token_ratio, 0.001, 1'000);
}

void BudgetOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("ratio", ratio, 0, 1);
  check.Number("floor", floor, 0, 1'000);
  check.Number("burst", burst, 1, 10'000);
  if (initial.has_value()) check.Number("initial", *initial, 0, 10'000);
  if (throttling) throttling->Check(check.Join("throttling"), errors);
}

void BulkheadOptions::Check(const std::string& path,
                            FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("max_concurrent", max_concurrent, 1, 100'000);
  check.Number("max_queue", max_queue, 0, 100'000);
  check.Range("max_wait", max_wait, Duration::zero(), kHour);
}

int RateLimitOptions::tokens() const {
  return burst > 0 ? burst : std::max(1, static_cast<int>(std::ceil(rate)));
}

void RateLimitOptions::Check(const std::string& path,
                             FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("rate", rate, 0.001, 1'000'000);
  check.Number("burst", burst, 0, 1'000'000);
  check.Range("max_wait", max_wait, Duration::zero(), kHour);
}

void ThrottleOptions::Check(const std::string& path,
                            FieldErrors* errors) const {
  Checker check(path, errors);
  check.Number("k", k, 1, 1'000);
  check.Range("window", window, std::chrono::seconds(1), kHour);
}

void IntakeOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  if (bulkhead) bulkhead->Check(check.Join("bulkhead"), errors);
  if (rate_limit) rate_limit->Check(check.Join("rate_limit"), errors);
  if (throttle) throttle->Check(check.Join("throttle"), errors);
}

int MethodOptions::max_attempts() const {
  return std::max(retry ? retry->max_attempts : 1,
                  hedging ? hedging->max_attempts : 1);
}

Duration MethodOptions::attempt_timeout(int n) const {
  if (!retry || retry->attempt_timeout == Duration::zero()) {
    return Duration::zero();
  }
  if (n == 0 || retry->attempt_timeout_growth == 1.0) {
    return retry->attempt_timeout;
  }
  return Scale(retry->attempt_timeout,
               std::pow(retry->attempt_timeout_growth, n));
}

bool MethodOptions::IsRetryable(absl::StatusCode code) const {
  return (retry && retry->codes.Contains(code)) ||
         (hedging && hedging->non_fatal_codes.Contains(code));
}

BlameRules MethodOptions::blame() const {
  if (!breaker) return {};
  return {breaker->failure_codes, breaker->ignored_codes,
          breaker->overload_counts};
}

void MethodOptions::Check(const std::string& path, FieldErrors* errors) const {
  Checker check(path, errors);
  check.Range("timeout", timeout, Duration::zero(), kHour);
  if (breaker) breaker->Check(check.Join("breaker"), errors);
  if (retry) retry->Check(check.Join("retry"), errors);
  if (hedging) hedging->Check(check.Join("hedging"), errors);
  if (deadline_gate) deadline_gate->Check(check.Join("deadline_gate"), errors);
  intake.Check(path, errors);
  if (retry && hedging && retry->max_attempts != hedging->max_attempts) {
    check.Add("hedging.max_attempts",
              absl::StrCat("is ", hedging->max_attempts, "; allowed ",
                           retry->max_attempts,
                           ", as retry.max_attempts: both share one limit"));
  }
  if (timeout <= Duration::zero() || !hedging) return;
  const bool is_live = hedging->quantile != 0;
  const Duration soonest = is_live ? hedging->min_delay : hedging->delay;
  if (soonest < timeout) return;
  check.Add(
      is_live ? "hedging.min_delay" : "hedging.delay",
      absl::StrCat("is ", FormatDuration(soonest),
                   "; allowed less than timeout = ", FormatDuration(timeout),
                   ", or no hedge is ever sent"));
}

absl::Status MethodOptions::Validate() const {
  FieldErrors errors;
  Check("", &errors);
  return ToStatus(errors);
}

absl::Status ToStatus(const FieldErrors& errors) {
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(
      errors, "; ", [](std::string* out, const FieldError& error) {
        absl::StrAppend(out, error.field, ": ", error.problem);
      }));
}

}  // namespace firebreak::core
