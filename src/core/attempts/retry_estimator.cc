#include "src/core/attempts/retry_estimator.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

// A server may send a number that is no status code; it counts as UNKNOWN.
size_t Index(absl::StatusCode code) {
  const auto n = static_cast<size_t>(code);
  return n < kStatusCodes ? n : static_cast<size_t>(absl::StatusCode::kUnknown);
}

}  // namespace

RetryEstimator::RetryEstimator(const AdaptiveRetryOptions& options)
    : options_(options) {}

void RetryEstimator::Record(absl::StatusCode code, bool success, Time now) {
  MutexLock lock(&mu_);
  Memory& memory = Aged(code, now);
  memory.is_used = true;
  (success ? memory.successes : memory.failures) += 1;
  const double excess = (memory.successes + memory.failures) / kMemory;
  if (excess <= 1) return;
  memory.successes /= excess;
  memory.failures /= excess;
}

double RetryEstimator::Chance(absl::StatusCode code, Time now) {
  MutexLock lock(&mu_);
  return Aged(code, now).chance();
}

bool RetryEstimator::TakeTrial(absl::StatusCode code, Time now) {
  MutexLock lock(&mu_);
  Memory& memory = memories_[Index(code)];
  if (now < memory.next_trial) return false;
  memory.next_trial = SaturatingAdd(now, kTrialInterval);
  return true;
}

std::vector<RetryEstimator::Estimate> RetryEstimator::Estimates(Time now) {
  std::vector<Estimate> estimates;
  MutexLock lock(&mu_);
  for (int n = 0; n < kStatusCodes; ++n) {
    const auto code = static_cast<absl::StatusCode>(n);
    const Memory& memory = Aged(code, now);
    if (!memory.is_used) continue;
    estimates.push_back(
        {code, memory.chance(), memory.successes + memory.failures});
  }
  return estimates;
}

RetryEstimator::Memory& RetryEstimator::Aged(absl::StatusCode code, Time now) {
  Memory& memory = memories_[Index(code)];
  if (now <= memory.aged_to) return memory;
  // In seconds, since the difference of two times may overflow a Duration.
  const double seconds = ToSeconds(now.time_since_epoch()) -
                         ToSeconds(memory.aged_to.time_since_epoch());
  const double kept = std::exp2(
      -seconds / ToSeconds(std::max(options_.half_life, Duration(1))));
  memory.successes *= kept;
  memory.failures *= kept;
  memory.aged_to = now;
  return memory;
}

}  // namespace firebreak::core
