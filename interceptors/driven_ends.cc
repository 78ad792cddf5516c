// What a driven call gets before its attempts and after them: its way in, who
// is told of an attempt's end, and the answers that are no attempt's.
#include <utility>

#include "absl/strings/str_cat.h"
#include "interceptors/driven_call.h"
#include "interceptors/refusals.h"
#include "interceptors/report.h"
#include "src/core/deadline.h"
#include "src/engine/classification.h"
#include "src/engine/clock.h"

namespace firebreak::interceptors {

bool DrivenCall::PassIntake(Methods* first) {
  core::Visit visit;
  core::Intake::Step step = visit.Begin(
      &method_->settings->intake, began_, deadline_,
      method_->runtime->ExpectedTime(method_->settings->intake, began_));
  std::shared_ptr<Queued> queued;
  {
    core::MutexLock lock(&mu_);
    switch (step.kind) {
      case core::Intake::Step::Kind::kIn:
        visit_ = std::move(visit);
        return true;
      case core::Intake::Step::Kind::kOut:
        turned_away_ = step.refusal;
        return true;
      case core::Intake::Step::Kind::kWait:
        break;
    }
    driver_.Arrive(began_);
    held_.push_back(first);
    queued_ = Queued::Create(channel_, method_, std::move(visit),
                             [self = shared_from_this()](Queued::End end) {
                               self->LetIn(std::move(end));
                             });
    queued = queued_;
    ArmTimer();  // for a cancel from before
  }
  absl::optional<Queued::End> end = queued->Join();
  if (end.has_value()) LetIn(*std::move(end));
  return false;
}

void DrivenCall::LetIn(Queued::End end) {
  Methods* first = nullptr;
  const core::Time now = engine::Now();
  {
    core::MutexLock lock(&mu_);
    queued_ = nullptr;
    // The caller has cancelled: the visit ends with `end`.
    if (decided_ || end.is_cancelled) return;
    visit_ = std::move(end.visit);
    if (end.step.kind == core::Intake::Step::Kind::kOut) {
      turned_away_ = end.step.refusal;
    }
    first = held_.front();
    let_in_ = now;
  }
  Run(first, nullptr, now);
}

Answer DrivenCall::OwnAnswer(const Finish& finish) const {
  if (turned_away_ && finish.code != absl::StatusCode::kCancelled) {
    return TurnedAwayAnswer(*method_, *turned_away_);
  }
  switch (finish.code) {
    case absl::StatusCode::kDeadlineExceeded:
      if (finish.reason == core::Reason::kDeadlineInfeasible) {
        return InfeasibleAnswer(*method_, core::Remaining(let_in_, deadline_));
      }
      return LocalAnswer(
          grpc::StatusCode::DEADLINE_EXCEEDED,
          absl::StrCat("firebreak: the call's deadline passed after ",
                       driver_.launched(), " attempt(s)"),
          finish.reason, core::Duration::zero());
    case absl::StatusCode::kCancelled:
      return CancelledAnswer();
    default:
      return RefusalAnswer(channel_->name(), method_->runtime->method,
                           method_->targets.front()->cause(), finish.reason,
                           finish.retry_after);
  }
}

void DrivenCall::TellEnd(const Attempt& attempt,
                         const core::AttemptEnd& ended) {
  core::CallDriver::Attempt facts;
  {
    core::MutexLock lock(&mu_);
    facts = driver_.attempt(attempt.number);
    if (!facts.settled) {
      facts.attribution = driver_.Judge(attempt.number, ended, engine::Now());
    }
  }
  AttemptEnd end;
  end.channel = channel_->name();
  end.method = method_->method;
  end.target = channel_->targets()[static_cast<size_t>(facts.target)];
  end.attempt = attempt.number;
  end.context = &attempt.context;
  end.status = attempt.status;
  end.attribution = core::AttributionName(facts.attribution);
  end.peer = attempt.context.peer();
  channel_->listener()->OnAttemptEnd(end);
}

void DrivenCall::Classify(
    const std::shared_ptr<const Classifier>& classifier, const Result& result,
    std::vector<core::CallDriver::Unjudged> unjudged) const {
  for (core::CallDriver::Unjudged& each : unjudged) {
    engine::Classify(channel_, method_, classifier, result,
                     std::move(each.permit), each.by_default);
  }
}

void DrivenCall::AddReport(const Finish& finish) {
  v1::CallReport report = NewReport(*channel_, *method_);
  peers_.resize(static_cast<size_t>(driver_.launched()));
  for (int n = 0; n < driver_.launched(); ++n) {
    AddAttempt(*channel_, driver_.attempt(n), peers_[static_cast<size_t>(n)],
               began_, &report)
        ->set_answered(n == finish.attempt);
  }
  report.set_from_fallback(finish.from_fallback);
  FinishReport(finish.code, finish.reason, engine::Now() - began_, &report);
  answer_.trailing.emplace_back(ReportKey(), report.SerializeAsString());
}

}  // namespace firebreak::interceptors
