#include "src/core/attempts/hedging.h"

#include <algorithm>

#include "src/core/base/deadline.h"

namespace firebreak::core {

Duration HedgeDelay(const HedgingOptions& options, LatencyModel* model,
                    Time now) {
  if (options.quantile == 0) return options.delay;
  if (model == nullptr || model->samples(now) < LatencyModel::kMany) {
    return options.max_delay;
  }
  const Duration live =
      model->Quantile(options.quantile, now).value_or(options.max_delay);
  return std::min(std::max(live, options.min_delay), options.max_delay);
}

Time HedgeAt(const MethodOptions& options, LatencyModel* model, Time deadline,
             Time now) {
  const Time at = SaturatingAdd(now, HedgeDelay(*options.hedging, model, now));
  return CanPayFor(deadline, at) ? at : kInfiniteFuture;
}

bool IsSlowerThanUsual(LatencyModel* model, Time now) {
  if (model == nullptr || model->samples(now) < LatencyModel::kFew) {
    return false;
  }
  const absl::optional<Duration> usual = model->Baseline(now);
  const absl::optional<Duration> current = model->Quantile(0.5, now);
  return usual && current && *current > Scale(*usual, 2);
}

}  // namespace firebreak::core
