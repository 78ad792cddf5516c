#include "src/engine/candidate/candidate_call.h"

#include <algorithm>
#include <utility>

#include "src/core/attempts/deadline_gate.h"
#include "src/core/attempts/hedging.h"
#include "src/core/base/deadline.h"
#include "src/core/base/outcome.h"

namespace firebreak::engine {
namespace {

using core::Attribution;
using core::Reason;
using core::Time;

}  // namespace

// Whether the attempt ran out of time only because the live policy gave it less
// than the candidate would have.
bool CandidateCall::WasCutOff(const Sent& sent, const core::AttemptEnd& end,
                              Time own_deadline) {
  return end.code == absl::StatusCode::kDeadlineExceeded &&
         end.origin != core::Origin::kPeer && sent.deadline < own_deadline;
}

class CandidateCall::Waiter final : public core::Bulkhead::Waiter {
 public:
  void OnPlace() override {}  // Continue() asks for the slot later
};

CandidateCall::CandidateCall(const CandidateBinding& candidate,
                             MethodRuntime* live, Arrival arrival)
    : candidate_(candidate),
      live_(live),
      own_options_(std::move(arrival.options)),
      options_(own_options_ != nullptr ? *own_options_
                                       : *candidate.binding.settings->options),
      kind_(arrival.kind),
      callers_deadline_(arrival.deadline),
      live_deadline_(std::min(arrival.deadline, arrival.live_deadline)),
      deadline_(is_unary() ? core::CallDeadline(arrival.deadline,
                                                options_.timeout, arrival.now)
                           : arrival.deadline),
      seed_(arrival.seed),
      is_driven_(is_unary() &&
                 (options_.NeedsDriver() || live->has_fallback())) {
  Enter(arrival.now);
}

CandidateCall::~CandidateCall() {
  if (has_ended_) return;
  tally()->Add(Would::kNothingElse, Live::kUnknown);
  if (!is_refused()) return;
  tally()->Add(Would::kRefuse, Live::kUnknown);
  tally()->AddRefusal(refused_);
}

core::CallDriver::Plan CandidateCall::MakePlan() const {
  core::CallDriver::Plan plan;
  plan.options = &options_;
  plan.targets = candidate_.binding.targets;
  plan.budget = candidate_.binding.runtime->budget.get();
  plan.latency = &live_->latency;
  plan.estimator = candidate_.binding.settings->estimator.get();
  plan.deadline = deadline_;
  plan.seed = seed_;
  plan.is_shadow = true;
  return plan;
}

absl::Span<core::Breaker* const> CandidateCall::targets() const {
  const absl::Span<core::Breaker* const> all = candidate_.binding.targets;
  return is_driven_ ? all : all.first(1);
}

void CandidateCall::Enter(Time now) {
  using StepKind = core::AdmissionControl::Step::Kind;
  const core::AdmissionControl& admission =
      candidate_.binding.settings->admission;
  if (admission.empty() && core::CanPayFor(deadline_, now)) return;
  core::AdmissionControl::Step step =
      admission_.Begin(&admission, now, deadline_,
                       is_unary() ? live_->ExpectedTime(admission, now)
                                  : core::Duration::zero());
  if (step.kind == StepKind::kWait) {
    waiter_ = std::make_shared<Waiter>();
    step = admission_.Continue(waiter_, now);
  }
  if (step.kind == StepKind::kRefused) Refuse(step.refusal.reason, now);
  waits_ = step.kind == StepKind::kWait;
}

void CandidateCall::Refuse(Reason reason, Time now) {
  refused_ = reason;
  admission_.End(core::AdmissionControl::Verdict::kNotSent, now);
}

void CandidateCall::Lose() {
  is_lost_ = true;
  driver_.reset();
  permit_ = core::Permit();
}

void CandidateCall::Note(const core::CallDriver::Actions& actions) {
  if (actions.finish && !finish_) finish_ = actions.finish;
}

void CandidateCall::Begin(const Launch& launch, Time now) {
  using StepKind = core::AdmissionControl::Step::Kind;
  if (waits_) {
    core::AdmissionControl::Step step = admission_.Continue(waiter_, now);
    // A token would have come by `step.until` without any other event.
    if (step.kind == StepKind::kWait && !admission_.is_queued()) {
      step = admission_.Continue(waiter_, step.until);
    }
    if (step.kind == StepKind::kRefused) Refuse(step.refusal.reason, now);
    if (step.kind != StepKind::kAdmitted) return;
  }
  if (is_driven_ && targets().size() > 1) {
    BeginDriven(launch, now);
    return;
  }
  if (is_driven_ && !core::CanPayFor(deadline_, now)) {
    Refuse(Reason::kDeadlineExceeded, now);
    return;
  }
  core::Admission asked = AskFirstTarget(launch.target, now);
  if (asked.refusal.reason != Reason::kNone) {
    Refuse(asked.refusal.reason, now);
    return;
  }
  has_begun_ = true;
  candidate_.binding.runtime->budget->OnCallAdmitted();
  if (launch.target != 0) {
    Lose();
    return;
  }
  permit_ = std::move(asked.permit);
  launched_ = now;
  if (is_driven_ && core::MayHedge(options_) && options_.max_attempts() > 1) {
    hedge_at_ = core::HedgeAt(options_, &live_->latency, deadline_, now);
  }
  // Nothing tells these breakers whether the connection is alive, so the
  // silence of a stream must not count for it.
  if (!is_unary() && permit_.is_probe()) permit_.NoteAnswered(now);
}

core::Admission CandidateCall::AskFirstTarget(int sent_to, Time now) {
  core::Breaker* const breaker = targets()[0];
  if (sent_to == 0) {
    const Time deadline =
        is_driven_
            ? core::AttemptDeadline(deadline_, options_.attempt_timeout(0), now)
            : deadline_;
    return breaker->Admit(now, deadline, kind_);
  }
  // A call that is sent to another target takes no permit of this breaker.
  return {core::Permit(), breaker->Glance(now).value_or(core::Refusal{})};
}

void CandidateCall::BeginDriven(const Launch& launch, Time now) {
  driver_ = std::make_unique<core::CallDriver>(MakePlan());
  const core::CallDriver::Actions actions =
      driver_->Follow(core::AttemptKind::kFirst, launch.target, now);
  has_begun_ = !actions.launch.empty() || driver_->is_elsewhere();
  if (driver_->is_elsewhere()) {
    Lose();
  } else if (has_begun_) {
    sent_.front().own = 0;
  } else {
    Refuse(actions.finish->reason, now);
  }
}

void CandidateCall::MakeDriver() {
  driver_ = std::make_unique<core::CallDriver>(MakePlan());
  driver_->Adopt(std::move(permit_), launched_, hedge_at_);
  sent_.front().own = 0;
}

bool CandidateCall::IsPlain(int n, const core::AttemptEnd& end,
                            Time now) const {
  const bool is_due =
      hedge_at_ < now || (deadline_ < live_deadline_ && deadline_ < now);
  return is_driven_ && driver_ == nullptr && permit_ && n == 0 &&
         end.code == absl::StatusCode::kOk && !end.is_judged_later && !is_due;
}

void CandidateCall::OnLaunch(const Launch& launch, Time now) {
  live_retried_ |= launch.kind == core::AttemptKind::kRetry;
  live_hedged_ |= launch.kind == core::AttemptKind::kHedge;
  sent_.push_back({launch.deadline, -1});
  if (is_refused()) return;
  if (launch.attempt == 0) {
    Begin(launch, now);
    return;
  }
  if (!has_begun_ || is_lost_) return;
  NeedDriver();
  const bool is_retry = launch.kind == core::AttemptKind::kRetry;
  if (!driver_) {
    gives_up_ |= is_retry;
    return;
  }
  if (!is_retry) Advance(now);
  const core::CallDriver::Actions actions =
      driver_->Follow(launch.kind, launch.target, now);
  if (driver_->is_elsewhere()) {
    Lose();
    return;
  }
  Note(actions);
  if (!actions.launch.empty()) {
    sent_.back().own = actions.launch.front().attempt;
    hedges_ |= !is_retry;
  } else if (is_retry && finish_ && !has_timed_out_) {
    gives_up_ = true;
  }
}

void CandidateCall::Advance(Time now) {
  if (!driver_ || finish_) return;
  const Time before = std::min(now - core::Duration(1), deadline_);
  hedges_ |= driver_->ForgoHedge(before);
  // If both policies have the same timeout, the live one ends the call.
  if (deadline_ >= live_deadline_ || now <= deadline_) return;
  Note(driver_->OnTimer(deadline_));
  has_timed_out_ = true;
}

std::vector<CandidateCall::Unjudged> CandidateCall::OnAttemptEnd(
    int n, const core::AttemptEnd& end, Time now) {
  if (has_ended_ || !has_begun_ || is_lost_) return {};
  if (IsPlain(n, end, now)) {
    candidate_.binding.runtime->budget->OnAttemptEnd(/*success=*/true);
  } else {
    NeedDriver();
  }
  const Sent& sent = sent_[static_cast<size_t>(n)];
  if (driver_) return EndDriven(sent, end, now);
  if (n == 0 && permit_) return EndNative(sent, end, now);
  return {};
}

std::vector<CandidateCall::Unjudged> CandidateCall::EndDriven(
    const Sent& sent, const core::AttemptEnd& end, Time now) {
  Advance(now);
  if (sent.own < 0) return {};
  if (!finish_ && WasCutOff(sent, end, driver_->attempt(sent.own).deadline)) {
    Lose();
    return {};
  }
  Note(driver_->OnAttemptEnd(sent.own, end, now));
  return driver_->TakeUnjudged();
}

std::vector<CandidateCall::Unjudged> CandidateCall::EndNative(
    const Sent& sent, const core::AttemptEnd& end, Time now) {
  std::vector<Unjudged> out;
  if (WasCutOff(sent, end, deadline_)) {
    Lose();
    return out;
  }
  core::AttemptEnd mine = end;
  mine.deadline_was_too_short =
      is_unary() && end.code == absl::StatusCode::kDeadlineExceeded &&
      core::IsTooShort(core::Remaining(launched_, deadline_), &live_->latency,
                       now);
  const core::BlameRules rules = options_.blame();
  const Attribution attribution = core::Attribute(mine, rules);
  const core::Verdict verdict = core::VerdictOn(attribution, end.code, rules);
  verdict_ = core::AdmissionControl::VerdictOf(end.code, attribution);
  if (core::IsServersWord(attribution, end.code)) permit_.SetHasAnswer();
  if (end.is_judged_later && core::IsJudgeable(attribution)) {
    permit_.NoteAnswered(now);
    out.push_back({std::move(permit_), verdict});
  }
  permit_.Settle(verdict, now);
  return out;
}

void CandidateCall::OnCommit(int n, Time now) {
  if (has_ended_) return;
  NeedDriver();
  if (!driver_) return;
  Advance(now);
  const int own = sent_[static_cast<size_t>(n)].own;
  if (own >= 0) Note(driver_->OnCommit(own, now));
}

void CandidateCall::OnTimer(Time now) {
  if (has_ended_) return;
  NeedDriver();
  if (!driver_ || finish_) return;
  Advance(now);
  if (!finish_) hedges_ |= driver_->ForgoHedge(now);
}

void CandidateCall::OnProgress(Time now) { permit_.NoteProgress(now); }

}  // namespace firebreak::engine
