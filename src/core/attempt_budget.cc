#include "src/core/attempt_budget.h"

#include <algorithm>

namespace firebreak::core {

AttemptBudget::AttemptBudget(const BudgetOptions& options, Time now)
    : options_(options), tokens_(options.burst), refilled_(now) {}

void AttemptBudget::OnCallAdmitted(Time now) {
  MutexLock lock(&mu_);
  Refill(now);
  Add(options_.ratio);
}

bool AttemptBudget::TryAcquire(Time now) {
  MutexLock lock(&mu_);
  Refill(now);
  // Ten deposits of 0.1 make 0.9999...: that is a token.
  constexpr double kRounding = 1e-9;
  if (tokens_ < 1.0 - kRounding) return false;
  tokens_ = std::max(tokens_ - 1.0, 0.0);
  return true;
}

void AttemptBudget::Refund() {
  MutexLock lock(&mu_);
  Add(1.0);
}

double AttemptBudget::tokens(Time now) {
  MutexLock lock(&mu_);
  Refill(now);
  return tokens_;
}

void AttemptBudget::Add(double tokens) {
  tokens_ = std::min(tokens_ + tokens, options_.burst);
}

void AttemptBudget::Refill(Time now) {
  if (now <= refilled_) return;
  Add(options_.floor * ToSeconds(now - refilled_));
  refilled_ = now;
}

}  // namespace firebreak::core
