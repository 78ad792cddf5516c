// The samples of a circuit breaker.
//
// Its state is one series for each possible state, of which one is 1. So `sum
// by (state)` counts breakers, and no rule needs to know numbers of states.
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_PROMETHEUS_BREAKER_SAMPLES_H_
#define FIREBREAK_SRC_PROMETHEUS_BREAKER_SAMPLES_H_

#include "absl/types/optional.h"
#include "src/core/breaker/breaker.h"
#include "src/core/options.h"
#include "src/prometheus/exposition.h"

namespace firebreak::metrics {

// `options` are those of the breaker.
void AddBreaker(const core::Breaker::Identity& identity,
                const core::BreakerSnapshot& s,
                const absl::optional<core::BreakerOptions>& options,
                Exposition* out);

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_BREAKER_SAMPLES_H_
