#include "src/engine/candidate/candidate_call.h"

#include <algorithm>
#include <utility>

#include "src/core/attempts/deadline_gate.h"
#include "src/core/base/deadline.h"
#include "src/core/base/outcome.h"

namespace firebreak::engine {
namespace {

using core::Attribution;
using core::Reason;
using core::Time;

Live LiveOf(const CandidateCall::Call& call) {
  const bool was_sent = call.attempts > 0;
  switch (call.end) {
    case core::CallEnd::kSuccess:
      if (!call.from_fallback) return Live::kSucceeded;
      return was_sent ? Live::kFailed : Live::kRefused;
    case core::CallEnd::kFailure:
      return Live::kFailed;
    case core::CallEnd::kRejected:
      return Live::kRefused;
    case core::CallEnd::kCancelled:
    case core::CallEnd::kAbandoned:
      break;
  }
  return Live::kUnknown;
}

// The live policy has ended it by its own timeout, and not by its caller's.
bool HasTimedOut(const CandidateCall::Call& call, Time callers_deadline) {
  return call.reason == Reason::kDeadlineExceeded && call.attempts > 0 &&
         call.took >= call.granted &&
         core::SaturatingAdd(call.started, call.granted) < callers_deadline;
}

}  // namespace

class CandidateCall::Waiter final : public core::Bulkhead::Waiter {
 public:
  void OnPlace() override {}  // it is asked for later
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
  plan.stats = &candidate_.binding.runtime->stats;
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
    // A token comes by itself.
    if (step.kind == StepKind::kWait && !admission_.is_queued()) {
      step = admission_.Continue(waiter_, step.until);
    }
    if (step.kind == StepKind::kRefused) Refuse(step.refusal.reason, now);
    if (step.kind != StepKind::kAdmitted) return;
  }
  if (is_driven_) {
    driver_.emplace(MakePlan());
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
    return;
  }
  core::Breaker* const breaker = targets()[0];
  core::Admission asked;
  if (launch.target == 0) {
    asked = breaker->Admit(now, deadline_, kind_);
  } else if (const auto refusal = breaker->Glance(now)) {
    asked.refusal = *refusal;
  }
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
  // See above: nobody says whether its connection lives.
  if (!is_unary() && permit_.is_probe()) permit_.NoteAnswered(now);
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
  // A timeout that is the same rings for both at once.
  if (deadline_ >= live_deadline_ || now <= deadline_) return;
  Note(driver_->OnTimer(deadline_));
  has_timed_out_ = true;
}

std::vector<CandidateCall::Unjudged> CandidateCall::OnAttemptEnd(
    int n, const core::AttemptEnd& end, Time now) {
  std::vector<Unjudged> out;
  if (has_ended_ || !has_begun_ || is_lost_) return out;
  Advance(now);
  const Sent& sent = sent_[static_cast<size_t>(n)];
  // It may have had more time here.
  const auto was_cut_off = [&](Time own_deadline) {
    return end.code == absl::StatusCode::kDeadlineExceeded &&
           end.origin != core::Origin::kPeer && sent.deadline < own_deadline;
  };
  if (driver_) {
    if (sent.own < 0) return out;
    if (!finish_ && was_cut_off(driver_->attempt(sent.own).deadline)) {
      Lose();
      return out;
    }
    Note(driver_->OnAttemptEnd(sent.own, end, now));
    return driver_->TakeUnjudged();
  }
  if (n != 0 || !permit_) return out;
  if (was_cut_off(deadline_)) {
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
  if (has_ended_ || !driver_) return;
  Advance(now);
  const int own = sent_[static_cast<size_t>(n)].own;
  if (own >= 0) Note(driver_->OnCommit(own, now));
}

void CandidateCall::OnTimer(Time now) {
  if (has_ended_ || !driver_ || finish_) return;
  Advance(now);
  if (!finish_) hedges_ |= driver_->ForgoHedge(now);
}

void CandidateCall::OnProgress(Time now) { permit_.NoteProgress(now); }

void CandidateCall::End(const Call& call, Time now) {
  has_ended_ = true;
  const Live live = LiveOf(call);
  tally()->Add(Would::kNothingElse, live);
  if (waits_) tally()->Add(Would::kWait, live);
  if (live_retried_) tally()->Add(Tally::LiveAct::kRetried);
  if (live_hedged_) tally()->Add(Tally::LiveAct::kHedged);
  const bool live_timed_out = HasTimedOut(call, callers_deadline_);
  if (live_timed_out) tally()->Add(Tally::LiveAct::kTimedOut);
  if (has_begun_) {
    EndSent(call, live, live_timed_out, now);
  } else if (!is_refused()) {
    EndUnsent(call, live, now);
  }
  if (!is_refused()) return;
  tally()->Add(Would::kRefuse, live);
  tally()->AddRefusal(refused_);
}

void CandidateCall::EndUnsent(const Call& call, Live live, Time now) {
  using Verdict = core::AdmissionControl::Verdict;
  if (waits_) {
    const core::AdmissionControl::Step step = admission_.Continue(waiter_, now);
    if (step.kind == core::AdmissionControl::Step::Kind::kRefused) {
      Refuse(step.refusal.reason, now);
      return;
    }
  }
  if (!waits_ || (live == Live::kRefused && !admission_.is_queued())) {
    if (!core::CanPayFor(deadline_, now)) {
      Refuse(Reason::kDeadlineExceeded, now);
    } else if (call.reason == Reason::kDeadlineInfeasible &&
               options_.deadline_gate) {
      Refuse(Reason::kDeadlineInfeasible, now);
    } else {
      Reason first = Reason::kNone;
      for (core::Breaker* each : targets()) {
        const absl::optional<core::Refusal> refusal = each->Glance(now);
        if (!refusal) {
          first = Reason::kNone;
          break;
        }
        if (first == Reason::kNone) first = refusal->reason;
      }
      if (first != Reason::kNone) Refuse(first, now);
    }
  }
  admission_.End(call.attempts > 0 ? Verdict::kUnknown : Verdict::kNotSent,
                 now);
}

void CandidateCall::EndSent(const Call& call, Live live, bool live_timed_out,
                            Time now) {
  Advance(now);
  if (driver_ && !finish_) {
    if (call.end == core::CallEnd::kCancelled) {
      Note(driver_->OnCallerCancel(now));
    } else if (live_timed_out) {
      if (deadline_ <= live_deadline_) {
        Note(driver_->OnTimer(now));
        has_timed_out_ = true;
      }
    } else if (call.reason == Reason::kDeadlineExceeded) {
      Note(driver_->OnCallersDeadline(now));
    }
  }
  if (has_timed_out_) tally()->Add(Would::kTimeOut, live);
  if (hedges_) tally()->Add(Would::kHedge, live);
  if (gives_up_) tally()->Add(Would::kGiveUp, live);
  const bool runs = !is_lost_ && !finish_ && !verdict_;
  if (runs && live_timed_out && deadline_ > live_deadline_) {
    tally()->Add(Would::kGoOn, live);
  }
  const bool gate_stops =
      call.reason == Reason::kDeadlineInfeasible && options_.deadline_gate;
  if (runs && driver_ && live == Live::kFailed && !gate_stops &&
      driver_->ForgoRetry(now)) {
    tally()->Add(Would::kRetry, live);
  }
  auto verdict = verdict_.value_or(core::AdmissionControl::Verdict::kUnknown);
  if (driver_ && finish_) verdict = driver_->VerdictOf(*finish_);
  driver_.reset();
  permit_ = core::Permit();
  admission_.End(verdict, now);
}

}  // namespace firebreak::engine
