// The command line of the hedging bench.
//
//   absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
//   if (!flags.ok()) ...          // names the flag, its value and the range
//   if (!flags->help.empty()) ... // print it and end
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace firebreak::bench {

struct Flags {
  std::string help;
  bool serve = false;  // be the server, as the program starts itself
  std::string study;   // empty, or "quantiles"
  std::string folder = ".";
  int64_t calls = 50'000;  // of each variant
  int callers = 20;
  // With two hedges, this quantile costs a tenth more load on these servers.
  double quantile = 0.892;
  double budget = 0.15;
  double rho = 0.25;
  int64_t seed = 1;
  bool quick = false;
};

// Returns INVALID_ARGUMENT if a flag is not known or not valid.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_FLAGS_H_
