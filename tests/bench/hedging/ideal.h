// What hedging could do at best: no transport, no lateness, no limits.
//
//   Ideal ideal;
//   ideal.hedges = 2;
//   ideal.delay_ms = ideal.DelayFor(/*extra=*/0.105);
//   ideal.Quantile(0.999)  // 22.6 ms
//
// Attempt n starts n delays after the first, if none has answered by then; the
// call takes as long as the first answer needs. So the chance that a call takes
// longer than t is the product, over its attempts, of the chance that each
// takes longer than t less its start. The extra load is the sum, over the
// hedges, of the chance that one is still needed at its start. Nothing is
// simulated.
//
// Thread safety: a value. Units: milliseconds. Errors: what is out of range
// makes quantiles of 0 or kNever, never a crash.
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

  // P(call takes longer).
  double Survival(double ms) const;
  double Quantile(double q) const;
  double Mean() const;
  // Hedges per call.
  double Extra() const;
  // The delay at which Extra() is that; kNeverMs for none.
  double DelayFor(double extra) const;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_IDEAL_H_
