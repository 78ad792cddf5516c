// Durations as people write them: "250ms", "1.5s", "0".
//
//   absl::StatusOr<Duration> wait = ParseDuration("1.5s");
//   std::string text = FormatDuration(*wait);  // "1.5s"
//
// The policy language reads and every message of ours prints this form, so
// what a message shows can be pasted back into a policy file:
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

// A decimal number, with or without a fraction, directly followed by one unit
// of ns, us, ms, s, m, h; or "0". Nothing else: no sign, no space, no exponent,
// no "1h30m". INVALID_ARGUMENT, naming the value and what is accepted, for any
// other text, for a part of a nanosecond, and for kInfiniteDuration or longer.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);

// "1.5s", "250ms", "90us", "10ns", "0s": exact, in the largest of these units
// that needs no fraction, or in seconds with up to three decimals. "infinite"
// for kInfiniteDuration, which the policy language cannot say.
std::string FormatDuration(Duration d);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_DURATION_H_
