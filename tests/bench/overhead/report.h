// The figures as tables, as JSON, and as a plot's data. The last line is in
// summary.h.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_

#include <map>
#include <string>
#include <vector>

#include "tests/bench/overhead/counts.h"
#include "tests/bench/overhead/figures.h"

namespace firebreak::bench {

struct Report {
  std::vector<Cell> cells;
  // With 64 B, over TCP and within the process.
  std::map<StubKind, CountedMap> tcp;
  std::map<StubKind, CountedMap> inproc;
};

void PrintCell(const Cell& cell);
void PrintCounted(const std::string& title, const CountedMap& counted);
// Writes overhead.json and overhead.dat (for gnuplot) into `folder`. Returns
// false if one of them could not be written.
bool WriteFiles(const Report& report, const std::string& folder);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_
