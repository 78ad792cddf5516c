// Computes from a method's counters what health.h in the core needs to know
// about the method's calls.
//
//   RecentCalls recent = RecentOf(runtime.get(), *settings, counts, now);
//   core::Health health = core::HealthOf(snapshots, recent.attempts);
//   if (recent.hang.calls > 0) ...
//
// The policy does not say when a call hangs: where it has a timeout, nothing
// hangs for long. So that is judged by what is usual. A call hangs if it has
// taken three times the p99 of all successes so far, and at least 5 s, which is
// longer than people like to wait. If fewer than 20 calls have succeeded, the
// limit is 10 s, and the judgement is not sure below 30 s: it may be the first
// of calls that take long.
//
// Thread safety: pure functions of what the engine knows at that moment.
#ifndef FIREBREAK_SRC_ENGINE_CALL_HEALTH_H_
#define FIREBREAK_SRC_ENGINE_CALL_HEALTH_H_

#include <cstdint>

#include "absl/types/optional.h"
#include "firebreak/export.h"
#include "src/core/base/time.h"
#include "src/core/health.h"
#include "src/engine/method_runtime.h"
#include "src/engine/recent_counts.h"

namespace firebreak::engine {

struct Hang {
  // Unary calls in flight that are older than `limit`.
  int64_t calls = 0;
  // Whether there may be more, since so many calls are in flight that not all
  // are tracked one by one (call_ages.h).
  bool is_at_least = false;
  core::Duration limit = core::Duration::zero();
  bool is_sure = false;
  // When the oldest of all unary calls in flight was sent.
  absl::optional<core::Time> oldest;
};
Hang HangOf(const MethodRuntime& runtime, core::Time now);

// The calls of a span, and how many of them did not get OK.
struct CallErrors {
  int64_t calls = 0;   // that got a status which is not ignored
  int64_t errors = 0;  // with a code that shows a broken server
  int64_t not_ok = 0;  // with another code than OK
};
CallErrors ErrorsOf(const RecentCounts::Counts& counts,
                    const core::MethodOptions& options);

// How long attempts take now, and how long they usually take.
struct Speed {
  // The median of the last seconds, or of the last 30 s if these have few
  // calls.
  core::Duration current;
  bool is_of_seconds = false;
  core::Duration usual;

  // Whether `current` is at least ten times `usual`, and at least 50 ms.
  bool is_much_slower() const;
};
// Returns nothing while too little is known of either.
absl::optional<Speed> SpeedOf(MethodRuntime* runtime, core::Time now);

// The result of one look at a method's counters. They are many, so each is read
// only once.
struct RecentCalls {
  core::RecentAttempts attempts;
  Hang hang;
  RecentCounts::Reading counts;
  // The span by which the calls are judged: the last ten seconds, or up to the
  // last minute if that is needed to have enough calls.
  RecentCounts::Span judged;
};
// If `counts` is null, only the throttle, the speed and the calls that hang are
// known. Exported for libfirebreak_prometheus.
FIREBREAK_EXPORT RecentCalls RecentOf(MethodRuntime* runtime,
                                      const MethodSettings& settings,
                                      const RecentCounts* counts,
                                      core::Time now);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALL_HEALTH_H_
