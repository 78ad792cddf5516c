// One variant in a process of its own, which does blocks of calls as told.
//
// A process each, so that no variant's threads wait in the same poll set as
// another's: which thread of a process is the one that polls decides how many
// wake-ups a call takes.
//
// Its input is lines with a number of calls; for each it answers one record of
// kHeader values and then the latencies of the calls. See WorkerRecord.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_WORKER_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_WORKER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/overhead/load.h"

namespace firebreak::bench {

struct WorkerOptions {
  std::string mode = "time";  // or "allocs" or "instructions": see RunWorker
  std::string variant;
  std::string stub = "sync";
  std::string address;  // empty: a server within the process
  int size = 64;
  int in_flight = 1;
};

// The child's side. "time": as above. "allocs" and "instructions": a fixed
// number of calls at once, of which the allocations are counted and written,
// or the instructions are counted by callgrind.
int RunWorker(const WorkerOptions& options);

struct Measured {
  Block block;
  int64_t switches = 0;  // context switches of the process
};

// The parent's side of mode "time". INTERNAL when the worker is gone, with how
// it ended.
absl::StatusOr<Measured> RunBlock(Child* worker, int calls);

inline constexpr int kCountedCalls = 200;

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_WORKER_H_
