// What the hedging bench is told to do.
//
//   absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
//   if (!flags.ok()) ...          // names the flag, its value and the range
//   if (!flags->help.empty()) ... // print it, and that is all
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace firebreak::bench {

struct Flags {
  std::string help;
  bool serve = false;  // what the program starts of itself: the server
  std::string study;   // empty, or "quantiles"
  std::string folder = ".";
  int64_t calls = 50'000;  // of each variant
  int callers = 20;
  // What costs a tenth more load on these servers, with two hedges.
  double quantile = 0.892;
  double budget = 0.15;
  double rho = 0.25;
  int64_t seed = 1;
  bool quick = false;
};

// INVALID_ARGUMENT for anything that is not as it should be.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_
