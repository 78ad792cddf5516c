// The time of the core: a steady time point that the caller passes in.
//
// The core never reads a clock, so every rule can be replayed in virtual time.
// Everything that depends on time takes `Time now`.
//
//   Time due = SaturatingAdd(now, options.open_duration);
//   if (now >= due) ...
//
// A `now` may stand still, or run back a little, since threads read the clock
// before they take a lock. It may jump ahead by any amount, and is believed:
// everything that was due meanwhile is done, and later calls must not go back
// behind it. (After a single wrong reading far ahead, time would stand still
// until the clock has caught up; a steady clock gives no such readings.)
//
// Units: nanoseconds, 64 bit, enough for 292 years. `kInfiniteFuture` means "no
// deadline"; adding to it, or past it, saturates instead of overflowing. There
// is no wall-clock time here; the interceptor converts the gRPC deadline once.
#ifndef FIREBREAK_SRC_CORE_BASE_TIME_H_
#define FIREBREAK_SRC_CORE_BASE_TIME_H_

#include <chrono>

namespace firebreak::core {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline constexpr Time kInfiniteFuture = Time::max();
inline constexpr Duration kInfiniteDuration = Duration::max();

// `t + d`, or the nearest representable point.
constexpr Time SaturatingAdd(Time t, Duration d) {
  if (d >= Duration::zero()) {
    return t > Time::max() - d ? Time::max() : t + d;
  }
  return t < Time::min() - d ? Time::min() : t + d;
}

// `until - from`, never negative; infinite if `until` is infinite.
constexpr Duration Remaining(Time from, Time until) {
  if (until == kInfiniteFuture) return kInfiniteDuration;
  return until <= from ? Duration::zero() : until - from;
}

// `d * factor` for factor >= 0, saturating.
constexpr Duration Scale(Duration d, double factor) {
  const double scaled = static_cast<double>(d.count()) * factor;
  constexpr double kMax = static_cast<double>(Duration::max().count());
  return scaled >= kMax ? Duration::max()
                        : Duration(static_cast<Duration::rep>(scaled));
}

constexpr double ToSeconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_TIME_H_
