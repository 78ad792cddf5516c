// How well a method does, as one number and the terms it is made of.
//
//   Health health = HealthOf({breaker.Snapshot(now)}, recent);
//   health.score;                                // 83.1
//   health.level;                                // kDegraded
//
//   score = 100 x (1 - failure rate) x (1 - slow rate / 2) x admitted share
//
// Where the terms are from:
//  - success rate x (1 - 0.5 x slow rate) is the score that monitoring guides
//    give for a breaker: a slow answer is worth half of a good one.
//  - The admitted share is ours. Without it an open breaker looks best of all,
//    since nothing fails of what nobody sends. OPEN, HALF_OPEN and FORCED_OPEN
//    count as none (a few probes serve nobody), RAMP as its share, the rest as
//    all; of several targets the mean; times what the throttle lets through. A
//    full bulkhead is no term, since it is full for moments: it is an alert.
//
// The rates are those of the breakers' windows, all targets together. Where all
// breakers are off they count nothing; then it is the failures among recent
// attempts. Nothing known is good: no calls, no failures.
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

#include "src/core/breaker/breaker_snapshot.h"

namespace firebreak::core {

enum class HealthLevel { kHealthy, kDegraded, kUnhealthy };

struct Health {
  double score = 100;
  HealthLevel level = HealthLevel::kHealthy;
  double failure_rate = 0;
  double slow_rate = 0;
  double admitted_share = 1;
};

// What is known beside the breakers.
struct RecentAttempts {
  int64_t attempts = 0;
  int64_t failures = 0;
  double throttled_share = 0;  // of the next call to be turned away here
};

inline constexpr double kHealthyFrom = 90;
inline constexpr double kDegradedFrom = 50;

// `targets`: one for each breaker of the method; may be empty.
Health HealthOf(const std::vector<BreakerSnapshot>& targets,
                const RecentAttempts& recent = {});

// Share of the calls that a breaker lets through.
double AdmittedShare(const BreakerSnapshot& breaker);

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
