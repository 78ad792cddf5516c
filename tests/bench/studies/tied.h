// Tied requests: two queues get a copy each, and the first copy that begins
// cancels the other.
//
//   for (const TiedRow& row : RunTied(TiedStudy{})) ...
//
// The technique is that of Dean and Barroso, "The Tail at Scale" (CACM 56(2),
// 2013), Table 2: reads from files of three replicas, the second copy sent 1 ms
// after the first, twice the delay of the network, in an idle cluster and
// beside a big sort. It needs servers that tell each other, so firebreak does
// not do it; it is here for comparison with hedging. They do not describe their
// disks. Here each has one worker, and we chose the service time and the loads,
// so only the shape of their table can be reproduced.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_TIED_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_TIED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct TiedStudy {
  int servers = 30;
  Duration mean_service = Ms(10);
  Duration service_deviation = Ms(8);
  double idle_utilization = 0.35;
  double loaded_utilization = 0.45;
  Duration offset = Ms(1);  // of the second copy
  Duration network = Duration(std::chrono::microseconds(500));  // one way
  Duration length = Sec(300);
  uint64_t seed = 1;
};

struct TiedRow {
  std::string servers;  // "idle", "loaded"
  bool tied;
  Duration p50;
  Duration p90;
  Duration p99;
  Duration p999;
  double extra_work;  // share of the servers' work that was broken off
};

// Runs idle servers without and with ties, then loaded ones.
std::vector<TiedRow> RunTied(const TiedStudy& study);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_TIED_H_
