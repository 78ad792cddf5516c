// Deadline arithmetic: the only place that decides how long an attempt may
// take.
//
//   Time at = AttemptDeadline(call_deadline, options.attempt_timeout, now);
//   if (!CanPayFor(call_deadline, start)) ...   // do not even begin to wait
//
// A deadline is never extended on its way from the call to an attempt. No
// backoff and no attempt begins that would start at or after the call's
// deadline: the call ends at once with the last real status, instead of
// sleeping until its deadline.
#ifndef FIREBREAK_SRC_CORE_BASE_DEADLINE_H_
#define FIREBREAK_SRC_CORE_BASE_DEADLINE_H_

#include <algorithm>

#include "src/core/base/time.h"

namespace firebreak::core {

// The call's deadline, with the default timeout of its policy applied: an
// earlier deadline of the caller wins. `timeout` of zero means "none".
constexpr Time CallDeadline(Time from_caller, Duration timeout, Time now) {
  if (timeout == Duration::zero()) return from_caller;
  return std::min(from_caller, SaturatingAdd(now, timeout));
}

// The deadline of an attempt that starts at `start`. `attempt_timeout` of zero
// means "none"; an attempt never outlives its call.
constexpr Time AttemptDeadline(Time call_deadline, Duration attempt_timeout,
                               Time start) {
  return CallDeadline(call_deadline, attempt_timeout, start);
}

// Whether an attempt may begin at `start`.
constexpr bool CanPayFor(Time call_deadline, Time start) {
  return start < call_deadline;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_DEADLINE_H_
