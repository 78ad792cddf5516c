#include "src/core/admission/admission_control.h"

#include <algorithm>
#include <type_traits>

#include "src/core/base/deadline.h"

namespace firebreak::core {

AdmissionControl::Verdict AdmissionControl::VerdictOf(absl::StatusCode code,
                                                      Attribution attribution) {
  switch (attribution) {
    case Attribution::kOverload:
      return Verdict::kRefused;
    case Attribution::kSuccess:
    case Attribution::kAnsweredWithError:
    case Attribution::kServerFailure:
    case Attribution::kTransportFailure:
    case Attribution::kIgnored:
      if (code == absl::StatusCode::kDeadlineExceeded) return Verdict::kUnknown;
      if (IsAnswer(attribution)) return Verdict::kAccepted;
      return code == absl::StatusCode::kUnavailable ? Verdict::kRefused
                                                    : Verdict::kAccepted;
    case Attribution::kSuperseded:
    case Attribution::kCancelledByCaller:
    case Attribution::kAbandoned:
    case Attribution::kDeadlineTooShort:
      return Verdict::kUnknown;
    case Attribution::kNotSent:
    case Attribution::kLocalRejection:
      return Verdict::kNotSent;
    case Attribution::kLocalError:
      // A reply over the limit was sent, but this client cannot receive it.
      return code == absl::StatusCode::kResourceExhausted ? Verdict::kUnknown
                                                          : Verdict::kNotSent;
  }
  return Verdict::kUnknown;
}

AdmissionControl AdmissionControl::With(
    const AdmissionOptions& options, uint64_t seed, Time now,
    std::vector<std::shared_ptr<Bulkhead::Waiter>>* admitted) const {
  AdmissionControl out;
  ForEachPolicy([&](const char*, auto part, auto wanted, auto) {
    using Pointer = std::decay_t<decltype(out.*part)>;
    if (!(options.*wanted)) return;
    if constexpr (std::is_same_v<Pointer, std::shared_ptr<Bulkhead>>) {
      out.*part = Bulkhead::Next(this->*part, *(options.*wanted), admitted);
    } else {
      out.*part = Pointer::element_type::Next(this->*part, *(options.*wanted),
                                              seed, now);
    }
  });
  return out;
}

AdmissionControl AdmissionControl::Or(const AdmissionControl& other,
                                      const AdmissionOptions& off) const {
  AdmissionControl out = *this;
  ForEachPolicy([&](const char*, auto part, auto, auto is_off) {
    if (!(out.*part) && !(off.*is_off)) out.*part = other.*part;
  });
  return out;
}

AdmissionOptions AdmissionControl::options() const {
  AdmissionOptions options;
  ForEachPolicy([&](const char*, auto part, auto wanted, auto) {
    if (this->*part) options.*wanted = (this->*part)->options();
  });
  return options;
}

bool AdmissionControl::MayMakeWait() const {
  bool may = false;
  ForEachPart([&](absl::string_view, const auto* part) {
    may = may || part->kMayMakeWait;
  });
  return may;
}

bool AdmissionControl::MayRefuse(Reason reason) const {
  bool may = false;
  ForEachPart([&](absl::string_view, const auto* part) {
    for (const Reason each : part->kReasons) may = may || each == reason;
  });
  return may;
}

std::string AdmissionControl::Explain(const Refusal& refusal) const {
  std::string text;
  ForEachPart([&](absl::string_view, const auto* part) {
    for (const Reason each : part->kReasons) {
      if (each == refusal.reason) text = part->Explain(refusal);
    }
  });
  return text;
}

void AdmissionOptions::Check(const std::string& path,
                             FieldErrors* errors) const {
  AdmissionOptions copy = *this;
  copy.VisitParts([&](const char* name, auto* part, bool*) {
    if (*part) (*part)->Check(JoinPath(path, name), errors);
  });
}

AdmissionPermit& AdmissionPermit::operator=(AdmissionPermit&& other) noexcept {
  if (this == &other) return *this;
  End(AdmissionControl::Verdict::kNotSent, seen_);
  admission_ = std::exchange(other.admission_, nullptr);
  stage_ = std::exchange(other.stage_, Stage::kNotAsked);
  turn_ = std::exchange(other.turn_, {});
  has_place_ = std::exchange(other.has_place_, false);
  ends_by_deadline_ = other.ends_by_deadline_;
  waiter_ = std::move(other.waiter_);
  seen_ = other.seen_;
  deadline_ = other.deadline_;
  expected_ = other.expected_;
  began_ = other.began_;
  give_up_ = other.give_up_;
  return *this;
}

AdmissionPermit::Step AdmissionPermit::Begin(const AdmissionControl* admission,
                                             Time now, Time deadline,
                                             Duration expected) {
  admission_ = admission;
  deadline_ = deadline;
  expected_ = std::max(expected, Duration::zero());
  began_ = seen_ = now;
  if (!CanPayFor(deadline, now)) {
    return Refuse(absl::StatusCode::kDeadlineExceeded,
                  Reason::kDeadlineExceeded, now);
  }
  if (admission->empty()) {  // most are: there is nothing to give back
    admission_ = nullptr;
    stage_ = Stage::kIsAdmitted;
    return Step{};
  }
  Reason refused = Reason::kNone;
  admission->ForEachPart([&](absl::string_view, auto* part) {
    if constexpr (!std::decay_t<decltype(*part)>::kMayMakeWait) {
      if (refused == Reason::kNone && !part->Admit(now)) {
        refused = part->kReasons[0];
      }
    }
  });
  if (refused != Reason::kNone) {
    return Refuse(absl::StatusCode::kResourceExhausted, refused, now);
  }
  if (admission->rate_limit() != nullptr) return TakeToken(now);
  return Enter(nullptr, now);
}

AdmissionPermit::Step AdmissionPermit::Continue(
    const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now) {
  seen_ = now;
  switch (stage_) {
    case Stage::kWaitsForToken:
      if (now < give_up_) break;
      return Enter(waiter, now);
    case Stage::kHasToken:
      return Enter(waiter, now);
    case Stage::kInQueue:
      if (now < give_up_) {
        if (!admission_->bulkhead()->TakePlace(waiter.get())) break;
      } else if (!admission_->bulkhead()->GiveUp(waiter.get())) {
        admission_->bulkhead()->CountRejection();
        return ends_by_deadline_ ? Refuse(absl::StatusCode::kDeadlineExceeded,
                                          Reason::kDeadlineExceeded, now)
                                 : Refuse(absl::StatusCode::kResourceExhausted,
                                          Reason::kQueueTimeout, now);
      }
      has_place_ = true;
      return Admit(now);
    case Stage::kNotAsked:
    case Stage::kIsAdmitted:
      return Step{};
  }
  Step wait;
  wait.kind = Step::Kind::kWait;
  wait.until = give_up_;
  return wait;
}

void AdmissionPermit::GiveAllBack(AdmissionControl::Verdict verdict, Time now) {
  const bool was_sent = stage_ == Stage::kIsAdmitted &&
                        verdict != AdmissionControl::Verdict::kNotSent;
  const AdmissionControl* const admission = std::exchange(admission_, nullptr);
  const bool is_queued =
      std::exchange(stage_, Stage::kNotAsked) == Stage::kInQueue;
  if (const auto waiter = waiter_.lock(); is_queued && waiter != nullptr) {
    has_place_ |= admission->bulkhead()->GiveUp(waiter.get());
  }
  if (was_sent && verdict != AdmissionControl::Verdict::kUnknown) {
    admission->ForEachPart([&](absl::string_view, auto* part) {
      if constexpr (!std::decay_t<decltype(*part)>::kMayMakeWait) {
        part->OnEnd(verdict == AdmissionControl::Verdict::kAccepted, now);
      }
    });
  }
  const RateLimit::Turn turn = std::exchange(turn_, {});
  if (turn.is_ours && !was_sent) admission->rate_limit()->GiveBack(turn, now);
  if (std::exchange(has_place_, false)) admission->bulkhead()->Leave(was_sent);
}

AdmissionPermit::Step AdmissionPermit::TakeToken(Time now) {
  RateLimit* const limit = admission_->rate_limit();
  const Time by_deadline = SaturatingAdd(deadline_, -expected_);
  const Time latest = SaturatingAdd(now, limit->options().max_wait);
  const RateLimit::Turn turn =
      limit->Take(now, std::max(now, std::min(latest, by_deadline)));
  if (!turn.is_ours) {
    limit->CountRejection();
    Step out = turn.at > latest ? Refuse(absl::StatusCode::kResourceExhausted,
                                         Reason::kRateLimited, now)
                                : Refuse(absl::StatusCode::kDeadlineExceeded,
                                         Reason::kDeadlineTooClose, now);
    out.refusal.wait = Remaining(now, turn.at);
    if (turn.at > latest) out.refusal.retry_after = Remaining(latest, turn.at);
    return out;
  }
  turn_ = turn;
  if (turn.at <= now) return Enter(nullptr, now);
  stage_ = Stage::kWaitsForToken;
  give_up_ = turn.at;
  Step wait;
  wait.kind = Step::Kind::kWait;
  wait.until = turn.at;
  return wait;
}

AdmissionPermit::Step AdmissionPermit::Enter(
    const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now) {
  Bulkhead* const bulkhead = admission_->bulkhead();
  if (bulkhead == nullptr) return Admit(now);
  const Time by_deadline = SaturatingAdd(deadline_, -expected_);
  const bool may_wait = by_deadline > now;
  switch (bulkhead->Enter(may_wait ? waiter : nullptr)) {
    case Bulkhead::Entry::kAdmitted:
      has_place_ = true;
      return Admit(now);
    case Bulkhead::Entry::kFull:
      bulkhead->CountRejection();
      return Refuse(absl::StatusCode::kResourceExhausted, Reason::kBulkheadFull,
                    now);
    case Bulkhead::Entry::kQueued:
      break;
  }
  if (!may_wait) {
    bulkhead->CountRejection();
    Step out = Refuse(absl::StatusCode::kDeadlineExceeded,
                      Reason::kDeadlineTooClose, now);
    out.refusal.wait = expected_;
    return out;
  }
  const Time by_policy =
      SaturatingAdd(now, waiter == nullptr ? bulkhead->options().max_wait
                                           : waiter->max_wait());
  stage_ = waiter == nullptr ? Stage::kHasToken : Stage::kInQueue;
  waiter_ = waiter;
  began_ = now;
  give_up_ = std::min(by_policy, by_deadline);
  ends_by_deadline_ = by_deadline <= by_policy;
  Step wait;
  wait.kind = Step::Kind::kWait;
  wait.until = give_up_;
  return wait;
}

AdmissionPermit::Step AdmissionPermit::Admit(Time now) {
  if (!CanPayFor(deadline_, now)) {
    if (stage_ == Stage::kInQueue) admission_->bulkhead()->CountRejection();
    return Refuse(absl::StatusCode::kDeadlineExceeded,
                  Reason::kDeadlineExceeded, now);
  }
  stage_ = Stage::kIsAdmitted;
  return Step{};
}

AdmissionPermit::Step AdmissionPermit::Refuse(absl::StatusCode code,
                                              Reason reason, Time now) {
  Step out;
  out.kind = Step::Kind::kRefused;
  out.refusal.code = code;
  out.refusal.reason = reason;
  out.refusal.wait = Remaining(began_, now);
  if (admission_->bulkhead() != nullptr) {
    const Bulkhead::Snapshot snapshot = admission_->bulkhead()->snapshot();
    out.refusal.in_use = snapshot.active;
    out.refusal.queued = snapshot.queued;
  }
  End(AdmissionControl::Verdict::kNotSent, now);
  return out;
}

}  // namespace firebreak::core
