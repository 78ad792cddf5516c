// When to hedge: how long to wait for an answer, and when not to hedge at all.
//
//   Time at = SaturatingAdd(now, HedgeDelay(*options.hedging, model, now));
//   if (IsSlowerThanUsual(model, now)) ...             // no hedge now
//
// A hedge helps against the attempt that is unlucky; when most are slow there
// is a reason, and load on top makes it worse. So hedging stops by itself while
// the median of the last 30 s is over twice that of the last ten minutes; and,
// target by target, while its failures are over half of what opens its breaker
// (Breaker::IsStrained).
//
// `model` may be null: then nothing is known. Thread safety: pure functions of
// what the model knows.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_

#include "src/core/base/time.h"
#include "src/core/measure/latency_model.h"
#include "src/core/options.h"

namespace firebreak::core {

// The fixed one; or the live quantile, within its bounds. While that is known
// from fewer than LatencyModel::kMany successes it is the upper bound: a client
// that knows nothing yet must not send everything twice.
Duration HedgeDelay(const HedgingOptions& options, LatencyModel* model,
                    Time now);

// Not while there is no baseline, or fewer than LatencyModel::kFew successes to
// hold against it.
bool IsSlowerThanUsual(LatencyModel* model, Time now);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_HEDGING_H_
