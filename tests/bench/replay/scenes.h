// The scenes of the replay bench. Each is played over real sockets, recorded,
// and simulated from its recording.
//
// There are few callers, so that the machine keeps up. If everything were late,
// the recording would be about the machine and not about the servers. How late
// timers fire is measured during the recording, and used to simulate hedges.
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

// How far the medians (or means) are apart, as a share of what was measured.
struct TailErrors {
  double p99 = 0;
  double extra = 0;
};

// Calls the hedging bench's servers (leaf.h), with its hedges by live quantile,
// two at most. Returns nullopt if calls failed.
absl::optional<TailErrors> ReplayTail(const std::vector<std::string>& addresses,
                                      int runs, int64_t calls);

// "What would `timeout: 250ms` and a hedge at p95 have done?" Calls of the same
// servers are recorded under a policy that only retries, and simulated under
// the policy in question. The same calls are then made under that policy, and
// the two results compared.
absl::optional<TailErrors> AnswerWhatIf(
    const std::vector<std::string>& addresses, int runs, int64_t calls);

struct OutageErrors {
  double open = 0;
  double recovery = 0;
};

// Calls a server that freezes again and again, as payment does in the demo,
// under a policy with breaker, retry and timeout. Compares how long the breaker
// was not closed, and how long after the end of an outage it was closed for
// good. That varies by up to a second with the time of the next probe, which no
// recording has. So means of many outages are compared. Their lengths differ,
// so that they end at all phases of the probes, and each is simulated as the
// mean of many seeds.
OutageErrors ReplayOutages(int outages, core::Duration well,
                           core::Duration frozen);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_REPLAY_SCENES_H_
