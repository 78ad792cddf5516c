#include "src/core/attempts/attempt_budget.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

constexpr int64_t kToken = 1000;

// Rounds down, as A6 requires: 0.5466 counts as 0.546.
int64_t Thousandths(double tokens) {
  // 0.003 * 1000 may be a little less than 3.
  constexpr double kRounding = 1e-6;
  return static_cast<int64_t>(std::floor(tokens * kToken + kRounding));
}

int64_t MaxOf(const BudgetOptions& options) {
  return options.throttling ? Thousandths(options.throttling->max_tokens) : 0;
}

int64_t StepOf(const BudgetOptions& options) {
  return options.throttling ? Thousandths(options.throttling->token_ratio) : 0;
}

}  // namespace

AttemptBudget::AttemptBudget(const BudgetOptions& options, Time now)
    : throttle_max_(MaxOf(options)),
      throttle_step_(StepOf(options)),
      throttle_(throttle_max_.load()),
      options_(options),
      tokens_(std::min(options.initial.value_or(options.burst), options.burst)),
      refilled_(now) {}

void AttemptBudget::SetOptions(const BudgetOptions& options, Time now) {
  MutexLock lock(&mu_);
  Collect(now);
  options_ = options;
  tokens_ = std::min(tokens_, options_.burst);
  // A throttle that is switched on starts full. An attempt that ends meanwhile
  // may be counted with the old limits.
  const int64_t max = MaxOf(options);
  const int64_t before = throttle_max_;
  // The count keeps its share of max_tokens, as in gRPC; otherwise a healthy
  // count would be low compared with a higher max_tokens.
  throttle_ = before == 0 ? max
                          : std::llround(static_cast<double>(throttle_) /
                                         static_cast<double>(before) *
                                         static_cast<double>(max));
  throttle_step_ = StepOf(options);
  throttle_max_ = max;
}

bool AttemptBudget::TryAcquire(Time now, double reserve) {
  MutexLock lock(&mu_);
  Collect(now);
  // Ten deposits of 0.1 add up to 0.9999..., which has to be a token.
  constexpr double kRounding = 1e-9;
  if (tokens_ < 1.0 + reserve - kRounding) return false;
  tokens_ = std::max(tokens_ - 1.0, 0.0);
  return true;
}

void AttemptBudget::Refund() {
  MutexLock lock(&mu_);
  Add(1.0);
}

double AttemptBudget::tokens(Time now) {
  MutexLock lock(&mu_);
  Collect(now);
  return tokens_;
}

void AttemptBudget::OnAttemptEnd(bool success) {
  const int64_t max = throttle_max_.load(std::memory_order_relaxed);
  const int64_t step = throttle_step_.load(std::memory_order_relaxed);
  if (max == 0) return;
  int64_t before = throttle_.load(std::memory_order_relaxed);
  int64_t after = 0;
  do {
    after = success ? std::min(before + step, max)
                    : std::max<int64_t>(before - kToken, 0);
  } while (!throttle_.compare_exchange_weak(before, after,
                                            std::memory_order_relaxed));
}

bool AttemptBudget::IsThrottled() const {
  const int64_t max = throttle_max_.load(std::memory_order_relaxed);
  return max != 0 && throttle_.load(std::memory_order_relaxed) * 2 <= max;
}

double AttemptBudget::throttle_tokens() const {
  return static_cast<double>(throttle_.load(std::memory_order_relaxed)) /
         kToken;
}

void AttemptBudget::Add(double tokens) {
  tokens_ = std::min(tokens_ + tokens, options_.burst);
}

void AttemptBudget::Collect(Time now) {
  int64_t calls = 0;
  for (Admitted& each : admitted_) {
    if (each.calls.load(std::memory_order_relaxed) == 0) continue;
    calls += each.calls.exchange(0, std::memory_order_relaxed);
  }
  if (calls > 0) Add(options_.ratio * static_cast<double>(calls));
  if (now <= refilled_) return;
  Add(options_.floor * ToSeconds(now - refilled_));
  refilled_ = now;
}

}  // namespace firebreak::core
