// How long the bench's server takes for a call, and how likely that is.
//
//   Duration sleep = DrawSleep(seed, call, /*attempt=*/0, kStragglers);
//   double share = MixedSurvival(8.67, kStragglers);  // P(sleep > 8.67 ms)
//
// The time is lognormal with mean 5 ms and standard deviation 2 ms. With
// probability 5 % an attempt is a straggler, and takes ten times as long. It is
// the set-up for which bhope/hedge (Go) publishes its figures (see its
// benchmark/simulate/main.go), so ours can be compared with them.
//
// A draw depends on its arguments only: every variant meets the same sleeps in
// the same calls, so a difference between two variants is not luck.
//
// Stragglers may be correlated: if the first attempt is one, each further
// attempt is one with probability `rho`. A `rho` of kStragglers means that they
// are independent.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_LEAF_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_LEAF_H_

#include <cstdint>

#include "src/core/base/time.h"

namespace firebreak::bench {

inline constexpr double kMeanMs = 5;
inline constexpr double kDeviationMs = 2;
inline constexpr double kStragglers = 0.05;
inline constexpr double kStragglerFactor = 10;

// The sleep of attempt 0, 1, ... of a call.
core::Duration DrawSleep(uint64_t seed, int64_t call, int attempt, double rho);

// P(sleep > ms) for an attempt that is no straggler, for a straggler, and for a
// mix with the share `stragglers` of them.
double FastSurvival(double ms);
double SlowSurvival(double ms);
double MixedSurvival(double ms, double stragglers);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_LEAF_H_
