// The purse that retries and hedges of one channel name are paid from.
//
//   budget.OnCallAdmitted(now);                   // + ratio
//   if (budget.TryAcquire(now)) {                 // one extra attempt
//   scheduled
//     ...                                         // launched: nothing to do
//     budget.Refund();                            // never launched
//   }
//
// A token bucket: full (`burst`) at the start, + `ratio` per call admitted,
// + `floor` per second, never over `burst`. An extra attempt costs one token
// *when it is scheduled*, so that a thousand calls that fail in one instant
// cannot all promise themselves a retry and pay later. What the driver never
// launched is refunded; a failure is not. So at any time
//
//   extra attempts <= ratio * calls + floor * seconds + burst
//
// Source: retry budgets of the SRE book (ch. 21, 10 %) and of Finagle (a
// share plus a floor per second, since a pure share starves a slow client).
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_CORE_ATTEMPT_BUDGET_H_
#define FIREBREAK_SRC_CORE_ATTEMPT_BUDGET_H_

#include "src/core/mutex.h"
#include "src/core/options.h"
#include "src/core/time.h"

namespace firebreak::core {

class AttemptBudget {
 public:
  AttemptBudget(const BudgetOptions& options, Time now);

  void OnCallAdmitted(Time now);
  // Takes one token; false, and takes none, when less than one is left.
  bool TryAcquire(Time now);
  // Gives back one token of a scheduled attempt that was never launched.
  void Refund();

  double tokens(Time now);
  const BudgetOptions& options() const { return options_; }

 private:
  void Add(double tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Refill(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const BudgetOptions options_;
  Mutex mu_;
  double tokens_ ABSL_GUARDED_BY(mu_);
  Time refilled_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPT_BUDGET_H_
