// Retries against a server that fails each attempt by chance.
//
//   StormStudy study;                                   // as published
//   for (const StormRow& row : RunStorm(study)) ...
//
// The setting is M. Brooker's ("Fixing retries with token buckets and circuit
// breakers", 2022-02-28): 100 clients with 10 calls a second each at random
// times, a server that is never busy and fails each attempt with probability f,
// and legs of 10 ms on average, exponentially distributed. The study asks of
// each way of retrying how many calls succeed, and how many attempts it sends
// for them. Calls have no deadline.
//
// All strategies meet the same calls with the same luck. So at any one f, no
// strategy that retries can succeed less often than "none" by chance alone.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_STORM_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_STORM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct StormStudy {
  int clients = 100;
  double calls_per_second = 10;  // of each client
  Duration length = Sec(60);
  Duration mean_leg = Ms(10);
  std::vector<double> failure_rates = {.01, .05, .1, .2, .3, .4, .5, .75, 1};
  uint64_t seed = 1;
};

struct StormCell {
  double failure_rate;
  double success;  // share of calls
  double load;     // attempts per call
};

struct StormRow {
  std::string strategy;
  std::vector<StormCell> cells;  // for each failure rate
};

// Names of rows that other files look up.
inline constexpr char kNoRetry[] = "none";
inline constexpr char kFirebreak[] = "firebreak";
inline constexpr char kFirebreakFloor[] = "firebreak, floor 1";
inline constexpr char kFirebreakBreaker[] = "firebreak, breaker";

std::vector<Strategy> StormStrategies();
std::vector<StormRow> RunStorm(const StormStudy& study);

const StormRow& Find(const std::vector<StormRow>& rows,
                     const std::string& strategy);
double LargestLoad(const StormRow& row);
double SuccessAt(const StormRow& row, double failure_rate);
// At how many failure rates `row` succeeds less often than `none`.
int WorseThan(const StormRow& none, const StormRow& row);
// How much success the breaker costs at most, at any failure rate up to a half,
// against the better of no retries and retries alone.
double Hurt(const std::vector<StormRow>& rows);

// The load of clients of one rate under firebreak's default budget, at the
// worst failure rate. Each client makes about 1,000 calls, or 50,000 if it
// makes more than 100 a second.
struct LoadCell {
  double calls_per_second;
  double load;
  double success_at_5;
};
std::vector<LoadCell> RunLoads(uint64_t seed);
// The load that an attempt budget allows: 1 + ratio, and per call its floor and
// what it starts with.
double LoadBound(const StormStudy& study, const core::BudgetOptions& budget);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_STORM_H_
