// The figures that are compared between commits: one for each promise, with its
// goal if it has one.
//
//   PrintGoals(report);
//   std::printf("%s\n", LastLine(report).c_str());   // "overhead:
//   guarded_ir=..."
//
// A ratio compares with the no-op interceptor of the same stub, transport and
// size in the same run (for a refusal: with a bare hijack). Figures that were
// not measured show as "-".
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_SUMMARY_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_SUMMARY_H_

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "tests/bench/overhead/report.h"

namespace firebreak::bench {

struct Figure {
  std::string name;
  absl::optional<double> value = absl::nullopt;
  int decimals = 3;
  // The goal: at most this, or at least this. Without either there is no goal.
  absl::optional<double> most = absl::nullopt;
  absl::optional<double> least = absl::nullopt;

  // True as well if the figure was not measured or has no goal.
  bool IsMet() const;
};

// All figures of the last line, in its order.
std::vector<Figure> Figures(const Report& report);
// Prints a table of the figures that have a goal and were measured.
void PrintGoals(const Report& report);
std::string LastLine(const Report& report);

// The instructions of `variant`, divided by those of the no-op interceptor.
absl::optional<double> InstructionRatio(const CountedMap& counted,
                                        Variant variant);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_SUMMARY_H_
