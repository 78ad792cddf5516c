// The figures as a table, as JSON, as a plot's data, and as one line.
//
//   report.rows.back().Add(block);            // of each block
//   report.rows.back().Finish();
//   PrintTable(report);
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_REPORT_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/hedging/flags.h"
#include "tests/bench/hedging/sleeping_host.h"
#include "tests/bench/hedging/variants.h"

namespace firebreak::bench {

// All that was measured for one variant.
struct Row {
  Variant variant;
  std::vector<int64_t> latencies_ns;  // sorted by Finish()
  int64_t hits = 0;                   // at the server
  int64_t cpu_ns = 0;
  int64_t failed = 0;
  Counted counted;

  void Add(const Block& block);
  void Finish();
  // The rest is valid after Finish().
  double Ms(double quantile) const;
  double MeanMs() const;
  double Extra() const;  // (hits - calls) / calls
  double CpuUs() const;  // of the client, per call
  Ideal ideal() const { return variant.IdealAt(Extra()); }
};

struct Report {
  Flags flags;
  std::vector<Row> rows;
  // The name of the row that the plot and the last line compare with the best
  // possible.
  std::string best_of;
  HostCounts host;
  // How long a call takes besides the server's sleep, without firebreak.
  double transport_p50_us = 0;
  double transport_p99_us = 0;
};

const Row* Find(const Report& report, const std::string& name);

// A quantile of sorted values, by the nearest rank; 0 if there are none.
double SortedQuantile(const std::vector<int64_t>& sorted, double q);

void PrintTable(const Report& report);
// Writes NAME.json and NAME.dat (for gnuplot) into the folder of the flags.
// Returns false if that is not possible.
bool WriteFiles(const Report& report, const std::string& name);
// "hedging: p99_ms=…".
std::string LastLine(const Report& report);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_REPORT_H_
