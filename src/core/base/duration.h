// Durations as people write them: "250ms", "1.5s", "0".
//
//   absl::StatusOr<Duration> wait = ParseDuration("1.5s");
//   std::string text = FormatDuration(*wait);  // "1.5s"
//
// This is the form that the policy language reads and that messages print, so a
// value in a message can be pasted into a policy file:
// ParseDuration(FormatDuration(d)) == d for every finite d >= 0.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_CORE_BASE_DURATION_H_
#define FIREBREAK_SRC_CORE_BASE_DURATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// Accepts "0", or a decimal number, with or without a fraction, directly
// followed by one unit of ns, us, ms, s, m, h. It accepts nothing else: no
// sign, no space, no exponent, no "1h30m". INVALID_ARGUMENT, with the value and
// the accepted form, for any other text, for a fraction of a nanosecond, and
// for kInfiniteDuration or longer.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);

// Returns for example "1.5s", "250ms", "90us", "10ns" or "0s": exact, in the
// largest of these units that needs no fraction, or in seconds with up to three
// decimals. kInfiniteDuration is "infinite", which the policy language does not
// accept.
std::string FormatDuration(Duration d);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_DURATION_H_
