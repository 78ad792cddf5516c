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

// False while there is no baseline, or fewer than LatencyModel::kFew successes
// to compare with it.
bool IsSlowerThanUsual(LatencyModel* model, Time now);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_
