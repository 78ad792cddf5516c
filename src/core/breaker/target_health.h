// How a breaker uses health checks: BreakerOptions::health_check.
//
//   if (absl::optional<HealthAsk> ask = breaker.HealthCheckDue(now)) {
//     breaker.HealthCheckBegins(ask->service, now);
//     ... asks the target; no call probes meanwhile ...
//     breaker.NoteHealth(ask->service, {TargetHealth::kServing, "SERVING"},
//                        begun, later);
//   }
//
// While such a breaker is OPEN, a check replaces the canary, so that no caller
// pays for the probe. If the target serves, the breaker becomes HALF_OPEN,
// where the method's own calls decide, since a healthy server does not mean
// that each method works. If the check cannot tell (the server does not know
// the service, or has no health service), calls are the probes again, for as
// long as the breaker stays OPEN. If no check is made, a call probes
// open_duration after the check was due.
//
// Thread safety: plain data.
#ifndef FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_
#define FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_

#include <string>

#include "src/core/base/time.h"

namespace firebreak::core {

enum class TargetHealth {
  kServing,
  kNotServing,    // it said so, or did not answer
  kNoConnection,  // there was no connection to ask over
  kNoWord,        // the check cannot tell
};

struct HealthAnswer {
  TargetHealth health = TargetHealth::kNoWord;
  std::string text;  // for operators: "NOT_SERVING"
};

// The check to make.
struct HealthAsk {
  std::string service;  // "" is the server as a whole
  Time open_since;      // an earlier check says nothing about it
  Duration interval;    // between two checks
  Duration timeout;     // of one check
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_TARGET_HEALTH_H_
