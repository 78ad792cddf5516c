// Estimates whether retries of a method help, by the status that they follow.
//
//   RetryEstimator estimator(*options.retry->adaptive);
//   estimator.Record(/*after=*/Code::kUnavailable, /*success=*/false, now);
//   const double chance = estimator.Chance(Code::kUnavailable, now);
//   if (chance < floor && !estimator.TakeTrial(Code::kUnavailable, now)) ...
//
// The estimate for a status code is the share of successes among the earlier
// retries that were made after that code. A result loses half of its weight
// with each `half_life`:
//
//   chance = (successes + 1) / (successes + failures + 2)
//
// This is Laplace's rule of succession: the prior is 0.5, and weighs as much as
// two results. So the chance is 0.5 if nothing is known (and returns to that
// with time), above 0.5 after one success, below 0.2 after four failures, and
// below the default floor of 0.1 after nine. One unlucky call does not stop the
// retries of others, and a few dozen calls to a target that is down do.
//
// For each code at most kMemory results are remembered. Without that limit, a
// storm of ten thousand failed retries would take minutes to forget; with it,
// four successes in a row lead from the worst chance back above a floor of 0.1.
// One result a second at the default half-life amounts to 1 / (1 - 2^(-1/30 s))
// = 44 results, so the trials below weigh as much as the storm before.
//
// Below the floor one retry a second is still made for each code, as a trial,
// since otherwise nothing more would be learned. Trials are counted per code
// and not per method, since otherwise a frequent code would use them all up.
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
    double results;  // the results behind it, each weighted by its age
  };

  explicit RetryEstimator(const AdaptiveRetryOptions& options);

  // A retry that was made after `code` has ended.
  void Record(absl::StatusCode code, bool success, Time now);
  // In (0, 1); 0.5 for a code about which nothing is known.
  double Chance(absl::StatusCode code, Time now);
  // True once for each code and second: make this one although the chance is
  // under the floor.
  bool TakeTrial(absl::StatusCode code, Time now);
  // The estimates of all codes with a result, in the order of the codes.
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

  // What is known about retries after `code`, aged to `now`.
  Memory& Aged(absl::StatusCode code, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const AdaptiveRetryOptions options_;
  Mutex mu_;
  std::array<Memory, kStatusCodes> memories_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_ESTIMATOR_H_
