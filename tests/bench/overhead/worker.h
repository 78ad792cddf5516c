// One variant in a process of its own, which makes blocks of calls on demand.
//
// Each variant has a process, so that its threads do not wait in the same poll
// set as another's. How many wake-ups a call takes depends on which thread of
// the process polls.
//
// It prints "ready". Then it answers each line of its input, a number of calls,
// with the values of Header (worker.cc) and the latencies of the calls, all as
// int64_t.
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

// The child's side. Mode "time" is described above. The other modes make
// kCountedCalls calls without being asked: "allocs" counts and prints their
// allocations, and for "instructions" callgrind counts.
int RunWorker(const WorkerOptions& options);

struct Measured {
  Block block;
  int64_t switches = 0;  // context switches of the process
};

// The parent's side of mode "time". Returns INTERNAL if the worker is gone,
// with how it ended.
absl::StatusOr<Measured> RunBlock(Child* worker, int calls);

inline constexpr int kCountedCalls = 200;

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_WORKER_H_
