// What is compared between commits: one figure for each promise, with its goal
// where it has one.
//
//   PrintGoals(report);
//   std::printf("%s\n", LastLine(report).c_str());   // "overhead:
//   guarded_ir=..."
//
// A figure is held against the no-op interceptor of the same stub, transport
// and size in the same run (a refusal against a bare hijack); what was not
// measured shows as "-".
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
  // At most this, or at least this; neither: no goal.
  absl::optional<double> most = absl::nullopt;
  absl::optional<double> least = absl::nullopt;

  // True while nothing is known to the contrary.
  bool IsMet() const;
};

// All of the last line, in its order.
std::vector<Figure> Figures(const Report& report);
// A table of those that have a goal and were measured.
void PrintGoals(const Report& report);
std::string LastLine(const Report& report);

// Of `variant` to the no-op interceptor.
absl::optional<double> InstructionRatio(const CountedMap& counted,
                                        Variant variant);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_SUMMARY_H_
