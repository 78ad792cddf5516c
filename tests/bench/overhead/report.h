// The figures as a table, as JSON, as a plot's data, and as one line.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_

#include <map>
#include <string>
#include <vector>

#include "tests/bench/overhead/figures.h"

namespace firebreak::bench {

// What is counted per call, and does not depend on the machine's mood.
struct Counted {
  double instructions = 0;  // of the client process
  double allocations = 0;
  double ours = 0;                  // of them, asked for by firebreak's code
  std::vector<std::string> places;  // of those
};

struct Report {
  std::vector<Cell> cells;
  // Sync, 64 B: over TCP, and within the process.
  std::map<Variant, Counted> tcp;
  std::map<Variant, Counted> inproc;
};

void PrintCell(const Cell& cell);
void PrintCounted(const char* title, const std::map<Variant, Counted>& counted);
// Writes overhead.json, overhead.dat (for gnuplot) into `folder`. False when
// that is not possible.
bool WriteFiles(const Report& report, const std::string& folder);
// "overhead: guarded_ir=…"; what was not measured shows as "-".
std::string LastLine(const Report& report);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_REPORT_H_
