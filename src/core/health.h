// How well the calls of a method do, as one number and the terms it is made of.
//
//   Health health = HealthOf({breaker.Snapshot(now)}, recent);
//   health.score;                                // 83.1
//   health.level;                                // kDegraded
//
//   score = 100 x (1 - failing) x (1 - slow rate / 2) x (1 - hanging share)
//               x admitted share
//
// It is about calls, and so no outage may hide from it behind what a breaker
// does not look at: `failing` is the failure rate or the error rate, whichever
// is worse.
//
// Where the terms are from:
//  - success rate x (1 - 0.5 x slow rate) is the score that monitoring guides
//    give for a breaker: a slow answer is worth half of a good one.
//  - The admitted share is ours. Without it an open breaker looks best of all,
//    since nothing fails of what nobody sends. OPEN, HALF_OPEN and FORCED_OPEN
//    count as none (a few probes serve nobody), RAMP as its share, the rest as
//    all; of several targets the mean, of which what is missing counts by half
//    as long as one admits, since calls go to that one; times what the throttle
//    lets through. A full bulkhead is no term, since it is full for moments: it
//    is an alert.
//  - The failure rate is that of the breakers' windows, all targets together.
//    A breaker that is off, or forced, or a shadow that is open, does not
//    count; where none does it is the failures among recent attempts.
//  - The error rate is of recent calls: of those that got a status, the share
//    with a code that says that something is broken, whether the policy counts
//    it as a failure or not (IsBroken()): an expired token's PERMISSION_DENIED
//    fails every call and opens no breaker. NOT_FOUND and its like are answers;
//    only when (nearly) all calls of a minute get them there is doubt.
//  - The hanging share is that of the calls in flight that have taken far
//    longer than usual, among them and those that were answered meanwhile.
//  - Where answers take many times what is usual, there is a doubt too.
//  - A breaker that would let the next call through, where no call comes, waits
//    for it: that is half of a share and no more, since nobody knows. The calls
//    of before the outage count for nothing then.
//
// Nothing known is good: no calls, no failures. And few calls say little: a
// rate over less than the breaker's `minimum_calls` (10 calls, of recent ones)
// counts with the lower end of its confidence interval (trip_rules.h), and
// where all that speaks against a method is of this kind it is at worst
// degraded.
//
// Levels: healthy from 90 on, since one failure in ten is what the retries of
// the default budget can make good (BudgetOptions::ratio); degraded from 50 on,
// which is where the default breaker opens (BreakerOptions::failure_rate).
//
// Thread safety: pure functions. Any input gives a score in [0, 100]: what is
// no number, or out of range, counts as the nearest that is.
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
  // As they are, whatever they count for.
  double failure_rate = 0;
  double slow_rate = 0;
  double error_rate = 0;
  double hanging_share = 0;
  double admitted_share = 1;
  // No call comes, and the next one would be a probe.
  bool waits_for_call = false;
};

// What is known beside the breakers, of the last seconds.
struct RecentAttempts {
  int64_t attempts = 0;
  int64_t failures = 0;
  double throttled_share = 0;  // of the next call to be refused here
  // Calls that have got a status, and of these those with a broken code.
  int64_t calls = 0;
  int64_t errors = 0;
  // Whether (nearly) all of the last minute, and enough of them, have got
  // another status than OK, be it of a request's own fault.
  bool none_is_ok = false;
  // Unary calls in flight that are far older than usual, and calls that ended
  // while these hung.
  int64_t hanging = 0;
  int64_t answered = 0;
  // What is usual is known, or they are older than anything is.
  bool hang_is_sure = false;
  // Answers take many times what is usual.
  bool much_slower = false;
  // No call came for a while.
  bool is_idle = false;
};

// Whether a status of that code says that something is broken, whatever was
// asked for. CANCELLED is one that no caller has asked for.
bool IsBroken(absl::StatusCode code);

// Fewer recent calls say little.
inline constexpr int64_t kEnoughCalls = 10;
// Of these and more with no OK, `none_is_ok`.
inline constexpr int64_t kEnoughWithoutOk = 20;
inline constexpr double kNearlyAll = 0.99;

inline constexpr double kHealthyFrom = 90;
inline constexpr double kDegradedFrom = 50;

// `targets`: one for each breaker of the method; may be empty.
Health HealthOf(const std::vector<BreakerSnapshot>& targets,
                const RecentAttempts& recent = {});

// Share of the calls that a breaker lets through.
double AdmittedShare(const BreakerSnapshot& breaker);

// The part of `bad` among `all` that few calls leave no doubt of: the share
// itself from `enough` calls on, below that the lower end of its one-sided 95 %
// interval.
double CautiousShare(int64_t bad, int64_t all, int64_t enough);

// How many methods are how well, and what that makes of the whole: healthy when
// all are, unhealthy when half of them or more are, else degraded. (A usual
// rule counts open breakers in this way.)
struct HealthCounts {
  int healthy = 0;
  int degraded = 0;
  int unhealthy = 0;

  void Add(HealthLevel level);
  HealthLevel level() const;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_HEALTH_H_
