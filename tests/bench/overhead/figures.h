// What was measured, and how it is summed up.
//
//   Cell cell = Measure(program, setting, /*rounds=*/30);
//   cell.Find(Variant::kGuarded)->ratio ...
//
// Every round runs a short block of each variant, so that what else the machine
// does hits all alike. A variant's ratio is the median, over the rounds, of its
// block against the no-op interceptor's block of the same round; its spread is
// the range between the quartiles of those.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_FIGURES_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_FIGURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/overhead/variants.h"

namespace firebreak::bench {

struct Row {
  Variant variant;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;       // of the process, per call
  double calls_per_s = 0;  // median of the blocks
  double ratio = 1;        // of p50 to the no-op's, or a reject's to hijack's
  double ratio_low = 1;    // quartiles over the rounds
  double ratio_high = 1;
  double throughput = 1;  // to the no-op's
  double switches = 0;    // context switches of the process, per call
  int failed = 0;         // calls that did not end as they should
};

// One of the ways of calling.
struct Setting {
  std::string address;  // of a server; empty: one within the process
  StubKind stub = StubKind::kSync;
  int size = 64;
  int in_flight = 1;

  std::string transport() const { return address.empty() ? "inproc" : "tcp"; }
};

struct Cell {
  Setting at;
  std::vector<Row> rows;

  std::string name() const;
  const Row* Find(Variant variant) const;
};

// `program` is this program's own path, for its workers; `variants`:
// WithFloors(). INTERNAL when a worker has ended before its time, and how.
absl::StatusOr<Cell> Measure(const std::string& program, const Setting& at,
                             const std::vector<Variant>& variants, int rounds);

// How a worker is started.
std::vector<std::string> WorkerCommand(const std::string& program,
                                       const std::string& mode, Variant variant,
                                       const Setting& at);

// Of sorted or unsorted values; 0 when there are none.
double Quantile(std::vector<double> values, double q);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_FIGURES_H_
