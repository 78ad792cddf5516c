// Parses the incidents of a forecast, as people write them:
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
// without it all servers are affected. WHAT is one of
//
//   frozen       takes calls and begins none until it is over
//   down         refuses every call at once, with UNAVAILABLE
//   slow [xN]    takes N times as long (10)
//   fails [N%]   fails this share of its calls, with UNAVAILABLE (all)
//   load xN      callers make N times as many calls; it takes no WHO
//
// `for` is how long it lasts (default: to the end), and `at` when it begins,
// from the first call on (default: at once).
//
// Errors: INVALID_ARGUMENT that names the wrong word, its place, and what is
// accepted there.
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

// The full text, as ParseWhatIf() accepts it.
std::string ToString(const Incident& incident);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_WHAT_IF_H_
