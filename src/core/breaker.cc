#include "src/core/breaker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firebreak::core {

absl::string_view BreakerStateName(BreakerState state) {
  switch (state) {
    case BreakerState::kDisabled:
      return "disabled";
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half_open";
    case BreakerState::kForcedOpen:
      return "forced_open";
    case BreakerState::kForcedClosed:
      return "forced_closed";
  }
  return "unknown";
}

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  if (breaker_ != nullptr) {
    breaker_->SettlePermit(*this, Verdict::kNeutral, absl::nullopt);
  }
  breaker_ = std::exchange(other.breaker_, nullptr);
  epoch_ = other.epoch_;
  probe_ = other.probe_;
  return *this;
}

Permit::~Permit() {
  if (breaker_ != nullptr) {
    breaker_->SettlePermit(*this, Verdict::kNeutral, absl::nullopt);
  }
}

void Permit::Settle(Verdict verdict, Time now) {
  Breaker* const breaker = std::exchange(breaker_, nullptr);
  if (breaker != nullptr) breaker->SettlePermit(*this, verdict, now);
}

void Permit::NoteProgress(Time now) {
  if (breaker_ != nullptr && is_probe()) {
    breaker_->NotePermitProgress(*this, now);
  }
}

Breaker::Breaker(Identity identity, absl::optional<BreakerOptions> options,
                 uint64_t seed, Time now)
    : identity_(std::move(identity)),
      options_(std::move(options)),
      machine_(options_ ? BreakerState::kClosed : BreakerState::kDisabled),
      since_(now),
      latest_(now),
      rng_(seed),
      window_(options_ ? options_->window : WindowOptions{}, now),
      probe_due_(now),
      probation_(options_.value_or(BreakerOptions{})) {}

Admission Breaker::Admit(Time now, Time deadline) {
  Admission admission;
  bool changed;
  {
    MutexLock lock(&mu_);
    admission = AdmitLocked(now, deadline);
    changed = TakeChanged();
  }
  Tell(changed);
  return admission;
}

Admission Breaker::AdmitLocked(Time now, Time deadline) {
  Advance(now);
  now = latest_;
  Admission admission;
  if (forced_ == Forced::kOpen) {
    admission.refusal = {Reason::kForcedOpen, Remaining(now, forced_until_),
                         epoch_};
    return admission;
  }
  if (forced_ == Forced::kClosed || machine_ == BreakerState::kDisabled ||
      machine_ == BreakerState::kClosed) {
    admission.permit = Permit(this, epoch_, 0);
    return admission;
  }
  if (machine_ == BreakerState::kOpen) {
    if (now < probe_due_) {
      admission.refusal = {Reason::kBreakerOpen, Remaining(now, probe_due_),
                           epoch_};
      return admission;
    }
    Enter(BreakerState::kHalfOpen, Event::Kind::kTransition,
          "a call came after the open time", now);
  }
  if (const uint64_t probe = probation_.Begin(now, deadline)) {
    admission.permit = Permit(this, epoch_, probe);
  } else {
    admission.refusal = {Reason::kProbesTaken,
                         Remaining(now, probation_.next_end()), epoch_};
  }
  return admission;
}

absl::optional<Refusal> Breaker::WouldRefuse(Time now, Time at) {
  MutexLock lock(&mu_);
  // Reads only, and so tells nobody: what is due is looked at, not done.
  if (forced_ == Forced::kOpen && at < forced_until_) {
    return Refusal{Reason::kForcedOpen, Remaining(now, forced_until_), epoch_};
  }
  if (forced_ == Forced::kNo && machine_ == BreakerState::kOpen &&
      at < probe_due_) {
    return Refusal{Reason::kBreakerOpen, Remaining(now, probe_due_), epoch_};
  }
  return absl::nullopt;
}

void Breaker::SettlePermit(const Permit& permit, Verdict verdict,
                           absl::optional<Time> now) {
  bool changed;
  {
    MutexLock lock(&mu_);
    const Time at = std::max(latest_, now.value_or(latest_));
    // Before the leases that end now: the last moment is in time.
    const bool has_lease = permit.epoch_ == epoch_ && permit.is_probe() &&
                           probation_.End(permit.probe_, at);
    Advance(at);
    if (permit.epoch_ != epoch_) {
      ++stale_;
    } else if (permit.is_probe()) {
      if (!has_lease) {
        ++stale_;  // it ended first, and the probe was judged then
      } else if (verdict != Verdict::kNeutral) {
        const bool failed = verdict == Verdict::kFailure;
        CountProbe(failed, failed ? "a probe failed" : "probes succeeded",
                   latest_);
      }
    } else if (verdict != Verdict::kNeutral && forced_ == Forced::kNo &&
               machine_ == BreakerState::kClosed) {
      Count(verdict == Verdict::kFailure, latest_);
    }
    changed = TakeChanged();
  }
  Tell(changed);
}

void Breaker::NotePermitProgress(const Permit& permit, Time now) {
  bool changed;
  {
    MutexLock lock(&mu_);
    Advance(now);
    if (permit.epoch_ == epoch_) probation_.NoteProgress(permit.probe_);
    changed = TakeChanged();
  }
  Tell(changed);
}

void Breaker::Count(bool failed, Time now) {
  window_.Add(failed, now);
  consecutive_ = failed ? consecutive_ + 1 : 0;
  if (failed && options_->consecutive_failures > 0 &&
      consecutive_ >= options_->consecutive_failures) {
    Enter(BreakerState::kOpen, Event::Kind::kTransition,
          absl::StrCat(consecutive_, " failures in a row (limit ",
                       options_->consecutive_failures, ")"),
          now);
    return;
  }
  // Also after a success, which may complete the minimum.
  const int64_t total = window_.total(now);
  if (options_->failure_rate > 0 && total >= options_->minimum_calls &&
      window_.failure_rate(now) >= options_->failure_rate) {
    Enter(BreakerState::kOpen, Event::Kind::kTransition,
          absl::StrFormat("failure rate %.2f over %d calls (limit %g)",
                          window_.failure_rate(now), total,
                          options_->failure_rate),
          now);
  }
}

void Breaker::CountProbe(bool failed, absl::string_view how, Time now) {
  probation_.Count(failed);
  switch (probation_.verdict()) {
    case Probation::Verdict::kOpen:
      return;
    case Probation::Verdict::kPassed:
      Enter(BreakerState::kClosed, Event::Kind::kTransition,
            absl::StrCat(how, " (", probation_.successes(), " of ",
                         probation_.samples(), ")"),
            now);
      return;
    case Probation::Verdict::kFailed:
      Enter(BreakerState::kOpen, Event::Kind::kTransition,
            absl::StrCat(how, " (", probation_.successes(), " of ",
                         probation_.needed(), " successes needed)"),
            now);
      return;
  }
}

void Breaker::Advance(Time now) {
  latest_ = std::max(latest_, now);
  if (forced_ != Forced::kNo && forced_until_ <= latest_) {
    EndOverride("expired", latest_);
  }
  // A verdict changes the state, and so ends all leases.
  while (const absl::optional<bool> hangs = probation_.EndOverdue(latest_)) {
    if (*hangs) ++hung_probes_;
    CountProbe(*hangs, *hangs ? "a probe hangs" : "probes succeeded", latest_);
  }
}

bool Breaker::IsStrained(Time now) {
  if (!options_ || options_->failure_rate == 0) return false;
  MutexLock lock(&mu_);
  return state() == BreakerState::kClosed &&
         window_.total(now) >= options_->minimum_calls &&
         window_.failure_rate(now) > options_->failure_rate / 2;
}

void Breaker::ForceOpen(absl::optional<Duration> duration, Time now) {
  Force(BreakerState::kForcedOpen, duration, now);
}

void Breaker::ForceClosed(absl::optional<Duration> duration, Time now) {
  Force(BreakerState::kForcedClosed, duration, now);
}

void Breaker::Force(BreakerState state, absl::optional<Duration> duration,
                    Time now) {
  bool changed;
  {
    MutexLock lock(&mu_);
    Advance(now);
    forced_until_ =
        duration ? SaturatingAdd(latest_, *duration) : kInfiniteFuture;
    Enter(state, Event::Kind::kOverrideSet,
          duration ? "by an operator, for " + FormatDuration(*duration)
                   : "by an operator, until cleared",
          latest_);
    changed = TakeChanged();
  }
  Tell(changed);
}

bool Breaker::ClearOverride(Time now) {
  bool was_forced;
  bool changed;
  {
    MutexLock lock(&mu_);
    Advance(now);
    was_forced = forced_ != Forced::kNo;
    if (was_forced) EndOverride("cleared by an operator", latest_);
    changed = TakeChanged();
  }
  Tell(changed);
  return was_forced;
}

void Breaker::EndOverride(std::string cause, Time now) {
  // What was shut by hand is opened with care; what was held open by hand has
  // been taking all calls anyway.
  Enter(forced_ == Forced::kOpen ? BreakerState::kHalfOpen
                                 : BreakerState::kClosed,
        Event::Kind::kOverrideEnded, std::move(cause), now);
}

void Breaker::Reset(Time now) {
  bool changed;
  {
    MutexLock lock(&mu_);
    Advance(now);
    Enter(BreakerState::kClosed, Event::Kind::kReset, "by an operator",
          latest_);
    changed = TakeChanged();
  }
  Tell(changed);
}

void Breaker::Tick(Time now) {
  bool changed;
  {
    MutexLock lock(&mu_);
    Advance(now);
    changed = TakeChanged();
  }
  Tell(changed);
}

Time Breaker::next_tick() {
  MutexLock lock(&mu_);
  const Time next = forced_ == Forced::kNo ? kInfiniteFuture : forced_until_;
  return std::min(next, probation_.next_end());
}

BreakerSnapshot Breaker::Snapshot(Time now) {
  Tick(now);
  MutexLock lock(&mu_);
  BreakerSnapshot snapshot;
  snapshot.state = state();
  snapshot.epoch = epoch_;
  snapshot.since = since_;
  if (snapshot.state == BreakerState::kOpen) snapshot.probe_due = probe_due_;
  if (forced_ != Forced::kNo && forced_until_ != kInfiniteFuture) {
    snapshot.override_end = forced_until_;
  }
  snapshot.probes_in_flight = probation_.in_flight();
  snapshot.window_calls = window_.total(latest_);
  snapshot.window_failures = window_.failures(latest_);
  snapshot.consecutive_failures = consecutive_;
  snapshot.times_opened = times_opened_;
  snapshot.stale_results = stale_;
  snapshot.hung_probes = hung_probes_;
  snapshot.cause = cause_;
  return snapshot;
}

std::string Breaker::cause() {
  MutexLock lock(&mu_);
  return cause_;
}

void Breaker::Enter(BreakerState to, Event::Kind kind, std::string cause,
                    Time now) {
  const BreakerState from = state();
  forced_ = to == BreakerState::kForcedOpen     ? Forced::kOpen
            : to == BreakerState::kForcedClosed ? Forced::kClosed
                                                : Forced::kNo;
  // Beneath an override the machine rests where it will go on from.
  if (options_.has_value()) {
    machine_ = forced_ == Forced::kOpen     ? BreakerState::kHalfOpen
               : forced_ == Forced::kClosed ? BreakerState::kClosed
                                            : to;
  }
  ++epoch_;
  since_ = now;
  probation_.Restart();
  changed_ = true;
  consecutive_ = 0;
  if (machine_ == BreakerState::kOpen) {
    ++times_opened_;
    probe_due_ = SaturatingAdd(now, NextOpenDuration());
    ++trips_;
  } else if (machine_ == BreakerState::kClosed) {
    trips_ = 0;
    window_.Clear(now);
  }
  cause_ = std::move(cause);
  if (identity_.log == nullptr) return;
  Event event;
  event.at = now;
  event.kind = kind;
  event.channel = identity_.channel;
  event.target = identity_.target;
  event.method = identity_.method;
  event.from = std::string(BreakerStateName(from));
  event.to = std::string(BreakerStateName(state()));
  event.cause = cause_;
  identity_.log->Append(std::move(event));
}

Duration Breaker::NextOpenDuration() {
  const double growth = std::pow(options_->open_growth, trips_);
  const Duration grown = std::min(Scale(options_->open_duration, growth),
                                  options_->max_open_duration);
  return Scale(grown, rng_.Uniform(1.0 - options_->open_jitter,
                                   1.0 + options_->open_jitter));
}

BreakerState Breaker::state() const {
  switch (forced_) {
    case Forced::kOpen:
      return BreakerState::kForcedOpen;
    case Forced::kClosed:
      return BreakerState::kForcedClosed;
    case Forced::kNo:
      break;
  }
  return machine_;
}

bool Breaker::TakeChanged() { return std::exchange(changed_, false); }

void Breaker::Tell(bool changed) {
  if (changed && identity_.observer != nullptr) {
    identity_.observer->OnStateChange(this);
  }
}

}  // namespace firebreak::core
