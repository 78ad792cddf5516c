// How a call ends: the attempts are settled, the fallbacks are asked, and the
// caller gets one result. The rest is in call_driver.cc.
#include <algorithm>

#include "src/core/attempts/call_driver.h"
#include "src/core/attempts/deadline_gate.h"
#include "src/core/base/deadline.h"

namespace firebreak::core {

bool CallDriver::OnLinkBegin(int link) {
  if (link_in_flight() != link) return false;
  begin_by_ = kInfiniteFuture;
  return true;
}

CallDriver::Actions CallDriver::OnLinkEnd(int link, bool ok, Time now) {
  Actions actions;
  // The end of the fallback may be reported before the timer fires.
  const bool is_late = now >= link_until_ || !CanPayFor(plan_.deadline, now);
  EndLink(link,
          !ok       ? LinkEnd::kFailed
          : is_late ? LinkEnd::kLate
                    : LinkEnd::kAnswered,
          now, &actions);
  return actions;
}

CallDriver::Actions CallDriver::OnLinkNotBegun(int link, Time now) {
  Actions actions;
  EndLink(link, LinkEnd::kNotBegun, now, &actions);
  return actions;
}

void CallDriver::AskNextLink(Time now, Actions* actions) {
  const auto link = links_.size();
  if (link == plan_.fallback_times.size() || !CanPayFor(plan_.deadline, now)) {
    Finish finish = failed_;
    if (finish.reason == Reason::kNone) finish.reason = Reason::kFallbackFailed;
    Close(finish, now, actions);
    return;
  }
  links_.push_back({now, now});
  begin_by_ = SaturatingAdd(now, kFallbackPatience);
  link_until_ = SaturatingAdd(now, plan_.fallback_times[link]);
  actions->ask_link = static_cast<int>(link);
  actions->finish = failed_;
}

void CallDriver::EndLink(int link, LinkEnd end, Time now, Actions* actions) {
  if (link_in_flight() != link) return;
  links_.back().end = end;
  links_.back().ended = now;
  if (end != LinkEnd::kAnswered) {
    AskNextLink(now, actions);
    return;
  }
  Finish finish;
  finish.from_fallback = true;
  Count(&MethodStats::OnFallback);
  Close(finish, now, actions);
}

Attribution CallDriver::Judge(int n, AttemptEnd end, Time now) const {
  const Attempt& facts = attempt(n);
  end.deadline_was_too_short =
      end.code == absl::StatusCode::kDeadlineExceeded &&
      IsTooShort(Remaining(facts.started, facts.deadline), plan_.latency, now);
  return Attribute(end, plan_.options->blame());
}

AdmissionControl::Verdict CallDriver::VerdictOf(const Finish& finish) const {
  auto verdict = AdmissionControl::Verdict::kNotSent;
  const auto ask = [&](int n) {
    verdict =
        AdmissionControl::VerdictOf(attempt(n).code, attempt(n).attribution);
  };
  if (finish.attempt != Finish::kNoAttempt) ask(finish.attempt);
  for (int n = launched();
       verdict == AdmissionControl::Verdict::kNotSent && n > 0; --n) {
    ask(n - 1);
  }
  return verdict;
}

void CallDriver::Settle(Flight* flight, absl::StatusCode code,
                        Attribution attribution, Verdict verdict, Time now) {
  flight->facts.settled = true;
  flight->facts.ended = now;
  flight->facts.code = code;
  flight->facts.attribution = attribution;
  --in_flight_;
  flight->permit.Settle(verdict, now);
  Count(&MethodStats::OnAttemptEnd, attribution);
  if (flight->facts.kind == AttemptKind::kRetry) {
    pacer_.OnRetryEnd(flight->after, code, attribution, now);
  }
  if (plan_.latency != nullptr && !plan_.is_shadow) {
    plan_.latency->OnAttemptEnd(code, attribution,
                                Remaining(flight->facts.started, now), now);
  }
}

Attribution CallDriver::SettleAnswered(int n, const AttemptEnd& end, Time now) {
  Flight& flight = attempts_[static_cast<size_t>(n)];
  const Attribution attribution = Judge(n, end, now);
  const Verdict verdict =
      VerdictOn(attribution, end.code, plan_.options->blame());
  if (IsServersWord(attribution, end.code)) flight.permit.SetHasAnswer();
  if (end.is_judged_later && IsJudgeable(attribution)) {
    flight.permit.NoteAnswered(now);
    unjudged_.push_back({std::move(flight.permit), verdict});
  }
  Settle(&flight, end.code, attribution, verdict, now);
  return attribution;
}

void CallDriver::SettleAll(absl::StatusCode code, Attribution attribution,
                           int winner, Time now, Actions* actions) {
  for (int n = 0; n < launched(); ++n) {
    Flight& flight = attempts_[static_cast<size_t>(n)];
    if (flight.facts.settled) continue;
    // It started before the attempt that answered, so it should have won.
    const bool lost = attribution == Attribution::kSuperseded && n < winner;
    Settle(&flight, code, attribution,
           lost ? Verdict::kLost
                : VerdictOn(attribution, code, plan_.options->blame()),
           now);
    actions->cancel.push_back(n);
  }
}

CallDriver::Actions CallDriver::OnCommit(int n, Time now) {
  Actions actions;
  if (state_ != State::kRunning || n >= launched() || attempt(n).settled) {
    return actions;
  }
  is_committed_ = true;
  may_hedge_ = false;
  DropNext();
  for (int other = 0; other < launched(); ++other) {
    Flight& flight = attempts_[static_cast<size_t>(other)];
    if (other == n || flight.facts.settled) continue;
    Settle(&flight, absl::StatusCode::kCancelled, Attribution::kSuperseded,
           EffectsOf(Attribution::kSuperseded).verdict, now);
    actions.cancel.push_back(other);
  }
  return actions;
}

CallDriver::Actions CallDriver::OnCallersDeadline(Time now,
                                                  bool is_judged_later) {
  Actions actions;
  if (state_ == State::kDone) return actions;
  Arrive(now);
  callers_deadline_passed_ = true;
  EndAtDeadline(is_judged_later, now, &actions);
  return actions;
}

void CallDriver::EndAtDeadline(bool is_judged_later, Time now,
                               Actions* actions) {
  if (state_ == State::kFallback) {
    Close(failed_, now, actions);
    return;
  }
  Finish finish;
  if (!AnyInFlight() && last_failure_ != Finish::kNoAttempt) {
    // The timer fired late, after a retry was due that had its token. The
    // server's last status is worth more than firebreak's own deadline status.
    finish.attempt = last_failure_;
    finish.code = last_code_;
    finish.reason = Reason::kDeadlineTooClose;
    Count(&MethodStats::OnStop, finish.reason);
    NoteRetry(last_failure_, finish.reason, now);
  } else {
    finish.code = absl::StatusCode::kDeadlineExceeded;
    finish.reason = Reason::kDeadlineExceeded;
  }
  AttemptEnd late;
  late.code = absl::StatusCode::kDeadlineExceeded;
  late.is_judged_later = is_judged_later;
  for (int n = 0; n < launched(); ++n) {
    if (attempt(n).settled) continue;
    SettleAnswered(n, late, now);
    actions->cancel.push_back(n);
  }
  End(finish, now, actions);
}

void CallDriver::End(const Finish& finish, Time now, Actions* actions) {
  DropNext();
  if (!plan_.fallback_times.empty() && finish.code != absl::StatusCode::kOk &&
      finish.reason != Reason::kCancelled && !is_committed_ &&
      !callers_deadline_passed_ && CanPayFor(plan_.deadline, now)) {
    state_ = State::kFallback;
    failed_ = finish;
    AskNextLink(now, actions);
    return;
  }
  Close(finish, now, actions);
}

void CallDriver::Close(const Finish& finish, Time now, Actions* actions) {
  DropNext();
  age_.End();
  if (state_ == State::kFallback && links_.back().end == LinkEnd::kAbandoned) {
    links_.back().ended = now;
  }
  state_ = State::kDone;
  actions->ask_link = absl::nullopt;
  actions->finish = finish;
  if (plan_.stats != nullptr) CountEnd(finish, now);
}

void CallDriver::CountEnd(const Finish& finish, Time now) {
  if (finish.attempt != Finish::kNoAttempt &&
      finish.code == absl::StatusCode::kOk &&
      attempt(finish.attempt).kind == AttemptKind::kHedge) {
    plan_.stats->OnHedgeWin();
  }
  if (launched() > 1) {
    int retries = 0;
    for (const Flight& flight : attempts_) {
      if (flight.facts.kind == AttemptKind::kRetry) ++retries;
    }
    plan_.stats->OnExtraAttempts(retries, launched() - 1 - retries);
  }
  const CallEnd end = EndOf(finish);
  if (end == CallEnd::kRejected) {
    plan_.stats->OnRejected(finish.reason);
  } else {
    plan_.stats->OnCallEnded(end, finish.code, now - started_);
  }
  if (CallTape* const tape = Listening(*plan_.stats)) {
    Write(tape, CallFacts(finish, now), finish);
  }
}

CallEnd CallDriver::EndOf(const Finish& finish) const {
  if (finish.reason == Reason::kCancelled) return CallEnd::kCancelled;
  if (finish.code == absl::StatusCode::kOk) return CallEnd::kSuccess;
  return attempts_.empty() ? CallEnd::kRejected : CallEnd::kFailure;
}

CallTape::Call CallDriver::CallFacts(const Finish& finish, Time now) const {
  CallTape::Call call;
  call.method = plan_.stats;
  call.started = started_;
  call.took = now - started_;
  call.granted = Remaining(started_, plan_.deadline);
  call.code = finish.code;
  call.reason = finish.reason;
  call.end = EndOf(finish);
  call.attempts = launched();
  call.from_fallback = finish.from_fallback;
  return call;
}

CallTape::Attempt CallDriver::AttemptFacts(int n, const Finish& finish) const {
  const Attempt& facts = attempt(n);
  CallTape::Attempt out;
  out.breaker = plan_.targets[static_cast<size_t>(facts.target)];
  out.started = facts.started;
  if (facts.settled) out.took = facts.ended - facts.started;
  out.granted = Remaining(facts.started, facts.deadline);
  out.code = facts.code;
  out.attribution = facts.attribution;
  out.stopped = facts.stopped;
  out.kind = facts.kind;
  // As elsewhere, a caller that cancelled did not wait for the answer.
  out.answered = n == finish.attempt && finish.reason != Reason::kCancelled;
  return out;
}

void CallDriver::Write(CallTape* tape, const CallTape::Call& call,
                       const Finish& finish) const {
  tape->Write(call, [&](int n) { return AttemptFacts(n, finish); });
}

bool CallDriver::IsWorthTrying(Duration left, Time now) const {
  return plan_.is_shadow ||
         IsFeasible(plan_.options->deadline_gate, plan_.latency, left, now);
}

void CallDriver::DropNext() {
  if (next_.at != kInfiniteFuture && next_.kind == AttemptKind::kRetry) {
    plan_.budget->Refund();
  }
  next_ = Next{};
}

}  // namespace firebreak::core
