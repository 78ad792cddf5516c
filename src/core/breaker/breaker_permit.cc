// How permits are settled, and what a breaker does without its lock or without
// a call.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/breaker/breaker.h"

namespace firebreak::core {

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  if (breaker_ != nullptr) {
    breaker_->SettlePermit(*this, Verdict::kNeutral, absl::nullopt);
  }
  breaker_ = std::exchange(other.breaker_, nullptr);
  epoch_ = other.epoch_;
  probe_ = other.probe_;
  ticket_ = other.ticket_;
  kind_ = other.kind_;
  is_careful_ = other.is_careful_;
  has_progressed_ = other.has_progressed_;
  return *this;
}

Permit::~Permit() {
  if (breaker_ != nullptr) {
    breaker_->SettlePermit(*this, Verdict::kNeutral, absl::nullopt);
  }
}

void Permit::Settle(Verdict verdict, Time now) {
  Breaker* const breaker = std::exchange(breaker_, nullptr);
  if (breaker == nullptr) return;
  if (verdict == Verdict::kSuccess && breaker->CountQuickly(*this, now)) return;
  breaker->SettlePermit(*this, verdict, now);
}

void Permit::NoteProgress(Time now) {
  // Only the first progress shows how long callers wait for it.
  if (breaker_ != nullptr && is_probe() &&
      !std::exchange(has_progressed_, true)) {
    breaker_->NotePermitProgress(*this, now);
  }
}

void Permit::NoteAnswered(Time now) {
  if (breaker_ != nullptr) breaker_->NotePermitAnswered(this, now);
}

bool Breaker::CountQuickly(const Permit& permit, Time now) {
  const TripRules::Ticket& ticket = permit.ticket_;
  if (permit.kind_ != Permit::Kind::kCounted || ticket.slice != 0) return false;
  const bool is_timed = ticket.is_unary && !ticket.is_over;
  return quick_.CountSuccess(
      permit.epoch_, is_timed ? ticket.started : kInfiniteFuture, Bounded(now));
}

absl::optional<Refusal> Breaker::Glance(Time now, Hedge hedge) {
  {
    Turn turn(this);
    Advance(now);
    if (forced_ == Forced::kNo &&
        options_.mode == BreakerOptions::Mode::kEnforce) {
      if (machine_ == BreakerState::kRamp &&
          (hedge != Hedge::kNo || !TakesRampTurn())) {
        return Refusal{Reason::kRamping, Duration::zero(), epoch_};
      }
      const bool asks_probation =
          machine_ == BreakerState::kHalfOpen ||
          (machine_ == BreakerState::kOpen && latest_ >= CallsLookAt());
      if (asks_probation &&
          (hedge == Hedge::kToUsedTarget || !probation_.HasRoom(latest_))) {
        return Refusal{Reason::kProbesTaken, Duration::zero(), epoch_};
      }
    }
  }
  return WouldRefuse(now, now);
}

void Breaker::SettlePermit(const Permit& permit, Verdict verdict,
                           absl::optional<Time> now) {
  if (permit.kind_ == Permit::Kind::kNothing) return;
  const TripRules::Ticket& ticket = permit.ticket_;
  Turn turn(this);
  const Time at = std::max(latest_, Bounded(now.value_or(latest_)));
  // A result at the very end of the lease is still in time.
  const bool has_lease = permit.is_probe() &&
                         permit.epoch_ >= oldest_valid_epoch_ &&
                         probation_.Arrive(permit.probe_, at);
  Advance(at);
  CountLoss(verdict);
  if (permit.epoch_ >= oldest_valid_epoch_) {
    if (verdict == Verdict::kSuccess ||
        (verdict == Verdict::kFailure && ticket.has_answer)) {
      probation_.NoteAnswer();
    } else if (verdict == Verdict::kFailure && ticket.is_unary) {
      probation_.NoteNoAnswer(latest_);
    }
  }
  if (verdict == Verdict::kSuccess && ticket.is_unary && !has_lease &&
      (permit.is_probe() || permit.epoch_ < oldest_valid_epoch_)) {
    NoteLateSuccess(permit);
  }
  if (permit.epoch_ < oldest_valid_epoch_) {
    ++stale_;
  } else if (!permit.is_probe()) {
    if (IsCounting() && rules_.End(ticket, verdict, latest_)) TripIfDue();
  } else if (!has_lease) {
    ++stale_;  // its lease ended first and was judged then
    probation_.End(permit.probe_);
  } else {
    probation_.End(permit.probe_);
    if (verdict == Verdict::kNotSent) {
      FailForWantOfConnection();
    } else if (!IsNeutral(verdict)) {
      const bool failed = verdict == Verdict::kFailure;
      const bool slow =
          ticket.is_unary &&
          (ticket.is_over ? !ticket.is_fast : rules_.IsSlow(ticket, latest_));
      EndProbe(failed, slow, failed ? "a probe failed" : "probes succeeded");
    } else if (machine_ == BreakerState::kHalfOpen) {
      EndProbationIfDecided("few calls came");
    }
  }
}

void Breaker::NotePermitProgress(const Permit& permit, Time now) {
  Turn turn(this);
  Advance(now);
  if (permit.epoch_ == epoch_) {
    probation_.NoteAnswer();
    if (probation_.NoteProgress(permit.probe_)) {
      EndProbe(/*failed=*/false, /*slow=*/false, "probes succeeded");
    }
  } else if (permit.epoch_ < oldest_valid_epoch_) {
    NoteLateSuccess(permit);
  }
}

// If it stayed HALF_OPEN while there is no connection, it would send every call
// to a target that cannot answer, one after the other.
void Breaker::FailForWantOfConnection() {
  if (machine_ != BreakerState::kOpen) {
    Enter(BreakerState::kOpen, Event::Kind::kTransition,
          "there is no connection for a probe");
  }
  reopened_ = Reopened::kNoConnection;
}

void Breaker::NoteConnected(Time now) {
  Turn turn(this);
  Advance(now);
  // A change of state ends all leases.
  while (const absl::optional<Probation::Sign> sign =
             probation_.EndSilentStream(latest_)) {
    if (*sign == Probation::Sign::kProgress) {
      EndProbe(/*failed=*/false, /*slow=*/false, "streams stay open");
    } else if (machine_ == BreakerState::kHalfOpen) {
      EndProbationIfDecided("few calls came");
    }
  }
  if (machine_ != BreakerState::kOpen) return;
  if (reopened_ != Reopened::kNoConnection) return;
  reopened_ = Reopened::kOther;
  probe_due_ = std::min(probe_due_, latest_);
}

void Breaker::NoteLateSuccess(const Permit& permit) {
  probation_.NoteSuccessTook(latest_ - permit.ticket_.started);
  // The probe that was judged hung was only slow, so the next call may probe
  // again.
  if (machine_ == BreakerState::kOpen && reopened_ == Reopened::kProbeHung &&
      permit.is_probe()) {
    probe_due_ = std::min(probe_due_, latest_);
  }
}

void Breaker::NotePermitAnswered(Permit* permit, Time now) {
  TripRules::Ticket& ticket = permit->ticket_;
  if (permit->kind_ == Permit::Kind::kNothing || ticket.is_over) return;
  Turn turn(this);
  if (permit->epoch_ < oldest_valid_epoch_) return;
  const Time at = std::max(latest_, Bounded(now));
  // As for a result, an answer at the very end of the lease is in time.
  if (permit->is_probe()) {
    probation_.NoteAnswered(permit->probe_, at, at + kJudgedWithin);
    ticket.is_over = true;
    ticket.is_fast = !rules_.IsSlow(ticket, at);
  }
  Advance(at);
  if (!permit->is_probe() && permit->epoch_ >= oldest_valid_epoch_ &&
      IsCounting() && rules_.NoteAnswered(&ticket, latest_)) {
    TripIfDue();
  }
}

void Breaker::CountLoss(Verdict verdict) {
  if (verdict == Verdict::kNeutral || verdict == Verdict::kNotSent) return;
  if (verdict != Verdict::kLost) {
    losses_in_a_row_ = 0;
    return;
  }
  ++losses_;
  losses_in_a_row_ = std::min(losses_in_a_row_ + 1, 1'000'000);
  if (losses_in_a_row_ != kLossesToWarn) return;
  Log(Event::Kind::kWarning, "", "",
      absl::StrCat("lost against a later attempt ", kLossesToWarn,
                   " times in a row, without an answer of its own"));
}

QuickPath::Facts Breaker::QuickFacts() const {
  QuickPath::Facts facts;
  facts.epoch = epoch_;
  facts.oldest_epoch = oldest_valid_epoch_;
  if (forced_ != Forced::kNo) return facts;
  if (machine_ == BreakerState::kDisabled) {
    facts.kind = QuickPath::Kind::kPassing;
  } else if (machine_ == BreakerState::kClosed) {
    if (!rules_.AreSuccessesHarmless()) return facts;
    facts.kind = QuickPath::Kind::kCounting;
    facts.until = rules_.current_until();
    facts.slowest = rules_.slowest();
  } else if (machine_ == BreakerState::kOpen &&
             options_.mode == BreakerOptions::Mode::kEnforce) {
    facts.kind = QuickPath::Kind::kRefusing;
    facts.until = probe_due_;
  }
  return facts;
}

void Breaker::CountQuickSuccesses() {
  const int64_t calls = quick_owner_.TakeSuccesses(&latest_);
  if (calls == 0) return;
  losses_in_a_row_ = 0;
  probation_.NoteAnswer();
  // They came before the time that may advance the window.
  rules_.AddSuccesses(calls, Time::min());
}

void Breaker::CountLateSuccesses(int64_t calls, uint64_t epoch) {
  losses_in_a_row_ = 0;
  for (; calls > 0 && epoch >= oldest_valid_epoch_; --calls) {
    probation_.NoteAnswer();
    rules_.AddSuccesses(1, latest_);
    TripIfDue();
  }
  stale_ += calls;
}

}  // namespace firebreak::core
