#include "src/core/options.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firebreak::core {
namespace {

void Add(const std::string& path, const char* field, std::string problem,
         FieldErrors* errors) {
  errors->push_back({JoinPath(path, field), std::move(problem)});
}

}  // namespace

void BreakerOptions::Check(const std::string& path, FieldErrors* errors) const {
  CheckFieldsOf(*this, path, errors);
  if (consecutive_failures == 0 && leaky_failures == 0 && failure_rate == 0 &&
      !HasSlowRule()) {
    Add(path, "failure_rate",
        "is 0, and every other trip rule is off; allowed: at least one trip "
        "rule",
        errors);
  }
  const bool has_rate_rule =
      failure_rate > 0 || (HasSlowRule() && slow_call_rate > 0);
  if (has_rate_rule && window.kind == WindowOptions::Kind::kCalls &&
      minimum_calls > window.calls) {
    Add(path, "minimum_calls",
        absl::StrCat("is ", minimum_calls, "; allowed [1, window.calls = ",
                     window.calls, "], or the rate rule can never hold"),
        errors);
  }
  if (!failure_codes.empty() && (failure_codes - ignored_codes).empty()) {
    Add(path, "ignored_codes",
        "contains all of failure_codes; allowed: at least one code that is a "
        "failure",
        errors);
  }
}

void RetryOptions::Check(const std::string& path, FieldErrors* errors) const {
  CheckFieldsOf(*this, path, errors);
}

void BudgetOptions::Check(const std::string& path, FieldErrors* errors) const {
  CheckFieldsOf(*this, path, errors);
  if (throttling) throttling->Check(JoinPath(path, "throttling"), errors);
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

void MethodOptions::Check(const std::string& path, FieldErrors* errors) const {
  CheckFieldsOf(*this, path, errors);
  MethodOptions copy = *this;
  copy.VisitParts([&](const char* name, auto* part) {
    if (*part) (*part)->Check(JoinPath(path, name), errors);
  });
  if (retry && hedging && retry->max_attempts != hedging->max_attempts) {
    Add(path, "hedging.max_attempts",
        absl::StrCat("is ", hedging->max_attempts, "; allowed ",
                     retry->max_attempts,
                     ", as retry.max_attempts: both share one limit"),
        errors);
  }
  if (timeout <= Duration::zero() || !hedging) return;
  const bool is_live = hedging->quantile != 0;
  const Duration soonest = is_live ? hedging->min_delay : hedging->delay;
  if (soonest < timeout) return;
  Add(path, is_live ? "hedging.min_delay" : "hedging.delay",
      absl::StrCat("is ", FormatDuration(soonest),
                   "; allowed less than timeout = ", FormatDuration(timeout),
                   ", or no hedge is ever sent"),
      errors);
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
