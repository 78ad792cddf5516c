// The operations of operators and timers on a breaker, and its snapshot.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/base/duration.h"
#include "src/core/breaker/breaker.h"

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
    case BreakerState::kRamp:
      return "ramp";
    case BreakerState::kForcedOpen:
      return "forced_open";
    case BreakerState::kForcedClosed:
      return "forced_closed";
  }
  return "unknown";
}

bool Breaker::IsStrained(Time now) {
  Turn turn(this);
  if (options_.failure_rate == 0 ||
      options_.mode != BreakerOptions::Mode::kEnforce) {
    return false;
  }
  Advance(now);
  if (state() != BreakerState::kClosed) return false;
  const TripRules::Counts counts = rules_.counts(latest_);
  return counts.calls >= options_.minimum_calls &&
         static_cast<double>(counts.failures) >
             options_.failure_rate / 2 * static_cast<double>(counts.calls);
}

void Breaker::ForceOpen(absl::optional<Duration> duration, Time now) {
  Force(BreakerState::kForcedOpen, duration, now);
}

void Breaker::ForceClosed(absl::optional<Duration> duration, Time now) {
  Force(BreakerState::kForcedClosed, duration, now);
}

void Breaker::Force(BreakerState state, absl::optional<Duration> duration,
                    Time now) {
  Turn turn(this);
  Advance(now);
  forced_until_ =
      duration ? SaturatingAdd(latest_, *duration) : kInfiniteFuture;
  Enter(state, Event::Kind::kOverrideSet,
        duration ? "by an operator, for " + FormatDuration(*duration)
                 : "by an operator, until cleared");
}

bool Breaker::ClearOverride(Time now) {
  Turn turn(this);
  Advance(now);
  const bool was_forced = forced_ != Forced::kNo;
  if (was_forced) EndOverride("cleared by an operator");
  return was_forced;
}

void Breaker::EndOverride(std::string cause) {
  // After FORCED_OPEN the target has to be probed; after FORCED_CLOSED it has
  // been getting all calls anyway.
  Enter(forced_ == Forced::kOpen ? BreakerState::kHalfOpen
                                 : BreakerState::kClosed,
        Event::Kind::kOverrideEnded, std::move(cause));
}

void Breaker::Reset(Time now) {
  Turn turn(this);
  Advance(now);
  Enter(BreakerState::kClosed, Event::Kind::kReset, "by an operator");
  rules_.ForgetWhatIsUsual(latest_);
}

void Breaker::SetOptions(const absl::optional<BreakerOptions>& options,
                         Time now) {
  Turn turn(this);
  Advance(now);
  const bool was_enabled = enabled_;
  const BreakerOptions before = options_;
  enabled_ = IsOn(options);
  options_ = enabled_ ? *options : BreakerOptions{};
  rules_.OnOptionsChanged(latest_);
  if (!options_.CallsTheSameFailures(before)) {
    rules_.ForgetUsualFailures(latest_);
  }
  calls_look_ = false;
  if (enabled_ == was_enabled) {
    news_.changed = true;  // the due times may have changed
  } else if (forced_ == Forced::kNo) {
    Enter(enabled_ ? BreakerState::kClosed : BreakerState::kDisabled,
          Event::Kind::kTransition,
          enabled_ ? "the policy has it now" : "the policy has it no more");
  } else {
    // The override stays; what follows it is what the new policy says.
    machine_ = Beneath(machine_);
    oldest_valid_epoch_ = ++epoch_;
    trips_ = 0;
    probation_.Restart(latest_);
    rules_.ForgetCalls();
    rules_.Clear(latest_);
  }
  // Applies the new times at once: a ramp that the policy no longer has is
  // over.
  Advance(latest_);
}

void Breaker::Tick(Time now) {
  Turn turn(this);
  Advance(now);
}

Time Breaker::next_tick() {
  MutexLock lock(&mu_);
  Time next = kInfiniteFuture;
  if (forced_ != Forced::kNo) {
    next = forced_until_;
  } else if (machine_ == BreakerState::kHalfOpen) {
    next = probation_.next_end();
  } else if (machine_ == BreakerState::kOpen) {
    next = probation_.next_lease_end();
  } else if (IsCounting()) {
    next = rules_.next_due();
    if (machine_ == BreakerState::kRamp) {
      next = std::min(next, SaturatingAdd(since_, RampDuration()));
    }
  }
  return ticks_at_ = next;
}

BreakerSnapshot Breaker::Snapshot(Time now) {
  Turn turn(this);
  Advance(now);
  BreakerSnapshot snapshot;
  snapshot.state = state();
  snapshot.shadow = options_.mode == BreakerOptions::Mode::kShadow;
  snapshot.epoch = epoch_;
  snapshot.since = since_;
  snapshot.trouble_since = trouble_since_;
  if (snapshot.state == BreakerState::kOpen) {
    snapshot.probe_due = probe_due_;
    snapshot.waits_for_connection = reopened_ == Reopened::kNoConnection;
    snapshot.asks_health = AsksHealth();
    snapshot.health = health_;
  }
  // With a few calls a minute a probe is overdue most of the time. So the
  // breaker only counts as waiting for a call once the probe has been overdue
  // for open_duration.
  const Time waits_from =
      options_.HasCanaries() ? SaturatingAdd(probe_due_, options_.open_duration)
                             : probe_due_;
  snapshot.waits_for_call =
      probation_.in_flight() == 0 &&
      ((snapshot.state == BreakerState::kOpen && latest_ >= waits_from) ||
       snapshot.state == BreakerState::kHalfOpen);
  snapshot.minimum_calls = options_.minimum_calls;
  if (snapshot.state == BreakerState::kRamp) {
    snapshot.admitted_share = RampShare();
  }
  if (forced_ != Forced::kNo && forced_until_ != kInfiniteFuture) {
    snapshot.override_end = forced_until_;
  }
  snapshot.probes_in_flight = probation_.in_flight();
  const TripRules::Counts counts = rules_.counts(latest_);
  snapshot.window_calls = counts.calls;
  snapshot.window_failures = counts.failures;
  snapshot.window_timed = counts.timed;
  snapshot.window_slow = counts.slow;
  snapshot.slow_in_flight = counts.slow_in_flight;
  snapshot.consecutive_failures = counts.consecutive;
  snapshot.consecutive_limit = counts.consecutive_limit;
  snapshot.usual_failure_rate = counts.usual_failure_rate;
  snapshot.leaky_failures = counts.leaky;
  snapshot.leaky_slow_calls = counts.leaky_slow;
  snapshot.times_opened = times_opened_;
  snapshot.changes = changes_;
  snapshot.stale_results = stale_;
  snapshot.hung_probes = hung_probes_;
  snapshot.shadow_refusals = shadow_refusals_;
  snapshot.losses = losses_;
  snapshot.losses_in_a_row = losses_in_a_row_;
  snapshot.cause = cause_;
  return snapshot;
}

bool Breaker::AsksHealth() const {
  // A breaker in SHADOW does not start health checks.
  return machine_ == BreakerState::kOpen && forced_ == Forced::kNo &&
         options_.health_check && options_.HasCanaries() && !calls_look_ &&
         options_.mode == BreakerOptions::Mode::kEnforce;
}

Time Breaker::CallsLookAt() const {
  return AsksHealth() ? SaturatingAdd(probe_due_, options_.open_duration)
                      : probe_due_;
}

absl::optional<HealthAsk> Breaker::HealthCheckDue(Time now) {
  Turn turn(this);
  Advance(now);
  if (!AsksHealth() || latest_ < probe_due_) return absl::nullopt;
  return HealthAsk{*options_.health_check, since_, options_.probe_interval,
                   options_.probe_timeout};
}

void Breaker::HealthCheckBegins(const std::string& service, Time now) {
  Turn turn(this);
  Advance(now);
  if (!AsksHealth() || options_.health_check != service) return;
  probe_due_ = SaturatingAdd(latest_, NextProbeInterval());
}

bool Breaker::NoteHealth(const std::string& service, const HealthAnswer& answer,
                         Time begun, Time now) {
  Turn turn(this);
  Advance(now);
  if (!AsksHealth() || options_.health_check != service) return false;
  if (begun < since_) return true;
  health_ = answer.text;
  reopened_ = Reopened::kOther;
  switch (answer.health) {
    case TargetHealth::kServing:
      Enter(BreakerState::kHalfOpen, Event::Kind::kTransition,
            absl::StrCat("the health check answered ", answer.text));
      break;
    case TargetHealth::kNotServing:
      break;
    case TargetHealth::kNoConnection:
      reopened_ = Reopened::kNoConnection;
      break;
    case TargetHealth::kNoWord:
      calls_look_ = true;
      probe_due_ = std::min(probe_due_, latest_);
      break;
  }
  return AsksHealth();
}

bool Breaker::is_forced() const {
  MutexLock lock(&mu_);
  return forced_ != Forced::kNo;
}

std::string Breaker::cause() {
  MutexLock lock(&mu_);
  return health_.empty()
             ? cause_
             : absl::StrCat(cause_, "; the health check answers ", health_);
}

bool Breaker::IsOneMoreFlap(BreakerState from, BreakerState to, int trips) {
  const bool flaps =
      (from == BreakerState::kOpen && to == BreakerState::kHalfOpen) ||
      (from == BreakerState::kHalfOpen && to == BreakerState::kOpen);
  const bool is_power_of_two = (trips & (trips - 1)) == 0;
  return flaps && trips > kTripsToldEach && !is_power_of_two;
}

void Breaker::Log(Event::Kind kind, absl::string_view from,
                  absl::string_view to, std::string cause,
                  const absl::optional<Trip>& trip) {
  if (identity_.log == nullptr) return;
  Event event;
  event.at = latest_;
  event.kind = kind;
  event.channel = identity_.channel;
  event.target = identity_.target;
  event.method = identity_.method;
  event.shadow = options_.mode == BreakerOptions::Mode::kShadow;
  event.from = std::string(from);
  event.to = std::string(to);
  event.cause = std::move(cause);
  event.trip = trip;
  identity_.log->Append(std::move(event));
}

}  // namespace firebreak::core
