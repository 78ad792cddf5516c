// What the replay bench plays: each scene over real sockets, recorded, and
// simulated from its recording.
//
// Callers are few, so that the machine keeps up: on one that is late with
// everything, what is recorded of the servers is about the machine. How late
// timers were, is measured beside the recording and goes into the simulation of
// the hedges.
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_BENCH_REPLAY_SCENES_H_
#define FIREBREAK_TESTS_BENCH_REPLAY_SCENES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "src/core/base/time.h"

namespace firebreak::bench {

// How far medians are apart, as a share of what was measured.
struct TailErrors {
  double p99 = 0;
  double extra = 0;
};

// The hedging bench's servers (leaf.h) and its hedges by live quantile, two at
// most. Absent: calls failed.
absl::optional<TailErrors> ReplayTail(const std::vector<std::string>& addresses,
                                      int runs, int64_t calls);

// "What would `timeout: 250ms` and a hedge at p95 have done?" Calls of the same
// servers are recorded under a policy that only retries; what is simulated of
// them under that one is compared with the same calls, made under it.
absl::optional<TailErrors> AnswerWhatIf(
    const std::vector<std::string>& addresses, int runs, int64_t calls);

struct OutageErrors {
  double open = 0;
  double recovery = 0;
};

// A server that freezes again and again, as payment does in the demo; breaker,
// retry and timeout. How long the breaker was not closed, and how long after
// the end of an outage it was closed for good. That takes up to a second more
// or less, as the next probe comes, which no recording tells: so means of many
// outages are compared, whose lengths differ so that they end at all phases of
// the probes, and what is simulated of each is the mean of many seeds.
OutageErrors ReplayOutages(int outages, core::Duration well,
                           core::Duration frozen);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_REPLAY_SCENES_H_
