#include "src/core/call_driver.h"

#include <algorithm>
#include <utility>

#include "src/core/backoff.h"
#include "src/core/deadline.h"

namespace firebreak::core {

CallDriver::CallDriver(const Plan& plan) : plan_(plan), rng_(plan.seed) {}

CallDriver::~CallDriver() {
  DropNext();
  for (const Flight& flight : attempts_) {
    if (!flight.facts.settled) {
      plan_.stats->OnAttemptEnd(Attribution::kAbandoned);
    }
  }
  // The permits give themselves back.
  if (arrived_ && state_ != State::kDone) {
    plan_.stats->OnCallEnded(CallEnd::kAbandoned, absl::StatusCode::kOk,
                             Duration::zero());
  }
}

CallDriver::Actions CallDriver::TurnAway(absl::StatusCode code,
                                         const Refusal& refusal, Time now) {
  Actions actions;
  if (state_ != State::kIdle) return actions;
  Arrive(now);
  End({Finish::kNoAttempt, code, false, refusal.reason, refusal.retry_after},
      now, &actions);
  return actions;
}

CallDriver::Actions CallDriver::Start(Time now) {
  Actions actions;
  if (state_ != State::kIdle) return actions;
  state_ = State::kRunning;
  Arrive(now);
  may_hedge_ = plan_.options->hedging.has_value() &&
               plan_.options->idempotent.value_or(true);
  Finish rejected;
  if (!CanPayFor(plan_.deadline, now)) {
    rejected.code = absl::StatusCode::kDeadlineExceeded;
    rejected.reason = Reason::kDeadlineExceeded;
    End(rejected, now, &actions);
    return actions;
  }
  if (auto refusal = TryLaunch(AttemptKind::kFirst, now, &actions)) {
    rejected.code = absl::StatusCode::kUnavailable;
    rejected.reason = refusal->reason;
    rejected.retry_after = refusal->retry_after;
    End(rejected, now, &actions);
    return actions;
  }
  plan_.budget->OnCallAdmitted(now);
  ArmHedge(now);
  FireNext(now, &actions);
  return actions;
}

CallDriver::Actions CallDriver::OnAttemptEnd(int n, const AttemptEnd& end,
                                             Time now) {
  Actions actions;
  if (n < 0 || n >= launched()) return actions;
  Flight& flight = attempts_[static_cast<size_t>(n)];
  if (flight.facts.settled) return actions;  // decided before its end came
  const Attribution attribution =
      Attribute(end, plan_.options->failure_codes());
  if (end.is_judged_later && IsJudgeable(attribution)) {
    judged_later_ = std::move(flight.permit);
  }
  Settle(&flight, end.code, attribution, now);

  Finish finish;
  finish.attempt = n;
  finish.code = end.code;
  const bool leaves_room = LeavesRoom(end, attribution);
  const bool is_pushed_back =
      end.pushback.has_value() && *end.pushback < Duration::zero();
  if (end.code == absl::StatusCode::kOk) {
    plan_.budget->OnAttemptEnd(/*success=*/true);
  } else if (leaves_room || is_pushed_back) {
    plan_.budget->OnAttemptEnd(/*success=*/false);
  }
  if (!leaves_room) {
    if (attribution == Attribution::kCancelledByCaller) {
      finish.reason = Reason::kCancelled;
    }
    SettleAll(absl::StatusCode::kCancelled, Attribution::kSuperseded, now,
              &actions);
    End(finish, now, &actions);
    return actions;
  }

  last_failure_ = n;
  last_code_ = end.code;
  const Reason stop = ScheduleNext(end, now);
  flight.facts.stopped = stop;
  if (stop == Reason::kNone) {
    FireNext(now, &actions);
    return actions;
  }
  plan_.stats->OnStop(stop);
  if (!AnyInFlight()) {
    finish.reason = stop;
    End(finish, now, &actions);
  }
  return actions;
}

CallDriver::Actions CallDriver::OnTimer(Time now) {
  Actions actions;
  if (state_ != State::kRunning && state_ != State::kFallback) return actions;
  if (now >= plan_.deadline) {
    EndAtDeadline(now, &actions);
  } else if (state_ == State::kRunning) {
    FireNext(now, &actions);
  }
  return actions;
}

CallDriver::Actions CallDriver::OnCallerCancel(Time now) {
  Actions actions;
  if (state_ == State::kDone) return actions;
  Arrive(now);
  SettleAll(absl::StatusCode::kCancelled, Attribution::kCancelledByCaller, now,
            &actions);
  Finish finish;
  finish.code = absl::StatusCode::kCancelled;
  finish.reason = Reason::kCancelled;
  Close(finish, now, &actions);
  return actions;
}

CallDriver::Actions CallDriver::OnFallbackEnd(bool ok, Time now) {
  Actions actions;
  if (state_ != State::kFallback) return actions;
  Finish finish = failed_;
  if (ok) {
    finish = Finish{};
    finish.from_fallback = true;
    plan_.stats->OnFallback();
  } else if (finish.reason == Reason::kNone) {
    finish.reason = Reason::kFallbackFailed;
  }
  Close(finish, now, &actions);
  return actions;
}

Time CallDriver::wake_at() const {
  switch (state_) {
    case State::kRunning:
      return std::min(next_.at, plan_.deadline);
    case State::kFallback:
      return plan_.deadline;
    case State::kIdle:
    case State::kDone:
      break;
  }
  return kInfiniteFuture;
}

absl::optional<Refusal> CallDriver::TryLaunch(AttemptKind kind, Time now,
                                              Actions* actions) {
  const int targets = static_cast<int>(plan_.targets.size());
  Refusal nearest;
  nearest.retry_after = kInfiniteDuration;
  // An extra attempt had better not meet the trouble of the one before it.
  for (const bool want_unused : {true, false}) {
    for (int target = 0; target < targets; ++target) {
      if (IsUnused(target) != want_unused) continue;
      auto refusal = TryTarget(target, kind, now, actions);
      if (!refusal) return absl::nullopt;
      if (nearest.reason == Reason::kNone ||
          refusal->retry_after < nearest.retry_after) {
        nearest = *refusal;
      }
    }
  }
  return nearest;
}

absl::optional<Refusal> CallDriver::TryTarget(int target, AttemptKind kind,
                                              Time now, Actions* actions) {
  const Time deadline = AttemptDeadline(
      plan_.deadline, plan_.options->attempt_timeout(launched()), now);
  Admission admission =
      plan_.targets[static_cast<size_t>(target)]->Admit(now, deadline);
  if (!admission.permit) return admission.refusal;
  if (admission.permit.is_probe()) {
    // A recovering target is asked one careful question at a time.
    if (kind == AttemptKind::kHedge) {
      return Refusal{Reason::kProbesTaken, Duration::zero()};
    }
    may_hedge_ = false;
  }
  const bool is_probe = admission.permit.is_probe();
  actions->launch.push_back({launched(), target, kind, deadline, is_probe});
  attempts_.emplace_back();
  attempts_.back().permit = std::move(admission.permit);
  attempts_.back().facts.target = target;
  attempts_.back().facts.kind = kind;
  attempts_.back().facts.started = now;
  ++in_flight_;
  plan_.stats->OnAttempt(kind);
  return absl::nullopt;
}

bool CallDriver::IsUnused(int target) const {
  return std::none_of(attempts_.begin(), attempts_.end(), [&](const Flight& f) {
    return f.facts.target == target;
  });
}

bool CallDriver::LeavesRoom(const AttemptEnd& end,
                            Attribution attribution) const {
  return end.code != absl::StatusCode::kOk &&
         EffectsOf(attribution).may_be_retried &&
         plan_.options->IsRetryable(end.code);
}

Reason CallDriver::ScheduleNext(const AttemptEnd& end, Time now) {
  if (launched() >= plan_.options->max_attempts()) {
    return Reason::kAttemptsExhausted;
  }
  // A wait that a server asked for binds every attempt after it, hedges too.
  const Duration pushback = end.pushback.value_or(Duration::zero());
  not_before_ = std::max(not_before_, pushback < Duration::zero()
                                          ? kInfiniteFuture
                                          : SaturatingAdd(now, pushback));
  if (not_before_ == kInfiniteFuture) {
    DropNext();
    return Reason::kPushback;
  }
  // What the server asks to send again it has not done.
  if (!plan_.options->idempotent.value_or(true) && !end.pushback.has_value() &&
      !end.was_not_sent) {
    return Reason::kNotIdempotent;
  }
  Time at = not_before_;
  if (end.pushback.has_value()) {
    backoffs_ = 0;
  } else if (!plan_.options->hedging) {
    at = SaturatingAdd(
        now, BackoffDelay(plan_.options->retry->backoff, ++backoffs_, &rng_));
  }
  if (!CanPayFor(plan_.deadline, at)) {
    DropNext();
    return Reason::kDeadlineTooClose;
  }
  if (next_.at != kInfiniteFuture) {
    next_.at = std::max(next_.at, at);
    // One that is on its way already serves this failure too.
    if (next_.kind == AttemptKind::kRetry) return Reason::kNone;
  }
  Reason refused = Reason::kNone;
  for (Breaker* breaker : plan_.targets) {
    auto refusal = breaker->WouldRefuse(now, at);
    refused = refusal ? refusal->reason : Reason::kNone;
    if (!refusal) break;
  }
  if (refused != Reason::kNone) return refused;
  if (plan_.budget->IsThrottled()) {
    DropNext();
    return Reason::kThrottled;
  }
  if (!plan_.budget->TryAcquire(now)) return Reason::kBudgetExhausted;
  next_ = {at, AttemptKind::kRetry};
  return Reason::kNone;
}

void CallDriver::ArmHedge(Time now) {
  if (!may_hedge_ || launched() >= plan_.options->max_attempts()) return;
  const Time at = SaturatingAdd(now, plan_.options->hedging->delay);
  if (CanPayFor(plan_.deadline, at)) next_ = {at, AttemptKind::kHedge};
}

void CallDriver::FireNext(Time now, Actions* actions) {
  while (state_ == State::kRunning && next_.at <= now) {
    const AttemptKind kind = next_.kind;
    next_ = Next{};
    Reason refused = Reason::kNone;
    const bool is_hedge = kind == AttemptKind::kHedge;
    if (is_hedge && plan_.budget->IsThrottled()) {
      refused = Reason::kThrottled;
    } else if (is_hedge && !plan_.budget->TryAcquire(now)) {
      refused = Reason::kBudgetExhausted;
    } else if (auto refusal = TryLaunch(kind, now, actions)) {
      plan_.budget->Refund();
      refused = refusal->reason;
    }
    if (refused == Reason::kNone) {
      ArmHedge(now);
      continue;
    }
    // Only the extra attempt is refused. No more hedges for this call: asking
    // again at once would be refused again.
    may_hedge_ = false;
    plan_.stats->OnStop(refused);
    attempts_.back().facts.stopped = refused;
    if (!AnyInFlight()) {
      Finish finish;
      finish.attempt = last_failure_;
      finish.code = last_code_;
      finish.reason = refused;
      End(finish, now, actions);
    }
  }
}

void CallDriver::Settle(Flight* flight, absl::StatusCode code,
                        Attribution attribution, Time now) {
  flight->facts.settled = true;
  flight->facts.ended = now;
  flight->facts.code = code;
  flight->facts.attribution = attribution;
  --in_flight_;
  flight->permit.Settle(EffectsOf(attribution).verdict, now);
  plan_.stats->OnAttemptEnd(attribution);
}

void CallDriver::SettleAll(absl::StatusCode code, Attribution attribution,
                           Time now, Actions* actions) {
  for (int n = 0; n < launched(); ++n) {
    Flight& flight = attempts_[static_cast<size_t>(n)];
    if (flight.facts.settled) continue;
    Settle(&flight, code, attribution, now);
    actions->cancel.push_back(n);
  }
}

void CallDriver::EndAtDeadline(Time now, Actions* actions) {
  if (state_ == State::kFallback) {
    Close(failed_, now, actions);
    return;
  }
  Finish finish;
  if (!AnyInFlight() && last_failure_ != Finish::kNoAttempt) {
    // The timer came late, past a retry that was paid for: what the server
    // said last is worth more than our clock.
    finish.attempt = last_failure_;
    finish.code = last_code_;
    finish.reason = Reason::kDeadlineTooClose;
    plan_.stats->OnStop(finish.reason);
  } else {
    finish.code = absl::StatusCode::kDeadlineExceeded;
    finish.reason = Reason::kDeadlineExceeded;
  }
  AttemptEnd late;
  late.code = absl::StatusCode::kDeadlineExceeded;
  SettleAll(late.code, Attribute(late, plan_.options->failure_codes()), now,
            actions);
  End(finish, now, actions);
}

void CallDriver::End(const Finish& finish, Time now, Actions* actions) {
  DropNext();
  if (plan_.has_fallback && finish.code != absl::StatusCode::kOk &&
      finish.reason != Reason::kCancelled && CanPayFor(plan_.deadline, now)) {
    state_ = State::kFallback;
    failed_ = finish;
    actions->run_fallback = true;
    actions->finish = finish;
    return;
  }
  Close(finish, now, actions);
}

void CallDriver::Close(const Finish& finish, Time now, Actions* actions) {
  DropNext();
  state_ = State::kDone;
  actions->run_fallback = false;
  actions->finish = finish;
  if (finish.attempt != Finish::kNoAttempt &&
      finish.code == absl::StatusCode::kOk &&
      attempt(finish.attempt).kind == AttemptKind::kHedge) {
    plan_.stats->OnHedgeWin();
  }
  if (finish.reason == Reason::kCancelled) {
    plan_.stats->OnCallEnded(CallEnd::kCancelled, finish.code, now - started_);
  } else if (finish.code == absl::StatusCode::kOk) {
    plan_.stats->OnCallEnded(CallEnd::kSuccess, finish.code, now - started_);
  } else if (attempts_.empty()) {
    plan_.stats->OnRejected(finish.reason);
  } else {
    plan_.stats->OnCallEnded(CallEnd::kFailure, finish.code, now - started_);
  }
}

void CallDriver::DropNext() {
  if (next_.at != kInfiniteFuture && next_.kind == AttemptKind::kRetry) {
    plan_.budget->Refund();
  }
  next_ = Next{};
}

}  // namespace firebreak::core
