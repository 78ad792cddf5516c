// Distributions as people write them:
//
//   20ms                                     always
//   exponential(20ms)                        by its mean
//   lognormal(20ms, 30ms)                    by mean and standard deviation
//   pareto(5ms, 1.5)                         by the shortest and the shape
//   quantiles(p50=20ms, p99=180ms, p99.9=1s) straight lines between, on paper
//                                            with two logarithmic scales
//   95% lognormal(20ms, 5ms) + 5% 800ms      a mixture, by shares of 100 %
//
//   absl::StatusOr<Distribution> latency = ParseDistribution(text);
//
// Durations are above zero and up to an hour; a Pareto's shape is in (0, 100],
// and its samples end at an hour. Of quantiles there are 2 to 20, all in (0,
// 100), and both numbers rise; below the first lies as much as is likely with
// the slope between the first two, and above the last as with that between the
// last two, ten times the last at most.
//
// Errors: INVALID_ARGUMENT that names the word which does not fit and what is
// accepted.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_SIM_DISTRIBUTION_TEXT_H_
#define FIREBREAK_SRC_SIM_DISTRIBUTION_TEXT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/sim/distribution.h"

namespace firebreak::sim {

absl::StatusOr<Distribution> ParseDistribution(absl::string_view text);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_DISTRIBUTION_TEXT_H_
