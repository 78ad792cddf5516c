// The best that hedging could do, without transport, lateness and limits.
//
//   Ideal ideal;
//   ideal.hedges = 2;
//   ideal.delay_ms = ideal.DelayFor(/*extra=*/0.105);
//   ideal.Quantile(0.999)  // 22.6 ms
//
// Attempt n starts n delays after the first, if none has answered by then; the
// call ends with the first answer. So the chance that a call takes longer than
// t is the product, over its attempts, of the chance that the attempt takes
// longer than t minus its start. The extra load is the sum, over the hedges, of
// the chance that the hedge is still needed at its start. Nothing is simulated.
//
// Thread safety: that of a value. Units: milliseconds. Errors: values out of
// range give quantiles of 0 or kNeverMs, never a crash.
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_IDEAL_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_IDEAL_H_

#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {

struct Ideal {
  // Longer than any call of the leaf takes.
  static constexpr double kNeverMs = 10'000;

  int hedges = 0;
  double delay_ms = kNeverMs;
  double rho = kStragglers;  // see leaf.h

  // The probability that a call takes longer than `ms`.
  double Survival(double ms) const;
  double Quantile(double q) const;
  double Mean() const;
  // Hedges per call.
  double Extra() const;
  // The delay at which Extra() is `extra`; kNeverMs if no hedges are wanted.
  double DelayFor(double extra) const;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_IDEAL_H_
