// A short loss of capacity, and whether the service ever comes back from it.
//
//   MetastableStudy study;
//   for (const MetastableRow& row : RunMetastable(study)) ...
//
// A server of 10 workers and 10 ms per call (1,000 calls a second, its queue
// has no end, and it does not notice that a client has gone) is called 800
// times a second. For ten seconds it does a fifth of its work, then all of it
// again. Attempts are given up after 250 ms. Retries then keep the queue longer
// than that, and every reply comes too late: the trigger is gone, the failure
// stays (Bronson et al., "Metastable failures in distributed systems", HotOS
// '21).
//
// Recovered: from then on, in every quarter of a second, at least 95 % of the
// calls begun succeed.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_METASTABLE_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_METASTABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "src/sim/client.h"
#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct MetastableStudy {
  int clients = 100;
  double calls_per_second = 8;  // of each
  int workers = 10;
  Duration service = Ms(10);
  Duration attempt_timeout = Ms(250);
  int max_attempts = 5;
  Duration trigger_at = Sec(15);
  Duration trigger = Sec(10);
  double speed = 0.2;  // of the server, in the trigger
  bool honours_cancel = false;
  Duration length = Sec(75);
  uint64_t seed = 1;
};

struct MetastableRow {
  std::string strategy;
  // After the trigger's end; absent: not within the study.
  absl::optional<Duration> recovery;
  // Good calls per call: in the trigger, and from its end to the study's.
  double goodput_in_trigger;
  double goodput_after;
  double amplification;  // attempts per call, from the trigger's begin
  double wasted;         // share of the server's work that came to nobody
  std::vector<sim::Tally::Bucket> buckets;
  Duration bucket_width;
};

// Names of rows that are asked for elsewhere: with the breaker's defaults, and
// with one that refuses everything for a second at first, and for four at most.
inline constexpr char kGuarded[] = "firebreak";
inline constexpr char kQuick[] = "firebreak, open 1s";

std::vector<Strategy> MetastableStrategies(const MetastableStudy& study);
// When the last bad quarter of a second after the trigger is over.
absl::optional<Duration> RecoveryIn(const std::vector<sim::Tally::Bucket>& of,
                                    Duration trigger_end, Duration length);
inline constexpr Duration kRecoveryBucket = Ms(250);
MetastableRow RunMetastable(const MetastableStudy& study,
                            const Strategy& strategy);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_METASTABLE_H_
