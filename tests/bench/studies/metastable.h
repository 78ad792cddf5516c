// Whether a service ever recovers from a short loss of capacity.
//
//   MetastableStudy study;
//   for (const MetastableRow& row : RunMetastable(study)) ...
//
// A server with 10 workers and 10 ms per call can answer 1,000 calls a second,
// and is called 800 times a second. Its queue has no limit, and it does not
// notice that a client has gone. For ten seconds it works at a fifth of its
// speed, then at full speed again. Clients give an attempt up after 250 ms.
// Retries then keep the queue longer than that, and every reply is too late:
// the trigger is gone, the failure stays (Bronson et al., "Metastable failures
// in distributed systems", HotOS '21).
//
// The service has recovered when from then on, in every quarter of a second, at
// least 95 % of the calls that begin succeed.
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
  double calls_per_second = 8;  // of each client
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
  // Since the trigger's end; absent if not within the study.
  absl::optional<Duration> recovery;
  // Shares of good calls: in the trigger, and from its end to the study's.
  double goodput_in_trigger;
  double goodput_after;
  double amplification;  // attempts per call, since the trigger's start
  double wasted;         // share of the server's work that was done for nobody
  std::vector<sim::Tally::Bucket> buckets;
  Duration bucket_width;
};

// Names of rows that other files look up. One has the default breaker, the
// other a breaker that refuses all calls for a second at first, later for up to
// four seconds.
inline constexpr char kGuarded[] = "firebreak";
inline constexpr char kQuick[] = "firebreak, open 1s";

std::vector<Strategy> MetastableStrategies(const MetastableStudy& study);
// The time from the trigger's end to the end of the last bad quarter of a
// second.
absl::optional<Duration> RecoveryIn(const std::vector<sim::Tally::Bucket>& of,
                                    Duration trigger_end, Duration length);
inline constexpr Duration kRecoveryBucket = Ms(250);
MetastableRow RunMetastable(const MetastableStudy& study,
                            const Strategy& strategy);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_METASTABLE_H_
