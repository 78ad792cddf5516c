// The purse that retries and hedges of one channel name are paid from.
//
//   budget.OnCallAdmitted();          // + ratio
//   budget.OnAttemptEnd(success);        // for the throttle only
//   if (budget.IsThrottled()) ...        // no extra attempt now
//   if (budget.TryAcquire(now)) ...      // one extra attempt is scheduled
//   budget.Refund();                     // and was never launched
//
// A token bucket: `initial` at the start, + `ratio` per call admitted, +
// `floor` per second, never over `burst`. An extra attempt costs one token
// *when it is scheduled*, so that a thousand calls that fail in one instant
// cannot all promise themselves a retry and pay later. What the driver never
// launched is refunded; a failure is not. So at any time
//
//   extra attempts <= ratio * calls + floor * seconds + initial
//
// since the start, and + burst instead of initial since any other time.
//
// Source: retry budgets of the SRE book (ch. 21, 10 %) and of Finagle (a
// share plus a floor per second, since a pure share starves a slow client). Our
// floor is 0 by default: a client that makes a call each ten seconds has its
// burst, and a second's token for each would triple what it sends.
//
// Where `throttling` is set, gRFC A6's retryThrottling must agree as well: a
// count that starts at max_tokens, - 1 per failure, + token_ratio per success,
// in [0, max_tokens]; at half of it or below, nothing extra is sent. It costs
// an extra attempt nothing, so it bounds no storm by itself: the bucket does.
//
// Between two withdrawals there are only deposits, and the order of these is
// all the same: what is over `burst` is lost, early or late. So a call only
// counts itself, in a stripe of its threads (striped.h), and takes no lock; who
// asks for a token, or looks, collects. Of a deposit that is made while
// somebody asks, nobody can say which was first.
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
    // Relaxed: a count orders nothing, and is collected whole.
    admitted_[MyStripe()].calls.fetch_add(1, std::memory_order_relaxed);
  }
  // Takes one token; false, and takes none, when less than one is left beside
  // the `reserve` that this attempt leaves to more urgent ones.
  bool TryAcquire(Time now, double reserve = 0);
  // Gives back one token of a scheduled attempt that was never launched.
  void Refund();
  double tokens(Time now);

  // Nothing, and false, without throttling. A success is an OK; a failure is
  // one that may be sent again, or that the server forbade to send again.
  void OnAttemptEnd(bool success);
  bool IsThrottled() const;
  double throttle_tokens() const;

  // From now on. What is in the purse stays, up to the new `burst`, and of the
  // throttle's count its share of `max_tokens`.
  void SetOptions(const BudgetOptions& options, Time now);
  BudgetOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  struct alignas(kCacheLine) Admitted {
    std::atomic<int64_t> calls{0};  // since it was last collected
  };

  void Add(double tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // All that calls and time have brought until now.
  void Collect(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::array<Admitted, kStripes> admitted_;
  // In thousandths, since A6 counts no finer. Zero: no throttling.
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
