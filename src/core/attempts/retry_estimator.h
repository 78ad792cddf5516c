// Whether retries of a method are worth it: after which status they help.
//
//   RetryEstimator estimator(*options.retry->adaptive);
//   estimator.Record(/*after=*/Code::kUnavailable, /*success=*/false, now);
//   const double chance = estimator.Chance(Code::kUnavailable, now);
//   if (chance < floor && !estimator.TakeTrial(Code::kUnavailable, now)) ...
//
// For each status code: of the earlier retries made after that code, the share
// that succeeded, where a result counts half after each `half_life`:
//
//   chance = (successes + 1) / (successes + failures + 2)
//
// which is Laplace's rule of succession: the prior is 0.5, and weighs as much
// as two results. So nothing known is 0.5 (and what was known fades to it), one
// success is over 0.5, four failures are under 0.2, nine are under the default
// floor of 0.1. So one unlucky call does not stop the retries of others, and a
// few dozen calls to a target that is down do.
//
// No code remembers more than kMemory results. Without that bound, a storm of
// ten thousand retries in vain would take minutes to unlearn; with it, four
// successes in a row lead from the worst back over a floor of 0.1. 40 is about
// what one result a second comes to at the default half-life, 1 / (1 - 2^(-1/30
// s)) = 44, so that the trials below decide as much as the storm before did.
//
// Below the floor one retry for each code and second is let through, a trial,
// or nothing would be learnt any more. For each code, not for each method: else
// the trials of a frequent code would use up those of a rare one.
//
// Thread safety: safe from any thread; one lock, taken only by calls that have
// failed, which take the attempt budget's as well. Memory: fixed. Time: `now`
// may stand still or run back, which ages nothing.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_ESTIMATOR_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_ESTIMATOR_H_

#include <array>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

class RetryEstimator {
 public:
  static constexpr double kMemory = 40;
  static constexpr Duration kTrialInterval = std::chrono::seconds(1);

  struct Estimate {
    absl::StatusCode code;
    double chance;   // that the next retry after it succeeds
    double results;  // that this is known from, each by its age
  };

  explicit RetryEstimator(const AdaptiveRetryOptions& options);

  // A retry that was made after `code` has ended.
  void Record(absl::StatusCode code, bool success, Time now);
  // In (0, 1); 0.5 for a code that nothing is known of.
  double Chance(absl::StatusCode code, Time now);
  // True once for each code and second: make this one although the chance is
  // under the floor.
  bool TakeTrial(absl::StatusCode code, Time now);
  // Of every code that a result was recorded for, in the codes' order.
  std::vector<Estimate> Estimates(Time now);

  double floor() const { return options_.floor; }

 private:
  struct Memory {
    double successes = 0;
    double failures = 0;
    bool is_used = false;
    Time aged_to = Time::min();
    Time next_trial = Time::min();

    double chance() const {
      return (successes + 1) / (successes + failures + 2);
    }
  };

  // What is known after `code`, aged to `now`.
  Memory& Aged(absl::StatusCode code, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const AdaptiveRetryOptions options_;
  Mutex mu_;
  std::array<Memory, kStatusCodes> memories_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_ESTIMATOR_H_
