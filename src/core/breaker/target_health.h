// What a health check has to do with a breaker: BreakerOptions::health_check.
//
//   if (absl::optional<HealthAsk> ask = breaker.HealthCheckDue(now)) {
//     breaker.HealthCheckBegins(now);     // no call looks in its place
//     ... asks the target ...
//     breaker.NoteHealth({TargetHealth::kServing, "SERVING"}, begun, later);
//   }
//
// While such a breaker is OPEN a check takes the place of the canary, so that
// no caller pays for the look. A target that serves makes it HALF_OPEN, where
// the method's own calls decide: that a server is well says little of one
// method. One that has no word (it does not know the service, or has no health
// service at all) leaves the looks to calls, for as long as the breaker stays
// OPEN. And where nobody checks, a call looks: open_duration after the check
// was due.
//
// Thread safety: plain data.
#ifndef FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_
#define FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_

#include <string>

#include "src/core/base/time.h"

namespace firebreak::core {

enum class TargetHealth {
  kServing,
  kNotServing,    // it says so, or gives no answer
  kNoConnection,  // nothing was asked, for want of one
  kNoWord,        // it cannot be learned this way
};

struct HealthAnswer {
  TargetHealth health = TargetHealth::kNoWord;
  std::string text;  // for operators: "NOT_SERVING"
};

// What is to be asked.
struct HealthAsk {
  std::string service;  // "" is the server as a whole
  Time open_since;      // a check from before says nothing of this outage
  Duration interval;    // between two of them
  Duration timeout;     // the longest that one may take
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_
