// Parses distributions as people write them:
//
//   20ms                                     always
//   exponential(20ms)                        by its mean
//   lognormal(20ms, 30ms)                    by mean and standard deviation
//   pareto(5ms, 1.5)                         by the shortest and the shape
//   quantiles(p50=20ms, p99=180ms, p99.9=1s) straight lines between them, with
//                                            both scales logarithmic
//   95% lognormal(20ms, 5ms) + 5% 800ms      a mixture, by shares of 100 %
//
//   absl::StatusOr<Distribution> latency = ParseDistribution(text);
//
// Durations are above zero and up to an hour. The shape of a Pareto is in (0,
// 100], and its samples end at an hour. There are 2 to 20 quantiles, all in (0,
// 100), and both numbers have to increase. Below the first quantile the line
// continues with the slope between the first two, and above the last with the
// slope between the last two, up to ten times the last.
//
// Errors: INVALID_ARGUMENT that names the wrong word and what is accepted
// there.
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
