#include "src/core/attempts/call_driver.h"

#include <algorithm>
#include <utility>

#include "src/core/attempts/deadline_gate.h"
#include "src/core/attempts/hedging.h"
#include "src/core/base/deadline.h"

namespace firebreak::core {
CallDriver::CallDriver(const Plan& plan)
    : plan_(plan), rng_(plan.seed), pacer_(plan.options, plan.estimator) {}

CallDriver::~CallDriver() {
  DropNext();
  for (const Flight& flight : attempts_) {
    if (!flight.facts.settled) {
      Count(&MethodStats::OnAttemptEnd, Attribution::kAbandoned);
    }
  }
  // The permits settle themselves.
  if (plan_.stats != nullptr && arrived_ && state_ != State::kDone) {
    plan_.stats->OnCallEnded(CallEnd::kAbandoned, absl::StatusCode::kOk,
                             Duration::zero());
    if (CallTape* const tape = Listening(*plan_.stats)) {
      CallTape::Call call = CallFacts(Finish(), started_);
      call.end = CallEnd::kAbandoned;
      Write(tape, call, Finish());
    }
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
  may_hedge_ = MayHedge(*plan_.options);
  Finish rejected;
  if (!CanPayFor(plan_.deadline, now)) {
    rejected.code = absl::StatusCode::kDeadlineExceeded;
    rejected.reason = Reason::kDeadlineExceeded;
    End(rejected, now, &actions);
    return actions;
  }
  const auto& gate = plan_.options->deadline_gate;
  if (gate && gate->first_attempt &&
      !IsWorthTrying(Remaining(now, plan_.deadline), now)) {
    rejected.code = absl::StatusCode::kDeadlineExceeded;
    rejected.reason = Reason::kDeadlineInfeasible;
    End(rejected, now, &actions);
    return actions;
  }
  if (auto refusal = TryLaunch(AttemptKind::kFirst, now, &actions)) {
    rejected.code = absl::StatusCode::kUnavailable;
    rejected.reason = refusal->reason;
    rejected.retry_after = refusal->retry_after;
    rejected.epoch = refusal->epoch;
    End(rejected, now, &actions);
    return actions;
  }
  plan_.budget->OnCallAdmitted();
  ArmHedge(now);
  FireNext(now, &actions);
  return actions;
}

CallDriver::Actions CallDriver::OnAttemptEnd(int n, const AttemptEnd& end,
                                             Time now) {
  Actions actions;
  if (n < 0 || n >= launched()) return actions;
  Flight& flight = attempts_[static_cast<size_t>(n)];
  // It was settled before its end was reported.
  if (flight.facts.settled) return actions;
  const Attribution attribution = SettleAnswered(n, end, now);

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
    // A cancel of the caller's parent call may show first in one attempt.
    const bool is_cancelled = attribution == Attribution::kCancelledByCaller;
    if (is_cancelled) finish.reason = Reason::kCancelled;
    const bool answered = IsAnswer(attribution);
    SettleAll(absl::StatusCode::kCancelled,
              is_cancelled ? attribution : Attribution::kSuperseded,
              answered ? n : Finish::kNoAttempt, now, &actions);
    End(finish, now, &actions);
    return actions;
  }

  last_failure_ = n;
  last_code_ = end.code;
  const Reason stop = ScheduleNext(end, &flight.facts, now);
  flight.facts.stopped = stop;
  NoteRetry(n, stop, now);
  if (stop == Reason::kNone) {
    FireNext(now, &actions);
    return actions;
  }
  Count(&MethodStats::OnStop, stop);
  if (!AnyInFlight()) {
    finish.reason = stop;
    End(finish, now, &actions);
  }
  return actions;
}

CallDriver::Actions CallDriver::OnTimer(Time now, bool is_judged_later) {
  Actions actions;
  if (state_ != State::kRunning && state_ != State::kFallback) return actions;
  if (now >= plan_.deadline) {
    EndAtDeadline(is_judged_later, now, &actions);
  } else if (state_ == State::kRunning) {
    FireNext(now, &actions);
  } else if (now >= std::min(begin_by_, link_until_)) {
    const bool has_begun = begin_by_ == kInfiniteFuture;
    EndLink(*link_in_flight(), has_begun ? LinkEnd::kLate : LinkEnd::kNotBegun,
            now, &actions);
  }
  return actions;
}

CallDriver::Actions CallDriver::OnCallerCancel(Time now) {
  Actions actions;
  if (state_ == State::kDone) return actions;
  Arrive(now);
  SettleAll(absl::StatusCode::kCancelled, Attribution::kCancelledByCaller,
            Finish::kNoAttempt, now, &actions);
  Finish finish;
  finish.code = absl::StatusCode::kCancelled;
  finish.reason = Reason::kCancelled;
  Close(finish, now, &actions);
  return actions;
}

Time CallDriver::wake_at() const {
  switch (state_) {
    case State::kRunning:
      return std::min(next_.at, plan_.deadline);
    case State::kFallback:
      return std::min({begin_by_, link_until_, plan_.deadline});
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
  // An extra attempt prefers a target that the call has not tried yet.
  for (const bool want_unused : {true, false}) {
    for (int target = 0; target < targets; ++target) {
      if (IsUnused(target) != want_unused) continue;
      if (plan_.is_shadow && target != followed_) {
        Breaker* const other = plan_.targets[static_cast<size_t>(target)];
        if (other->Glance(now, HedgeTo(target, kind)) ||
            (kind == AttemptKind::kHedge && other->IsStrained(now))) {
          continue;
        }
        is_elsewhere_ = true;
        return nearest;
      }
      auto refusal = TryTarget(target, kind, now, actions);
      if (!refusal) {
        followed_ = kNobody;
        return absl::nullopt;
      }
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
  Breaker* const breaker = plan_.targets[static_cast<size_t>(target)];
  if (kind == AttemptKind::kHedge && breaker->IsStrained(now)) {
    return Refusal{Reason::kHedgingPaused, Duration::zero()};
  }
  Admission admission =
      breaker->Admit(now, deadline, CallKind::kUnary, HedgeTo(target, kind));
  if (!admission.permit) return admission.refusal;
  // A recovering target gets one attempt at a time.
  if (admission.permit.is_careful() && kind != AttemptKind::kHedge) {
    may_hedge_ = false;
  }
  const bool is_probe = admission.permit.is_probe();
  actions->launch.push_back({launched(), target, kind, deadline, is_probe});
  Fly(std::move(admission.permit), target, kind, deadline, now);
  Count(&MethodStats::OnAttempt, kind);
  if (kind == AttemptKind::kFirst && plan_.stats != nullptr) {
    age_ = plan_.stats->ages.Begin(now);
  }
  return absl::nullopt;
}

void CallDriver::Fly(Permit permit, int target, AttemptKind kind, Time deadline,
                     Time now) {
  attempts_.emplace_back();
  Flight& flight = attempts_.back();
  flight.permit = std::move(permit);
  flight.facts.target = target;
  flight.facts.kind = kind;
  flight.facts.started = now;
  flight.facts.deadline = deadline;
  ++in_flight_;
}

Hedge CallDriver::HedgeTo(int target, AttemptKind kind) const {
  if (kind != AttemptKind::kHedge) return Hedge::kNo;
  return IsUnused(target) ? Hedge::kToUnusedTarget : Hedge::kToUsedTarget;
}

bool CallDriver::IsUnused(int target) const {
  return std::none_of(attempts_.begin(), attempts_.end(), [&](const Flight& f) {
    return f.facts.target == target;
  });
}

bool CallDriver::LeavesRoom(const AttemptEnd& end,
                            Attribution attribution) const {
  return end.code != absl::StatusCode::kOk && !is_committed_ &&
         EffectsOf(attribution).may_be_retried &&
         plan_.options->IsRetryable(end.code);
}

Reason CallDriver::ScheduleNext(const AttemptEnd& end, Attempt* failed,
                                Time now) {
  if (launched() >= plan_.options->max_attempts()) {
    return Reason::kAttemptsExhausted;
  }
  failed->pace = pacer_.AfterFailure(end, failed->attribution, now, &rng_);
  RetryPace* const pace = &*failed->pace;
  if (pace->stop == Reason::kPushback) DropNext();
  if (pace->stop != Reason::kNone) return pace->stop;
  if (!CanPayFor(plan_.deadline, pace->at)) {
    DropNext();
    return Reason::kDeadlineTooClose;
  }
  if (next_.at != kInfiniteFuture) {
    next_.at = std::max(next_.at, pace->at);
    // The retry that is scheduled already also follows this failure.
    if (next_.kind == AttemptKind::kRetry) {
      pace->at = next_.at;
      return Reason::kNone;
    }
  }
  if (!IsWorthTrying(Remaining(std::max(pace->at, now), plan_.deadline), now)) {
    DropNext();
    return Reason::kDeadlineInfeasible;
  }
  if (auto refusal = WouldRefuse(now, pace->at)) return refusal->reason;
  if (plan_.budget->IsThrottled()) {
    DropNext();
    return Reason::kThrottled;
  }
  if (!pacer_.IsWorthIt(pace, now)) return Reason::kRetriesNotWorthIt;
  if (!plan_.budget->TryAcquire(now)) return Reason::kBudgetExhausted;
  next_ = {pace->at, AttemptKind::kRetry, end.code};
  return Reason::kNone;
}

absl::optional<Refusal> CallDriver::WouldRefuse(Time now, Time at) const {
  absl::optional<Refusal> nearest;
  for (Breaker* breaker : plan_.targets) {
    auto refusal = breaker->WouldRefuse(now, at);
    if (!refusal) return absl::nullopt;
    if (!nearest || refusal->retry_after < nearest->retry_after) {
      nearest = refusal;
    }
  }
  return nearest;
}

void CallDriver::ArmHedge(Time now) {
  if (!may_hedge_ || launched() >= plan_.options->max_attempts()) return;
  const Time at = HedgeAt(*plan_.options, plan_.latency, plan_.deadline, now);
  if (at != kInfiniteFuture) next_ = {at, AttemptKind::kHedge, {}};
}

Reason CallDriver::PayForHedge(Time now) {
  if (IsSlowerThanUsual(plan_.latency, now)) return Reason::kHedgingPaused;
  if (!IsWorthTrying(Remaining(now, plan_.deadline), now)) {
    return Reason::kDeadlineInfeasible;
  }
  if (plan_.budget->IsThrottled()) return Reason::kThrottled;
  const bool is_late = launched() > 1 || attempts_.back().facts.stopped ==
                                             Reason::kBudgetExhausted;
  const double reserve =
      is_late ? 0.0 : FirstHedgeLeaves(plan_.budget->options());
  return plan_.budget->TryAcquire(now, reserve) ? Reason::kNone
                                                : Reason::kBudgetExhausted;
}

bool CallDriver::PostponeHedge(Time now) {
  // The next try is when the attempt has run twice as long, so that there are
  // few tries however short the delay was.
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  const Duration waited = Remaining(attempts_.back().facts.started, now);
  const Time at = SaturatingAdd(now, std::max(waited, kLeast));
  if (!CanPayFor(plan_.deadline, at)) return false;
  next_ = {at, AttemptKind::kHedge, {}};
  return true;
}

void CallDriver::FireNext(Time now, Actions* actions) {
  while (state_ == State::kRunning && next_.at <= now &&
         (!plan_.is_shadow || followed_ != kNobody)) {
    const AttemptKind kind = next_.kind;
    const absl::StatusCode after = next_.after;
    next_ = Next{};
    Reason refused =
        kind == AttemptKind::kHedge ? PayForHedge(now) : Reason::kNone;
    const bool may_ask_again = refused == Reason::kBudgetExhausted;
    if (refused == Reason::kNone) {
      if (auto refusal = TryLaunch(kind, now, actions)) {
        plan_.budget->Refund();
        refused = refusal->reason;
      }
    }
    if (refused == Reason::kNone) {
      if (kind == AttemptKind::kHedge) {
        NoteHedge(launched() - 2, Reason::kNone, now);
      }
      attempts_.back().after = after;
      ArmHedge(now);
      continue;
    }
    // Only the extra attempt is refused. It is counted once, however often it
    // is tried.
    Reason& stopped = attempts_.back().facts.stopped;
    if (stopped != refused) {
      Count(&MethodStats::OnStop, refused);
      if (kind == AttemptKind::kHedge) {
        NoteHedge(launched() - 1, refused, now);
      } else {
        NoteRetry(last_failure_, refused, now);
      }
    }
    stopped = refused;
    if (may_ask_again && PostponeHedge(now)) continue;
    // No more hedges for this call: another one would be refused as well.
    may_hedge_ = false;
    if (!AnyInFlight()) {
      Finish finish;
      finish.attempt = last_failure_;
      finish.code = last_code_;
      finish.reason = refused;
      End(finish, now, actions);
    }
  }
}

}  // namespace firebreak::core
