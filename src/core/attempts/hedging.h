// When to hedge: how long to wait for an answer, and when not to hedge at all.
//
//   Time at = SaturatingAdd(now, HedgeDelay(*options.hedging, model, now));
//   if (IsSlowerThanUsual(model, now)) ...             // no hedge now
//
// A hedge helps if one attempt is slow by chance. If most attempts are slow,
// there is a reason for it, and more load makes it worse. So hedging stops by
// itself while the median of the last 30 s is over twice that of the last ten
// minutes and, for each target, while its failures are over half of what opens
// its breaker (Breaker::IsStrained).
//
// `model` may be null, which means that nothing is known. Thread safety: pure
// functions of what the model has recorded.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_

#include "src/core/base/time.h"
#include "src/core/measure/latency_model.h"
#include "src/core/options.h"

namespace firebreak::core {

// The fixed delay, or the live quantile within its bounds. With fewer than
// LatencyModel::kMany successes it is the upper bound, since a client that
// knows nothing yet must not send everything twice.
Duration HedgeDelay(const HedgingOptions& options, LatencyModel* model,
                    Time now);

// Whether a call may be sent to two servers at once.
inline bool MayHedge(const MethodOptions& options) {
  return options.hedging.has_value() && options.idempotent.value_or(true);
}

// When to hedge an attempt that is launched now, of a call that may be hedged;
// kInfiniteFuture if the deadline is sooner.
Time HedgeAt(const MethodOptions& options, LatencyModel* model, Time deadline,
             Time now);

// The tokens of the budget that a call's first hedge leaves to retries, to
// second hedges, and to calls that are slow for longer: a half. When tokens are
// short, many calls that ask for their first hedge would have been answered
// soon anyway; calls that ask later would not. With 1 token for 10 calls, two
// hedges at the p90, and one call in twenty ten times as slow, the p99.9 is 26
// ms with a half kept, and 40 ms with nothing
// (tests/unit/core/attempts/hedging_test.cc has the model).
inline double FirstHedgeLeaves(const BudgetOptions& budget) {
  return 0.5 * (budget.burst - 1);
}

// False while there is no baseline, or fewer than LatencyModel::kFew successes
// to compare with it.
bool IsSlowerThanUsual(LatencyModel* model, Time now);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_
