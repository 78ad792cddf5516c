// Deadline arithmetic: the only place where the time of an attempt is decided.
//
//   Time at = AttemptDeadline(call_deadline, options.attempt_timeout, now);
//   if (!CanPayFor(call_deadline, start)) ...   // do not even begin to wait
//
// A deadline only ever shrinks on its way down. Nothing (no backoff, no
// attempt) is begun that would start at or after the call's deadline: the call
// ends at once instead, with the last real status, rather than sleeping its
// remaining time away.
#ifndef FIREBREAK_SRC_CORE_BASE_DEADLINE_H_
#define FIREBREAK_SRC_CORE_BASE_DEADLINE_H_

#include <algorithm>

#include "src/core/base/time.h"

namespace firebreak::core {

// The call's deadline after the default timeout of its policy: the caller's
// own deadline wins when it is earlier. `timeout` of zero means "none".
constexpr Time CallDeadline(Time from_caller, Duration timeout, Time now) {
  if (timeout == Duration::zero()) return from_caller;
  return std::min(from_caller, SaturatingAdd(now, timeout));
}

// When an attempt that starts at `start` must end. `attempt_timeout` of zero
// means "none"; an attempt never outlives its call.
constexpr Time AttemptDeadline(Time call_deadline, Duration attempt_timeout,
                               Time start) {
  return CallDeadline(call_deadline, attempt_timeout, start);
}

// May an attempt that would start at `start` begin at all?
constexpr bool CanPayFor(Time call_deadline, Time start) {
  return start < call_deadline;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_DEADLINE_H_
