// The server of the hedging bench. It answers after the time that leaf.h draws.
//
//   return ServeSleepsUntilOrphaned(seed);      // in a process of its own
//
//   Child server({program, "serve", ...});      // on the other side
//   std::istringstream addresses(server.ReadLine());
//   HostCounts counts = ReadCounts(&server);    // whenever wanted
//
// It listens on kReplicas ports of 127.0.0.1. The text of a request (see
// SleepRequest) has its variant and call; gRPC's own metadata
// `grpc-previous-rpc-attempts` has its attempt. A cancelled call ends at once.
//
// One thread waits for the next sleep to end, and ends it: gRPC's Alarm counts
// in whole milliseconds, and a thread for each call would be too many. How late
// sleeps end is measured, since no client's figures can be better than that.
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
  // Returns false if `text` is not a SleepRequest.
  static bool FromText(const std::string& text, SleepRequest* out);
};

// Since the server's start.
struct HostCounts {
  std::array<int64_t, kMostVariants> hits{};       // of each variant
  std::array<int64_t, kMostVariants> cancelled{};  // of these, in their sleep
  double late_p50_us = 0;
  double late_p99_us = 0;
  double late_p999_us = 0;
};

// If the server is gone, says on stderr how it ended, and returns false.
bool ReadCounts(Child* server, HostCounts* out);

// Prints the addresses in one line. Then it answers every line of stdin with
// the counts until stdin ends, as it does when the parent process is gone.
int ServeSleepsUntilOrphaned(uint64_t seed);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_SLEEPING_HOST_H_
