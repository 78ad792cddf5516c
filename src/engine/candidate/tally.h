// What a candidate policy would have done with the calls of one method, beside
// what the live policy did.
//
//   tally.Add(Would::kRefuse, Live::kSucceeded);
//   tally.AddRefusal(Reason::kBreakerOpen);
//   CandidateCounts counts = tally.counts();
//   counts.of(Would::kRefuse, Live::kSucceeded);    // the live one was right
//
// Every call that began under the candidate is counted once, when it ends, by
// its outcome under the live policy. What the candidate would have done
// differently is counted by the same outcome. Where it would have refused or
// ended a call:
//
//   the call succeeded   the live policy was right to let it go on
//   it failed            the candidate was right: it would have failed sooner
//   it is not known      its caller ended it, or the live policy refused it
//
// An answer from a fallback does not count as a success, since no server
// answered: the call failed or, if nothing was sent, was refused.
//
// Thread safety: safe from any thread. The counters are striped over threads
// (striped.h), so threads rarely contend. A call that both policies treat alike
// increments one counter.
#ifndef FIREBREAK_SRC_ENGINE_CANDIDATE_TALLY_H_
#define FIREBREAK_SRC_ENGINE_CANDIDATE_TALLY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "src/core/base/reason.h"
#include "src/core/base/striped.h"

namespace firebreak::engine {

// The outcome of a call under the live policy.
enum class Live {
  kSucceeded,
  kFailed,   // with a status that is not OK, or a fallback answered instead
  kUnknown,  // cancelled by its caller, or destroyed without a status
  kRefused,  // by firebreak, before anything was sent
};
inline constexpr size_t kLives = 4;

// What the candidate would have done with a call.
enum class Would {
  kNothingElse,  // counted for every call, whatever else is counted for it
  kRefuse,
  kTimeOut,  // ended it by the candidate's timeout, before or as it ended
  kGoOn,     // not ended it where the live policy's timeout did
  kWait,     // made it wait for a token or a slot
  kRetry,    // tried again where the live policy gave up
  kGiveUp,   // given up where the live policy tried again
  kHedge,    // sent a second attempt beside the first
};
inline constexpr size_t kWoulds = 8;

// Names for metric labels: "succeeded", "time_out".
constexpr absl::string_view LiveName(Live live) {
  constexpr absl::string_view kNames[kLives] = {"succeeded", "failed",
                                                "unknown", "refused"};
  return kNames[static_cast<size_t>(live)];
}
constexpr absl::string_view WouldName(Would would) {
  constexpr absl::string_view kNames[kWoulds] = {
      "", "refuse", "time_out", "go_on", "wait", "retry", "give_up", "hedge"};
  return kNames[static_cast<size_t>(would)];
}
// Returns whether a call can be counted under this combination at all.
constexpr bool MayBe(Would would, Live live) {
  switch (would) {
    case Would::kNothingElse:
    case Would::kRefuse:
    case Would::kWait:
      return true;
    case Would::kGoOn:
    case Would::kRetry:
      return live == Live::kFailed;
    case Would::kTimeOut:
    case Would::kGiveUp:
    case Would::kHedge:
      break;
  }
  return live != Live::kRefused;
}

struct CandidateCounts {
  std::array<std::array<int64_t, kLives>, kWoulds> counts{};
  std::array<int64_t, core::kReasons> refusals{};  // of Would::kRefuse
  // What the live policy did, among the same calls.
  int64_t live_timeouts = 0;
  int64_t live_retried = 0;  // calls, not retries
  int64_t live_hedged = 0;

  int64_t of(Would would, Live live) const {
    return counts[static_cast<size_t>(would)][static_cast<size_t>(live)];
  }
  int64_t of(Would would) const {
    int64_t sum = 0;
    for (int64_t each : counts[static_cast<size_t>(would)]) sum += each;
    return sum;
  }
  int64_t calls() const { return of(Would::kNothingElse); }
  // Refused by the live policy, and admitted by the candidate.
  int64_t let_in() const {
    return of(Would::kNothingElse, Live::kRefused) -
           of(Would::kRefuse, Live::kRefused);
  }
};

class Tally {
 public:
  enum class LiveAct { kTimedOut, kRetried, kHedged };

  void Add(Would would, Live live) {
    Count(
        &Mine().counts[static_cast<size_t>(would)][static_cast<size_t>(live)]);
  }
  void AddRefusal(core::Reason reason) {
    Count(&Mine().refusals[static_cast<size_t>(reason)]);
  }
  void Add(LiveAct act) { Count(&Mine().acts[static_cast<size_t>(act)]); }

  CandidateCounts counts() const;

 private:
  using Counter = std::atomic<int64_t>;
  struct alignas(core::kCacheLine) Stripe {
    std::array<std::array<Counter, kLives>, kWoulds> counts{};
    std::array<Counter, core::kReasons> refusals{};
    std::array<Counter, 3> acts{};
  };
  // Relaxed: a count orders nothing.
  static void Count(Counter* counter) {
    counter->fetch_add(1, std::memory_order_relaxed);
  }
  Stripe& Mine() { return stripes_[core::MyStripe()]; }

  std::array<Stripe, core::kStripes> stripes_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_TALLY_H_
