// The functions of a shadow: a driver that runs beside another one, and only
// works out what it would do.
#include <algorithm>
#include <utility>

#include "src/core/attempts/call_driver.h"
#include "src/core/attempts/hedging.h"
#include "src/core/base/deadline.h"

namespace firebreak::core {

void CallDriver::Adopt(Permit permit, Time launched, Time hedge_at) {
  state_ = State::kRunning;
  Arrive(launched);
  may_hedge_ = MayHedge(*plan_.options) && !permit.is_careful();
  const Time deadline = AttemptDeadline(
      plan_.deadline, plan_.options->attempt_timeout(0), launched);
  Fly(std::move(permit), 0, AttemptKind::kFirst, deadline, launched);
  if (may_hedge_ && hedge_at != kInfiniteFuture) {
    next_ = {hedge_at, AttemptKind::kHedge, {}};
  }
}

CallDriver::Actions CallDriver::Follow(AttemptKind kind, int target, Time now) {
  followed_ = target;
  Actions actions;
  if (kind == AttemptKind::kFirst) {
    actions = Start(now);
  } else if (next_.at != kInfiniteFuture && next_.kind == kind &&
             (kind == AttemptKind::kRetry || next_.at <= now)) {
    next_.at = std::min(next_.at, now);
    FireNext(now, &actions);
  }
  followed_ = kNobody;
  return actions;
}

bool CallDriver::ForgoHedge(Time now) {
  while (state_ == State::kRunning && next_.at <= now &&
         next_.kind == AttemptKind::kHedge) {
    next_ = Next{};
    Reason refused = PayForHedge(now);
    if (refused == Reason::kNone) {
      may_hedge_ = false;
      for (int target = 0; target < static_cast<int>(plan_.targets.size());
           ++target) {
        Breaker* const each = plan_.targets[static_cast<size_t>(target)];
        if (!each->IsStrained(now) &&
            !each->Glance(now, HedgeTo(target, AttemptKind::kHedge))) {
          return true;
        }
      }
      plan_.budget->Refund();
      refused = Reason::kHedgingPaused;
    }
    attempts_.back().facts.stopped = refused;
    if (refused == Reason::kBudgetExhausted && PostponeHedge(now)) continue;
    may_hedge_ = false;
  }
  return false;
}

bool CallDriver::ForgoRetry(Time now) {
  if (state_ != State::kRunning || next_.at == kInfiniteFuture ||
      next_.kind != AttemptKind::kRetry) {
    return false;
  }
  const bool is_due = next_.at <= now;
  const auto admits = [&](Breaker* each) {
    return is_due ? !each->Glance(now) : !each->WouldRefuse(now, next_.at);
  };
  if (!std::any_of(plan_.targets.begin(), plan_.targets.end(), admits)) {
    DropNext();
    return false;
  }
  next_ = Next{};
  return true;
}

}  // namespace firebreak::core
