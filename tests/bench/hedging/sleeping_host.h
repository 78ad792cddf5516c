// The server of the hedging bench: answers after the time that leaf.h draws.
//
//   return ServeSleepsUntilOrphaned(seed);      // in a process of its own
//
//   Child server({program, "serve", ...});      // on the other side
//   std::istringstream addresses(server.ReadLine());
//   HostCounts counts = ReadCounts(&server);    // whenever wanted
//
// It listens on kReplicas ports of 127.0.0.1. The text of a request says which
// variant and call it is of, see SleepRequest; which attempt, gRPC's own
// `grpc-previous-rpc-attempts`. A call that is cancelled ends at once.
//
// Its sleeps end by one thread that waits for the next of them: gRPC's Alarm
// counts in whole milliseconds, a thread for each call would be many. How late
// they end is counted, since it is the floor below any client's figures.
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_SLEEPING_HOST_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_SLEEPING_HOST_H_

#include <array>
#include <cstdint>
#include <string>

#include "tests/bench/overhead/child.h"

namespace firebreak::bench {

inline constexpr int kReplicas = 3;
inline constexpr int kMostVariants = 32;

struct SleepRequest {
  int variant = 0;  // under kMostVariants: where it is counted
  int64_t call = 0;
  double rho = 0;

  std::string ToText() const;
  // False when `text` is none.
  static bool FromText(const std::string& text, SleepRequest* out);
};

// Since the server's start.
struct HostCounts {
  std::array<int64_t, kMostVariants> hits{};       // of each variant
  std::array<int64_t, kMostVariants> cancelled{};  // of them, before their end
  double late_p50_us = 0;
  double late_p99_us = 0;
  double late_p999_us = 0;
};

// False when the server is gone, after saying how on stderr.
bool ReadCounts(Child* server, HostCounts* out);

// Prints the addresses in one line; then answers every line of stdin with the
// counts, until stdin ends, which it does when whoever started us is gone.
int ServeSleepsUntilOrphaned(uint64_t seed);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_SLEEPING_HOST_H_
