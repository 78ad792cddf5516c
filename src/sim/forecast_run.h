// Shared by forecast.cc and forecast_run.cc: how incidents affect servers, and
// how the recovery is found in the seconds of a run. Exposed for tests.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_SIM_FORECAST_RUN_H_
#define FIREBREAK_SRC_SIM_FORECAST_RUN_H_

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "src/sim/forecast.h"

namespace firebreak::sim {

// Whether the incident's WHO names this service: a part of its name, ignoring
// case, or the channel's name.
bool IsMeant(const Incident& incident, const std::string& service,
             const std::string& channel);

// How many replicas of a pool the incident affects.
int ReplicasOf(const Incident& incident, const Replicas& replicas);

// The time from `end`, when the last incident ended, until the first of
// kSecondsToTell seconds in a row whose share of successes is what it was
// before `first`, within one call and three standard deviations of chance, or 1
// %. In whole seconds of the run. nullopt if the run has no such seconds.
inline constexpr size_t kSecondsToTell = 5;
absl::optional<Duration> RecoveryOf(
    const std::vector<Forecast::Second>& seconds, Duration first, Duration end);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_FORECAST_RUN_H_
