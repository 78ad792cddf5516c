// How a call ends under a candidate, and what is counted of it. The rest is in
// candidate_call.cc.
#include <algorithm>

#include "src/core/attempts/deadline_gate.h"
#include "src/core/base/deadline.h"
#include "src/engine/candidate/candidate_call.h"

namespace firebreak::engine {
namespace {

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

// Whether the live policy's timeout ended the call, and not its caller's
// deadline.
bool HasTimedOut(const CandidateCall::Call& call, Time callers_deadline) {
  return call.reason == Reason::kDeadlineExceeded && call.attempts > 0 &&
         call.took >= call.granted &&
         core::SaturatingAdd(call.started, call.granted) < callers_deadline;
}

}  // namespace

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
  NeedDriver();
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
  if (permit_) permit_ = core::Permit();
  admission_.End(verdict, now);
}

}  // namespace firebreak::engine
