// What goes wrong in a forecast, in words:
//
//   absl::StatusOr<std::vector<Incident>> incidents =
//       ParseWhatIf("payment frozen for 60s at 30s; load x15; "
//                   "5% of replicas slow x4");
//
// Parts are separated by ";". Each is
//
//   [WHO] WHAT [for DURATION] [at DURATION]
//
// WHO is a part of a service's name, "N% of replicas", or both in this order;
// without it all are meant. WHAT is one of
//
//   frozen       takes calls and begins none until it is over
//   down         refuses every call at once, with UNAVAILABLE
//   slow [xN]    takes N times as long (10)
//   fails [N%]   fails so many of its calls, with UNAVAILABLE (all)
//   load xN      callers make N times as many calls; WHO is not for this one
//
// `for` is how long (default: to the end), `at` when it begins, from the first
// call (default: at once).
//
// Errors: INVALID_ARGUMENT that names the word which does not fit, where it
// stands, and what is accepted there.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_SIM_WHAT_IF_H_
#define FIREBREAK_SRC_SIM_WHAT_IF_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/core/base/time.h"

namespace firebreak::sim {

struct Incident {
  enum class Kind { kFrozen, kDown, kSlow, kFails, kLoad };

  Kind kind = Kind::kFrozen;
  std::string who;     // a part of a service's name; "": all
  double share = 1;    // of the replicas, (0, 1]
  double factor = 1;   // kSlow: of the time; kLoad: of the calls; (0, 1'000]
  double failing = 1;  // kFails: of the calls, (0, 1]
  core::Duration at = core::Duration::zero();
  core::Duration lasts = core::kInfiniteDuration;

  core::Duration end() const {
    return lasts >= core::kInfiniteDuration - at ? core::kInfiniteDuration
                                                 : at + lasts;
  }
};

inline constexpr size_t kMaxIncidents = 20;

absl::StatusOr<std::vector<Incident>> ParseWhatIf(absl::string_view text);

// As it may be written, in full.
std::string ToString(const Incident& incident);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_WHAT_IF_H_
