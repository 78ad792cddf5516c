// What an admission policy has to provide. Besides that it only needs a line in
// the list of admission_control.h (AdmissionControl::ForEachPolicy()).
//
//   class Throttle {
//     // Its options, with Fields() and Check(): src/core/base/field.h.
//     static std::shared_ptr<Throttle> Next(std::shared_ptr<Throttle> before,
//                                           const ThrottleOptions& options,
//                                           uint64_t seed, Time now);
//     ThrottleOptions options() const;
//
//     // Why it refuses calls; the first is that of Admit().
//     static constexpr Reason kReasons[] = {Reason::kThrottledLocally};
//     // The end of the text of such a refusal.
//     std::string Explain(const AdmissionRefusal& refusal) const;
//     // What operators see; Kinds() is for the names only.
//     Measures measures(Time now);
//     static Measures Kinds();
//
//     // false: Admit() decides at once. It takes nothing that a call has to
//     // give back: OnEnd() counts a call once its result is known.
//     static constexpr bool kMayMakeWait = false;
//     bool Admit(Time now);
//     void OnEnd(bool accepted, Time now);
//   };
//
// A policy that makes calls wait has a stage of its own in AdmissionPermit.
//
// Thread safety: values.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_POLICY_STATE_H_
#define FIREBREAK_SRC_CORE_ADMISSION_POLICY_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "src/core/base/duration.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"
#include "src/core/measure/measure.h"

namespace firebreak::core {

// Why a call was refused.
struct AdmissionRefusal {
  absl::StatusCode code = absl::StatusCode::kOk;
  Reason reason = Reason::kNone;
  // When to come back; zero if that is not known.
  Duration retry_after = Duration::zero();
  // How long the wait would have been, or was.
  Duration wait = Duration::zero();
  // The state of the bulkhead, if that is the reason.
  int in_use = 0;
  int queued = 0;
};

// For people to read: rounded up to microseconds.
inline std::string FormatWait(const AdmissionRefusal& refusal) {
  return FormatDuration(
      std::chrono::ceil<std::chrono::microseconds>(refusal.wait));
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_POLICY_STATE_H_
