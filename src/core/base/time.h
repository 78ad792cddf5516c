// Time as the core sees it: a steady point handed in by the caller.
//
// The core never reads a clock (law of the house: every rule can be replayed
// in virtual time). Everything that depends on time takes `Time now`.
//
//   Time due = SaturatingAdd(now, options.open_duration);
//   if (now >= due) ...
//
// A `now` may run back a little, since threads read the clock before they take
// a lock, and stand still. It may jump ahead as far as it likes, and is
// believed: whatever was due meanwhile is done, and the next `now` is to come
// after. (A single wild reading that is taken back would make time stand still
// until the clock has caught up; a steady clock does not do that.)
//
// Units: nanoseconds, 64 bit, good for 292 years. `kInfiniteFuture` means "no
// deadline"; adding to it, or past it, saturates instead of overflowing.
// Wall-clock time does not exist here; the gRPC deadline is converted once, at
// the interceptor.
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

// `until - from`, never negative; infinite when `until` is.
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
