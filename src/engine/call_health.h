// What core/health.h is told of the calls of a method, from its counters.
//
//   RecentCalls recent = RecentOf(runtime.get(), *settings, counts, now);
//   core::Health health = core::HealthOf(snapshots, recent.attempts);
//   if (recent.hang.calls > 0) ...
//
// When a call hangs: the policy cannot tell, since where it has a timeout there
// is nothing that hangs for long. So it is told by what is usual: a call that
// has taken three times the p99 of all successes so far, and at least 5 s,
// which people do not wait for gladly. Where fewer than 20 have succeeded it is
// 10 s, with a doubt up to 30 s: it may be the first of calls that take long.
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
  // There may be more: so many are in flight that not all are known one by one
  // (call_ages.h).
  bool is_at_least = false;
  core::Duration limit = core::Duration::zero();
  bool is_sure = false;
  // When the oldest of all unary calls in flight was sent.
  absl::optional<core::Time> oldest;
};
Hang HangOf(const MethodRuntime& runtime, core::Time now);

// Calls that did not get OK, of a span.
struct CallErrors {
  int64_t calls = 0;   // that got a status
  int64_t errors = 0;  // with a code that says that something is broken
  int64_t not_ok = 0;  // with another code than OK, and none that is ignored
};
CallErrors ErrorsOf(const RecentCounts::Counts& counts,
                    const core::MethodOptions& options);

// What an attempt takes, and what it takes as a rule.
struct Speed {
  // The median of the last seconds, or of 30 s where these have few.
  core::Duration current;
  bool is_of_seconds = false;
  core::Duration usual;

  // Ten times what is usual, and 50 ms.
  bool is_much_slower() const;
};
// Nothing while too little is known of either.
absl::optional<Speed> SpeedOf(MethodRuntime* runtime, core::Time now);

// What one look at a method's counters says: they are many, and each is read
// once.
struct RecentCalls {
  core::RecentAttempts attempts;
  Hang hang;
  RecentCounts::Reading counts;
  // The span by which the calls are judged: the last ten seconds, and as much
  // of the last minute as it takes for enough calls.
  RecentCounts::Span judged;
};
// `counts` may be null: then only the throttle, the speed and what hangs are
// known.
// Exported for libfirebreak_prometheus.
FIREBREAK_EXPORT RecentCalls RecentOf(MethodRuntime* runtime,
                                      const MethodSettings& settings,
                                      const RecentCounts* counts,
                                      core::Time now);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALL_HEALTH_H_
