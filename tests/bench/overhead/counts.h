// Counts the instructions and allocations of a call.
//
//   absl::StatusOr<CountedMap> counted =
//       Count(program, setting, {Variant::kNoOp, Variant::kDriven}, folder);
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_COUNTS_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_COUNTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/overhead/figures.h"

namespace firebreak::bench {

// Counts per call, which do not depend on what else the machine does.
struct Counted {
  double instructions = 0;  // of the client process
  double allocations = 0;
  double ours = 0;                  // of these, those by firebreak's code
  std::vector<std::string> places;  // of ours
};

using CountedMap = std::map<Variant, Counted>;

// `program` is this program's own path, for its workers. Variants that do not
// exist in this setting are left out. callgrind's files go into `folder`.
// Returns INTERNAL if a worker did not end well, with how it ended.
absl::StatusOr<CountedMap> Count(const std::string& program, const Setting& at,
                                 const std::vector<Variant>& variants,
                                 const std::string& folder);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_COUNTS_H_
