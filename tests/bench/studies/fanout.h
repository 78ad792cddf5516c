// A request that needs a hundred answers is as slow as the slowest of them.
//
//   FanoutStudy study;
//   for (const FanoutRow& row : RunFanout(study)) ...
//
// The setting is that of Dean and Barroso, "The Tail at Scale" (CACM 56(2),
// 2013): a request reads from 100 servers; a second copy of each read is sent
// after 10 ms. They report 1,800 ms -> 74 ms at the 99.9th percentile for 2 %
// more reads, but not how long one read takes. If reads are independent, their
// figures fix three points of that distribution:
//
//   P(X > 10 ms)   = 2 %        2 % of reads are hedged
//   P(X > 1800 ms) = 0.001 %    1 - 0.999^(1/100)
//   P(X > 69 ms)   = 0.32 %     P(X > 74) P(X > 64) = 0.001 %
//
// Between them the leaf is a straight line on logarithmic scales. So 1,800 and
// 74 are inputs, and the study shows whether firebreak, with its budget and its
// timers, achieves what the arithmetic allows. A second leaf leaves the third
// point out (a Pareto tail), so 74 is not an input there.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_FANOUT_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_FANOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "src/sim/distribution.h"
#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct FanoutStudy {
  int requests = 30'000;
  int width = 100;
  Duration hedge_after = Ms(10);
  uint64_t seed = 1;
};

struct FanoutRow {
  std::string leaf;
  std::string hedging;  // "none", or when
  Duration p50;         // of whole requests
  Duration p99;
  Duration p999;
  double extra;  // attempts per read, less one
};

sim::Distribution CalibratedLeaf();
sim::Distribution ParetoLeaf();

// Runs the calibrated leaf without and with a hedge, then the Pareto leaf.
std::vector<FanoutRow> RunFanout(const FanoutStudy& study);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_FANOUT_H_
