#include "src/core/breaker/breaker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"

namespace firebreak::core {

Breaker::Breaker(Identity identity,
                 const absl::optional<BreakerOptions>& options, uint64_t seed,
                 Time now)
    : identity_(std::move(identity)),
      enabled_(IsOn(options)),
      options_(enabled_ ? *options : BreakerOptions{}),
      machine_(enabled_ ? BreakerState::kClosed : BreakerState::kDisabled),
      since_(Bounded(now)),
      latest_(since_),
      rng_(seed),
      rules_(options_, since_),
      probe_due_(since_),
      told_(machine_),
      probation_(options_) {}

Admission Breaker::Admit(Time now, Time deadline, CallKind kind, Hedge hedge) {
  const QuickPath::Entry entry = quick_.Enter(Bounded(now));
  switch (entry.kind) {
    case QuickPath::Kind::kShut:
      break;
    case QuickPath::Kind::kPassing:
      return {
          Permit(this, entry.epoch, Permit::Kind::kNothing, entry.now, kind),
          {}};
    case QuickPath::Kind::kCounting:
      return {
          Permit(this, entry.epoch, Permit::Kind::kCounted, entry.now, kind),
          {}};
    case QuickPath::Kind::kRefusing:
      return {Permit(),
              {Reason::kBreakerOpen, entry.until - entry.now, entry.epoch}};
  }
  return AdmitWithLock(now, deadline, kind, hedge);
}

Admission Breaker::AdmitWithLock(Time now, Time deadline, CallKind kind,
                                 Hedge hedge) {
  Turn turn(this);
  Advance(now);
  Admission admission = AdmitLocked(deadline, kind, hedge);
  if (!admission.permit && options_.mode == BreakerOptions::Mode::kShadow &&
      forced_ == Forced::kNo) {
    ++shadow_refusals_;
    admission.permit = MakePermit(Permit::Kind::kNothing, kind);
    admission.refusal = Refusal{};
  }
  return admission;
}

Admission Breaker::AdmitLocked(Time deadline, CallKind kind, Hedge hedge) {
  Admission admission;
  if (forced_ == Forced::kOpen) {
    admission.refusal = {Reason::kForcedOpen, Remaining(latest_, forced_until_),
                         epoch_};
    return admission;
  }
  if (machine_ == BreakerState::kDisabled) {
    admission.permit = MakePermit(Permit::Kind::kNothing, kind);
    return admission;
  }
  if (forced_ == Forced::kClosed || machine_ == BreakerState::kClosed ||
      (machine_ == BreakerState::kRamp && hedge == Hedge::kNo &&
       TakesRampTurn())) {
    admission.permit = MakePermit(Permit::Kind::kCounted, kind);
    return admission;
  }
  if (machine_ == BreakerState::kRamp) {
    const Time end = SaturatingAdd(since_, RampDuration());
    admission.refusal = {
        Reason::kRamping,
        std::min(Remaining(latest_, end), options_.open_duration), epoch_};
    return admission;
  }
  if (machine_ == BreakerState::kOpen && latest_ < CallsLookAt()) {
    // After probe_due_ a health check is in progress.
    admission.refusal = {Reason::kBreakerOpen,
                         latest_ < probe_due_ ? Remaining(latest_, probe_due_)
                                              : options_.probe_interval,
                         epoch_};
    return admission;
  }
  if (hedge == Hedge::kToUsedTarget) {
    admission.refusal = {Reason::kProbesTaken, Duration::zero(), epoch_};
    return admission;
  }
  if (machine_ == BreakerState::kOpen && !options_.HasCanaries()) {
    Enter(BreakerState::kHalfOpen, Event::Kind::kTransition,
          "a call came after the open time");
  }
  if (const uint64_t probe =
          probation_.Begin(latest_, deadline, kind == CallKind::kStream)) {
    if (machine_ == BreakerState::kOpen) {
      probe_due_ = SaturatingAdd(latest_, NextProbeInterval());
    }
    admission.permit = MakePermit(Permit::Kind::kProbe, kind);
    admission.permit.probe_ = probe;
    WantTick(probation_.next_end());
  } else {
    admission.refusal = {Reason::kProbesTaken,
                         Remaining(latest_, probation_.next_lease_end()),
                         epoch_};
  }
  return admission;
}

Permit Breaker::MakePermit(Permit::Kind kind, CallKind call) {
  Permit permit(this, epoch_, kind, latest_, call);
  permit.is_careful_ = machine_ != BreakerState::kClosed &&
                       kind != Permit::Kind::kNothing &&
                       options_.mode == BreakerOptions::Mode::kEnforce;
  if (kind != Permit::Kind::kCounted || forced_ != Forced::kNo) return permit;
  permit.ticket_ = rules_.Begin(latest_, call);
  if (permit.ticket_.slice != 0) WantTick(rules_.last_due());
  return permit;
}

Duration Breaker::RampAfterOutage() const {
  constexpr Duration kLongOutage = std::chrono::seconds(10);
  constexpr Duration kRamp = std::chrono::milliseconds(500);
  // Without canaries the breaker cannot notice that an outage was short.
  const bool was_long =
      options_.HasCanaries() &&
      latest_ - trouble_since_.value_or(latest_) >= kLongOutage;
  return was_long ? kRamp : Duration::zero();
}

double Breaker::RampShare() const {
  const double gone = ToSeconds(latest_ - since_) / ToSeconds(RampDuration());
  return options_.ramp.initial + (1 - options_.ramp.initial) * gone;
}

bool Breaker::TakesRampTurn() {
  // An even share, not a random one: of ten calls at a tenth, one is admitted.
  // The small number corrects for the rounding of binary fractions.
  ramp_turns_ += RampShare();
  if (ramp_turns_ < 1 - 1e-9) return false;
  ramp_turns_ -= 1;
  return true;
}

absl::optional<Refusal> Breaker::WouldRefuse(Time now, Time at) {
  MutexLock lock(&mu_);
  // Only reads: what is due is considered, not applied.
  now = Bounded(now);
  if (forced_ == Forced::kOpen && at < forced_until_) {
    return Refusal{Reason::kForcedOpen, Remaining(now, forced_until_), epoch_};
  }
  if (forced_ == Forced::kNo && machine_ == BreakerState::kOpen &&
      at < CallsLookAt() && options_.mode == BreakerOptions::Mode::kEnforce) {
    return Refusal{Reason::kBreakerOpen, Remaining(now, probe_due_), epoch_};
  }
  return absl::nullopt;
}

bool Breaker::IsCounting() const {
  return forced_ == Forced::kNo &&
         (machine_ == BreakerState::kClosed || machine_ == BreakerState::kRamp);
}

void Breaker::TripIfDue() {
  const TripRules::Rule rule = rules_.Check(latest_);
  if (rule == TripRules::Rule::kNone) return;
  const TripRules::Counts counts = rules_.counts(latest_);
  Enter(BreakerState::kOpen, Event::Kind::kTransition,
        rules_.Describe(rule, latest_),
        Trip{counts.calls, counts.failures, counts.timed, counts.slow,
             counts.slowest});
}

void Breaker::EndProbe(bool failed, bool slow, absl::string_view how) {
  if (machine_ == BreakerState::kOpen) {
    reopened_ = Reopened::kOther;
    if (failed) return;
    Enter(BreakerState::kHalfOpen, Event::Kind::kTransition,
          "a probe succeeded");
  }
  CountProbe(failed, slow, how);
}

void Breaker::EndOverdueProbes() {
  // A change of state ends all leases.
  while (const absl::optional<Probation::Sign> sign =
             probation_.EndOverdue(latest_)) {
    if (*sign == Probation::Sign::kAnswer) continue;
    const bool hangs = *sign == Probation::Sign::kNothing;
    if (hangs) ++hung_probes_;
    EndProbe(hangs, /*slow=*/false,
             hangs ? "a probe hangs" : "probes succeeded");
    if (hangs && machine_ == BreakerState::kOpen) {
      reopened_ = Reopened::kProbeHung;
    }
  }
}

void Breaker::CountProbe(bool failed, bool slow, absl::string_view how) {
  probation_.Count(failed, slow);
  EndProbationIfDecided(how);
}

void Breaker::EndProbationIfDecided(absl::string_view how) {
  switch (probation_.verdict(latest_)) {
    case Probation::Verdict::kOpen:
      WantTick(probation_.next_end());
      return;
    case Probation::Verdict::kPassed:
      ramp_ = RampAfterOutage();
      Enter(RampDuration() > Duration::zero() ? BreakerState::kRamp
                                              : BreakerState::kClosed,
            Event::Kind::kTransition,
            absl::StrCat(how, " (", probation_.successes(), " of ",
                         probation_.samples(), ")"));
      return;
    case Probation::Verdict::kSlow:
      Enter(BreakerState::kOpen, Event::Kind::kTransition,
            absl::StrCat("probes were slow (", probation_.slow(), " of ",
                         probation_.decided(), ")"));
      return;
    case Probation::Verdict::kFailed:
      Enter(BreakerState::kOpen, Event::Kind::kTransition,
            absl::StrCat(how, " (", probation_.successes(), " of ",
                         probation_.needed(), " successes needed)"));
      return;
  }
}

void Breaker::Advance(Time now) {
  latest_ = std::max(latest_, Bounded(now));
  if (forced_ != Forced::kNo) {
    if (forced_until_ <= latest_) EndOverride("expired");
    return;
  }
  switch (machine_) {
    case BreakerState::kRamp:
      if (latest_ - since_ >= RampDuration()) {
        Enter(BreakerState::kClosed, Event::Kind::kTransition,
              "the ramp is over");
      }
      ABSL_FALLTHROUGH_INTENDED;
    case BreakerState::kClosed:
      if (rules_.Advance(latest_)) TripIfDue();
      return;
    case BreakerState::kHalfOpen:
      EndOverdueProbes();
      if (machine_ == BreakerState::kHalfOpen) {
        EndProbationIfDecided("few calls came");
      }
      return;
    case BreakerState::kOpen:
      EndOverdueProbes();
      return;
    default:
      return;
  }
}

void Breaker::Enter(BreakerState to, Event::Kind kind, std::string cause,
                    const absl::optional<Trip>& trip) {
  const BreakerState from = state();
  const int trips = trips_;
  const bool ramp_is_over = from == BreakerState::kRamp &&
                            to == BreakerState::kClosed &&
                            kind == Event::Kind::kTransition;
  forced_ = to == BreakerState::kForcedOpen     ? Forced::kOpen
            : to == BreakerState::kForcedClosed ? Forced::kClosed
                                                : Forced::kNo;
  machine_ = Beneath(to);
  ++epoch_;
  since_ = latest_;
  health_.clear();
  news_.changed = true;
  const bool is_well = state() == BreakerState::kClosed ||
                       state() == BreakerState::kForcedClosed ||
                       state() == BreakerState::kDisabled;
  if (is_well) {
    trouble_since_.reset();
  } else if (!trouble_since_) {
    trouble_since_ = latest_;
  }
  if (machine_ == BreakerState::kClosed) trips_ = 0;
  if (!ramp_is_over) {
    oldest_valid_epoch_ = epoch_;
    probation_.Restart(latest_);
    rules_.ForgetCalls();
    ramp_turns_ = 1 - options_.ramp.initial;  // admits the first call
    if (IsCounting()) rules_.Clear(latest_);
  }
  if (machine_ == BreakerState::kOpen) {
    reopened_ = Reopened::kOther;
    calls_look_ = false;
    ++times_opened_;
    probe_due_ =
        SaturatingAdd(latest_, options_.HasCanaries() ? NextProbeInterval()
                                                      : NextOpenDuration());
    ++trips_;
  }
  const std::string cause_before = std::exchange(cause_, std::move(cause));
  ++changes_[static_cast<size_t>(from)][static_cast<size_t>(state())];
  if (kind == Event::Kind::kTransition && IsOneMoreFlap(from, state(), trips)) {
    return;
  }
  // The last step that was not logged is logged if the next leads elsewhere.
  if (told_ != from && told_ != state()) {
    Log(Event::Kind::kTransition, BreakerStateName(told_),
        BreakerStateName(from), cause_before);
  }
  told_ = state();
  Log(kind, BreakerStateName(from), BreakerStateName(state()),
      from == BreakerState::kHalfOpen && state() == BreakerState::kOpen &&
              trips > kTripsToldEach
          ? absl::StrCat(cause_, "; ", trips, " times since it was closed")
          : cause_,
      trip);
}

Duration Breaker::NextProbeInterval() {
  constexpr int kShareOfOutage = 60;
  constexpr int kMostGrowth = 5;
  const Duration outage = latest_ - trouble_since_.value_or(latest_);
  const Duration interval =
      std::min(std::max(outage / kShareOfOutage, options_.probe_interval),
               options_.probe_interval * kMostGrowth);
  return Scale(interval, rng_.Uniform(1.0 - options_.open_jitter,
                                      1.0 + options_.open_jitter));
}

Duration Breaker::NextOpenDuration() {
  const double growth = std::pow(options_.open_growth, trips_);
  const Duration grown = std::min(Scale(options_.open_duration, growth),
                                  options_.max_open_duration);
  return Scale(grown, rng_.Uniform(1.0 - options_.open_jitter,
                                   1.0 + options_.open_jitter));
}

BreakerState Breaker::Beneath(BreakerState without) const {
  if (!enabled_) return BreakerState::kDisabled;
  switch (forced_) {
    case Forced::kOpen:
      return BreakerState::kHalfOpen;
    case Forced::kClosed:
      return BreakerState::kClosed;
    case Forced::kNo:
      break;
  }
  return without;
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

void Breaker::WantTick(Time at) {
  if (at >= ticks_at_) return;
  ticks_at_ = at;
  news_.tick_wanted = true;
}

Breaker::Turn::Turn(Breaker* breaker) : breaker_(breaker) {
  breaker_->mu_.Lock();
  breaker_->CountQuickSuccesses();
  oldest_valid_epoch_ = breaker_->oldest_valid_epoch_;
}

Breaker::Turn::~Turn() {
  while (const int64_t late = breaker_->quick_owner_.Publish(
             breaker_->QuickFacts(), breaker_->latest_)) {
    breaker_->CountLateSuccesses(late, oldest_valid_epoch_);
  }
  const News news = std::exchange(breaker_->news_, News{});
  breaker_->mu_.Unlock();
  BreakerObserver* const observer = breaker_->identity_.observer;
  if (observer == nullptr) return;
  if (news.changed) {
    observer->OnStateChange(breaker_);
  } else if (news.tick_wanted) {
    observer->OnTickWanted(breaker_);
  }
}

}  // namespace firebreak::core
