// What is measured, and how it is summed up.
//
//   Cell cell = Measure(program, setting, /*rounds=*/30);
//   cell.Find(Variant::kGuarded)->ratio ...
//
// Every round runs a short block of each variant, so that other load on the
// machine affects all alike. In each round, a variant's block is compared with
// the block of its floor: the no-op interceptor, or for a variant that rejects,
// the hijack. The variant's ratio is the median over the rounds, its spread the
// range between the quartiles.
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
  double ratio = 1;        // of p50, to that of the floor
  double ratio_low = 1;    // quartiles over the rounds
  double ratio_high = 1;
  double throughput = 1;  // of calls_per_s, to that of the floor
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

// `program` is this program's own path, for its workers. `variants` come from
// WithFloors(). Returns INTERNAL if a worker has ended too early, with how.
absl::StatusOr<Cell> Measure(const std::string& program, const Setting& at,
                             const std::vector<Variant>& variants, int rounds);

// The command that starts a worker.
std::vector<std::string> WorkerCommand(const std::string& program,
                                       const std::string& mode, Variant variant,
                                       const Setting& at);

// The values need not be sorted. Returns 0 if there are none.
double Quantile(std::vector<double> values, double q);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_FIGURES_H_
