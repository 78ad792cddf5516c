// How long the bench's server takes for a call, and how likely.
//
//   Duration sleep = DrawSleep(seed, call, /*attempt=*/0, kStragglers);
//   double share = MixedSurvival(8.67, kStragglers);  // P(sleep > 8.67 ms)
//
// Lognormal with mean 5 ms and standard deviation 2 ms; with probability 5 % a
// straggler, ten times that. It is the set-up that bhope/hedge (Go) publishes
// its figures for (its benchmark/simulate/main.go), so that ours stand beside
// them.
//
// A draw depends on its arguments only: every variant meets the same sleeps in
// the same calls, and what differs between two variants is not luck.
//
// Correlated stragglers: where the first attempt is one, each further attempt
// is one with probability `rho`. kStragglers there means independent.
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

// Of attempt 0, 1, ... of a call.
core::Duration DrawSleep(uint64_t seed, int64_t call, int attempt, double rho);

// P(sleep > ms) of one that is no straggler, of a straggler, and of a mix with
// so many stragglers.
double FastSurvival(double ms);
double SlowSurvival(double ms);
double MixedSurvival(double ms, double stragglers);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_LEAF_H_
