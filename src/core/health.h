// The health of a method: one number, and the terms from which it is computed.
//
//   Health health = HealthOf({breaker.Snapshot(now)}, recent);
//   health.score;                                // 83.1
//   health.level;                                // kDegraded
//
//   score = 100 x (1 - failing) x (1 - slow rate / 2) x (1 - hanging share)
//               x admitted share
//
// The score is about calls, so it also shows failures that a breaker does not
// count: `failing` is the failure rate or the error rate, whichever is higher.
//
// The terms and their sources:
//  - success rate x (1 - 0.5 x slow rate) is the score that monitoring guides
//    give for a breaker: a slow answer is worth half of a fast one.
//  - The admitted share is firebreak's own. Without it an open breaker would
//    score best, since no call fails that is not sent. OPEN, HALF_OPEN and
//    FORCED_OPEN count as 0 (a few probes serve no one), RAMP as its share, and
//    the other states as 1. For several targets it is the mean; if at least one
//    admits calls, the missing part counts half, since calls go to that one. It
//    is multiplied by the share that the throttle admits. A full bulkhead is no
//    term, since it is full for moments only; it is an alert.
//  - The failure rate is that of the breakers' windows, all targets together. A
//    breaker that is off or forced, or is open in SHADOW, does not count. If no
//    breaker counts, it is the share of failures among recent attempts.
//  - The error rate is that of recent calls: the share with a broken code
//    (IsBroken()) among those that got a status, whether the policy counts it
//    as a failure or not. For example, an expired token fails every call with
//    PERMISSION_DENIED and opens no breaker. NOT_FOUND and similar codes are
//    answers; they lower the score only if (nearly) all calls of a minute get
//    them.
//  - The hanging share is that of calls in flight that have taken far longer
//    than usual, among these and the calls that were answered meanwhile.
//  - Answers that take many times as long as usual lower the score too.
//  - A breaker that would admit a probe, but gets no call, has an admitted
//    share of one half, since the state of its target is not known. The results
//    from before the outage then count for nothing.
//
// If nothing is known, the method is healthy: no calls, no failures. A few
// calls prove little: a rate over fewer than the breaker's `minimum_calls` (or
// 10 recent calls) counts with the lower end of its confidence interval
// (trip_rules.h). If all evidence against a method is of this kind, it is
// degraded at worst.
//
// Levels: healthy from 90 on, since the retries of the default budget can make
// good one failure in ten (BudgetOptions::ratio); degraded from 50 on, where
// the default breaker opens (BreakerOptions::failure_rate).
//
// Thread safety: pure functions. Any input gives a score in [0, 100]: NaN and
// values out of range count as the nearest valid value.
#ifndef FIREBREAK_SRC_CORE_HEALTH_H_
#define FIREBREAK_SRC_CORE_HEALTH_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "src/core/breaker/breaker_snapshot.h"

namespace firebreak::core {

enum class HealthLevel { kHealthy, kDegraded, kUnhealthy };

struct Health {
  double score = 100;
  HealthLevel level = HealthLevel::kHealthy;
  // The measured rates, before they are weighted.
  double failure_rate = 0;
  double slow_rate = 0;
  double error_rate = 0;
  double hanging_share = 0;
  double admitted_share = 1;
  // No call comes, and the next one would be a probe.
  bool waits_for_call = false;
};

// What is known of the last seconds, besides the breakers.
struct RecentAttempts {
  int64_t attempts = 0;
  int64_t failures = 0;
  double throttled_share = 0;  // the chance that the next call is throttled
  // Calls that got a status, and how many of them got a broken code.
  int64_t calls = 0;
  int64_t errors = 0;
  // Whether (nearly) all calls of the last minute, and enough of them, got
  // another status than OK, even if the requests were at fault.
  bool none_is_ok = false;
  // Unary calls in flight that are far older than usual, and calls that ended
  // meanwhile.
  int64_t hanging = 0;
  int64_t answered = 0;
  // Whether that is certain: the usual latency is known, or they are older than
  // any call.
  bool hang_is_sure = false;
  // Answers take many times as long as usual.
  bool much_slower = false;
  // No call came for a while.
  bool is_idle = false;
};

// Whether a status with that code says that something is broken, whatever the
// request was. CANCELLED counts, as one that no caller has asked for.
bool IsBroken(absl::StatusCode code);

// Fewer recent calls than this prove little.
inline constexpr int64_t kEnoughCalls = 10;
// From this many calls without an OK on, `none_is_ok` is set.
inline constexpr int64_t kEnoughWithoutOk = 20;
inline constexpr double kNearlyAll = 0.99;

inline constexpr double kHealthyFrom = 90;
inline constexpr double kDegradedFrom = 50;

// `targets` has one entry per breaker of the method; it may be empty.
Health HealthOf(const std::vector<BreakerSnapshot>& targets,
                const RecentAttempts& recent = {});

// The share of calls that a breaker admits.
double AdmittedShare(const BreakerSnapshot& breaker);

// The share of `bad` among `all` that is beyond doubt: the share itself from
// `enough` calls on, and below that the lower end of its one-sided 95 %
// confidence interval.
double CautiousShare(int64_t bad, int64_t all, int64_t enough);

// The number of methods at each level, and the level of the whole: healthy if
// all are, unhealthy if at least half of them are, otherwise degraded. (A
// common rule counts open breakers in this way.)
struct HealthCounts {
  int healthy = 0;
  int degraded = 0;
  int unhealthy = 0;

  void Add(HealthLevel level);
  HealthLevel level() const;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_HEALTH_H_
