// The retry budget of one channel name, shared by its retries and hedges.
//
//   budget.OnCallAdmitted();          // + ratio
//   budget.OnAttemptEnd(success);     // for the throttle only
//   if (budget.IsThrottled()) ...     // no extra attempt now
//   if (budget.TryAcquire(now)) ...   // an extra attempt is scheduled
//   budget.Refund();                  // it was not launched after all
//
// A token bucket: `initial` at the start, + `ratio` per call admitted, +
// `floor` per second, never over `burst`. An extra attempt costs one token
// *when it is scheduled*; otherwise a thousand calls that fail at once could
// all schedule a retry. The token is refunded if the attempt is never launched,
// but not if it fails. So
//
//   extra attempts <= ratio * calls + floor * seconds + initial
//
// holds from the start on; from any other time on, with burst instead of
// initial.
//
// Source: the retry budgets of the SRE book (ch. 21, 10 %) and of Finagle (a
// share plus a floor per second, since with a share alone a slow client has no
// tokens). The floor is 0 by default: a client with a call every ten seconds
// has its burst, and a token per second would triple its traffic.
//
// If `throttling` is set, gRFC A6's retryThrottling must allow an extra attempt
// as well: a count that starts at max_tokens, - 1 per failure, + token_ratio
// per success, in [0, max_tokens]. At half of it or below, no extra attempt is
// sent. Extra attempts do not reduce that count, so it does not limit a retry
// storm by itself; the bucket does.
//
// Between two withdrawals there are only deposits, whose order does not matter:
// what exceeds `burst` is lost in any order. So a call only increments a
// counter of its stripe (striped.h) and takes no lock; a thread that takes a
// token or reads the count collects the deposits. A deposit that is made at the
// same moment may count before or after.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_ATTEMPT_BUDGET_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_ATTEMPT_BUDGET_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "src/core/base/mutex.h"
#include "src/core/base/striped.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

class AttemptBudget {
 public:
  AttemptBudget(const BudgetOptions& options, Time now);

  void OnCallAdmitted() {
    // Relaxed: a counter orders no other memory access.
    admitted_[MyStripe()].calls.fetch_add(1, std::memory_order_relaxed);
  }
  // Takes one token. False, and takes none, if less than one is left beyond
  // `reserve`, which this attempt leaves to more urgent ones.
  bool TryAcquire(Time now, double reserve = 0);
  // Returns the token of a scheduled attempt that was never launched.
  void Refund();
  double tokens(Time now);

  // Without throttling these do nothing and return false. A success is an OK. A
  // failure is one that may be retried, or whose retry the server forbade.
  void OnAttemptEnd(bool success);
  bool IsThrottled() const;
  double throttle_tokens() const;

  // Sets options that hold from now on. The tokens stay, up to the new `burst`;
  // the throttle's count keeps its share of `max_tokens`.
  void SetOptions(const BudgetOptions& options, Time now);
  BudgetOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  struct alignas(kCacheLine) Admitted {
    std::atomic<int64_t> calls{0};  // since the last Collect()
  };

  void Add(double tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Adds the tokens for the calls and the time since the last Collect().
  void Collect(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::array<Admitted, kStripes> admitted_;
  // In thousandths, the precision of A6. Zero: no throttling.
  std::atomic<int64_t> throttle_max_;
  std::atomic<int64_t> throttle_step_;
  std::atomic<int64_t> throttle_;
  mutable Mutex mu_;
  BudgetOptions options_ ABSL_GUARDED_BY(mu_);
  double tokens_ ABSL_GUARDED_BY(mu_);
  Time refilled_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_ATTEMPT_BUDGET_H_
