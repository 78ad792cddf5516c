#include "src/admin/method_view.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "src/admin/calls_view.h"
#include "src/admin/health_view.h"
#include "src/admin/policy_view.h"
#include "src/admin/text.h"
#include "src/admin/time_view.h"
#include "src/core/attempts/hedging.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/call_health.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {
namespace {

v1::BreakerState StateView(core::BreakerState state) {
  switch (state) {
    case core::BreakerState::kDisabled:
      return v1::BREAKER_STATE_DISABLED;
    case core::BreakerState::kClosed:
      return v1::BREAKER_STATE_CLOSED;
    case core::BreakerState::kOpen:
      return v1::BREAKER_STATE_OPEN;
    case core::BreakerState::kHalfOpen:
      return v1::BREAKER_STATE_HALF_OPEN;
    case core::BreakerState::kRamp:
      return v1::BREAKER_STATE_RAMP;
    case core::BreakerState::kForcedOpen:
      return v1::BREAKER_STATE_FORCED_OPEN;
    case core::BreakerState::kForcedClosed:
      return v1::BREAKER_STATE_FORCED_CLOSED;
  }
  return v1::BREAKER_STATE_UNSPECIFIED;
}

// Events carry states by name.
v1::BreakerState StateNamed(absl::string_view name) {
  for (core::BreakerState state :
       {core::BreakerState::kDisabled, core::BreakerState::kClosed,
        core::BreakerState::kOpen, core::BreakerState::kHalfOpen,
        core::BreakerState::kRamp, core::BreakerState::kForcedOpen,
        core::BreakerState::kForcedClosed}) {
    if (core::BreakerStateName(state) == name) return StateView(state);
  }
  return v1::BREAKER_STATE_UNSPECIFIED;
}

v1::EventKind KindView(core::Event::Kind kind) {
  switch (kind) {
    case core::Event::Kind::kTransition:
      return v1::EVENT_KIND_TRANSITION;
    case core::Event::Kind::kOverrideSet:
      return v1::EVENT_KIND_OVERRIDE_SET;
    case core::Event::Kind::kOverrideEnded:
      return v1::EVENT_KIND_OVERRIDE_ENDED;
    case core::Event::Kind::kReset:
      return v1::EVENT_KIND_RESET;
    case core::Event::Kind::kPolicy:
      return v1::EVENT_KIND_POLICY;
    case core::Event::Kind::kWarning:
      return v1::EVENT_KIND_WARNING;
    case core::Event::Kind::kAudit:
      return v1::EVENT_KIND_AUDIT;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

v1::Latency LatencyView(const core::Histogram& histogram) {
  v1::Latency view;
  view.set_count(histogram.count());
  if (view.count() == 0) return view;
  *view.mutable_p50() = DurationOf(histogram.Quantile(0.5));
  *view.mutable_p90() = DurationOf(histogram.Quantile(0.9));
  *view.mutable_p99() = DurationOf(histogram.Quantile(0.99));
  *view.mutable_p999() = DurationOf(histogram.Quantile(0.999));
  *view.mutable_max() = DurationOf(histogram.Quantile(1));
  return view;
}

// Why no hedge of the method would be sent now; empty when one would.
std::string HedgingPaused(engine::MethodRuntime* runtime, core::Time now) {
  if (core::IsSlowerThanUsual(&runtime->latency, now)) {
    return "the median is over twice the usual one";
  }
  const std::vector<core::Breaker*> breakers = runtime->breakers();
  const bool all_are_strained =
      !breakers.empty() &&
      std::all_of(breakers.begin(), breakers.end(),
                  [&](core::Breaker* each) { return each->IsStrained(now); });
  return all_are_strained ? "over half of the failure rate that opens the "
                            "breaker, on every target"
                          : "";
}

v1::LatencyModel ModelView(engine::MethodRuntime* runtime,
                           const core::MethodOptions& options, core::Time now) {
  v1::LatencyModel view;
  core::LatencyModel& model = runtime->latency;
  view.set_samples(model.samples(now));
  const auto quantile = [&](double q, auto set) {
    if (const auto value = model.Quantile(q, now)) *set() = DurationOf(*value);
  };
  quantile(0.5, [&] { return view.mutable_p50(); });
  quantile(0.9, [&] { return view.mutable_p90(); });
  quantile(0.95, [&] { return view.mutable_p95(); });
  quantile(0.99, [&] { return view.mutable_p99(); });
  if (const auto usual = model.Baseline(now)) {
    *view.mutable_usual_p50() = DurationOf(*usual);
  }
  if (options.hedging.has_value() && !options.idempotent.value_or(true)) {
    view.set_hedging_paused("idempotent: false, so none is ever sent");
  } else if (options.hedging.has_value()) {
    *view.mutable_hedge_delay() =
        DurationOf(core::HedgeDelay(*options.hedging, &model, now));
    view.set_hedging_paused(HedgingPaused(runtime, now));
  }
  return view;
}

v1::Budget BudgetView(core::AttemptBudget* budget, core::Time now) {
  v1::Budget view;
  view.set_tokens(budget->tokens(now));
  const core::BudgetOptions options = budget->options();
  view.set_ratio(options.ratio);
  view.set_floor(options.floor);
  view.set_burst(options.burst);
  if (options.throttling) {
    view.set_throttle_tokens(budget->throttle_tokens());
    view.set_throttle_max(options.throttling->max_tokens);
  }
  return view;
}

v1::EffectiveOptions OptionsView(const core::MethodOptions& options,
                                 const core::Intake& intake) {
  v1::EffectiveOptions view;
  *view.mutable_policy() = PolicyView(options, intake);
  if (options.timeout > core::Duration::zero()) {
    *view.mutable_timeout() = DurationOf(options.timeout);
  }
  view.set_breaker(options.breaker.has_value());
  view.set_retry(options.retry.has_value());
  view.set_adaptive_retry(options.retry && options.retry->adaptive);
  view.set_hedging(options.hedging.has_value());
  view.set_max_attempts(options.max_attempts());
  if (options.hedging.has_value() && options.hedging->quantile > 0) {
    view.set_hedging_quantile(options.hedging->quantile);
  } else if (options.hedging.has_value()) {
    *view.mutable_hedging_delay() = DurationOf(options.hedging->delay);
  }
  if (options.deadline_gate.has_value()) {
    view.set_gate_quantile(options.deadline_gate->quantile);
    view.set_gate_first_attempt(options.deadline_gate->first_attempt);
  }
  if (options.attempt_timeout(0) > core::Duration::zero()) {
    *view.mutable_attempt_timeout() = DurationOf(options.attempt_timeout(0));
  }
  return view;
}

// `estimator` may be null.
void AddRetryChances(core::RetryEstimator* estimator, core::Time now,
                     v1::Method* view) {
  if (estimator == nullptr) return;
  for (const auto& estimate : estimator->Estimates(now)) {
    v1::RetryChance* const out = view->add_retry_chances();
    out->set_code(static_cast<v1::Code>(estimate.code));
    out->set_chance(estimate.chance);
    out->set_results(estimate.results);
    out->set_stopped(estimate.chance < estimator->floor());
  }
}

void AddIntake(const core::Intake& intake, core::Time now, v1::Method* view) {
  if (intake.bulkhead() != nullptr) {
    const core::Bulkhead::Snapshot s = intake.bulkhead()->snapshot();
    v1::Bulkhead* const out = view->mutable_bulkhead();
    out->set_limit(s.limit);
    out->set_active(s.active);
    out->set_available(s.available());
    out->set_queued(s.queued);
    out->set_queue_limit(s.queue_limit);
    out->set_capacity_left(s.capacity_left());
    out->set_completed(s.completed);
    out->set_rejected(s.rejected);
    const int64_t all = s.completed + s.active + s.rejected;
    if (all > 0) {
      out->set_rejection_rate(static_cast<double>(s.rejected) /
                              static_cast<double>(all));
    }
    out->set_saturated_count(s.saturated);
    out->set_healthy(s.capacity_left() > 0);
  }
  if (intake.rate_limit() != nullptr) {
    v1::RateLimit* const out = view->mutable_rate_limit();
    out->set_rate(intake.rate_limit()->options().rate);
    out->set_burst(intake.rate_limit()->options().tokens());
    out->set_tokens(intake.rate_limit()->tokens(now));
    out->set_rejected(intake.rate_limit()->rejected());
  }
  if (intake.throttle() != nullptr) {
    const core::Throttle::Snapshot s = intake.throttle()->snapshot(now);
    v1::Throttle* const out = view->mutable_throttle();
    out->set_k(intake.throttle()->options().k);
    out->set_requests(s.requests);
    out->set_accepts(s.accepts);
    out->set_rejection_probability(s.rejection_probability);
    out->set_rejected(s.rejected);
  }
}

}  // namespace

v1::Breaker BreakerView(core::Breaker* breaker, core::Time now) {
  const core::BreakerSnapshot snapshot = breaker->Snapshot(now);
  v1::Breaker view;
  view.set_channel(ToUtf8(breaker->identity().channel));
  view.set_target(ToUtf8(breaker->identity().target));
  view.set_method(ToUtf8(breaker->identity().method));
  view.set_state(StateView(snapshot.state));
  *view.mutable_since() = TimestampOf(snapshot.since);
  if (snapshot.probe_due.has_value()) {
    *view.mutable_probe_due() = TimestampOf(*snapshot.probe_due);
  }
  if (snapshot.override_end.has_value()) {
    *view.mutable_override_end() = TimestampOf(*snapshot.override_end);
  }
  view.set_epoch(snapshot.epoch);
  view.set_window_calls(snapshot.window_calls);
  view.set_window_failures(snapshot.window_failures);
  if (snapshot.window_calls > 0) {
    view.set_failure_rate(static_cast<double>(snapshot.window_failures) /
                          static_cast<double>(snapshot.window_calls));
  }
  view.set_consecutive_failures(snapshot.consecutive_failures);
  view.set_consecutive_limit(snapshot.consecutive_limit);
  view.set_usual_failure_rate(snapshot.usual_failure_rate);
  view.set_probes_in_flight(snapshot.probes_in_flight);
  view.set_times_opened(snapshot.times_opened);
  view.set_stale_results(snapshot.stale_results);
  view.set_hung_probes(snapshot.hung_probes);
  view.set_shadow(snapshot.shadow);
  view.set_shadow_refusals(snapshot.shadow_refusals);
  view.set_leaky_failures(snapshot.leaky_failures);
  view.set_window_timed(snapshot.window_timed);
  view.set_window_slow(snapshot.window_slow);
  if (snapshot.window_timed > 0) {
    view.set_slow_call_rate(static_cast<double>(snapshot.window_slow) /
                            static_cast<double>(snapshot.window_timed));
  }
  view.set_leaky_slow_calls(snapshot.leaky_slow_calls);
  view.set_admitted_share(snapshot.admitted_share);
  view.set_losses(snapshot.losses);
  view.set_losses_in_a_row(snapshot.losses_in_a_row);
  view.set_cause(snapshot.cause);
  view.set_slow_in_flight(snapshot.slow_in_flight);
  if (snapshot.trouble_since.has_value()) {
    *view.mutable_trouble_since() = TimestampOf(*snapshot.trouble_since);
  }
  view.set_waits_for_call(snapshot.waits_for_call);
  return view;
}

v1::Method MethodView(const Selected& selected, core::Time now,
                      const Rates* rates) {
  engine::MethodRuntime& runtime = *selected.runtime;
  const std::shared_ptr<const engine::MethodSettings> settings =
      runtime.settings();
  const core::MethodCounts counts = runtime.stats.counts();
  v1::Method view;
  view.set_channel(ToUtf8(runtime.channel));
  view.set_method(ToUtf8(runtime.method));
  view.set_policy(settings->options->policy);
  for (core::Breaker* breaker : selected.breakers) {
    *view.add_breakers() = BreakerView(breaker, now);
  }
  *view.mutable_calls() = CallsView(counts, engine::HangOf(runtime, now));
  *view.mutable_attempts() = AttemptsView(counts);
  *view.mutable_latency() = LatencyView(runtime.stats.latency());
  *view.mutable_budget() = BudgetView(runtime.budget.get(), now);
  *view.mutable_options() = OptionsView(*settings->options, settings->intake);
  *view.mutable_latency_model() = ModelView(&runtime, *settings->options, now);
  AddRetryChances(settings->estimator.get(), now, &view);
  *view.mutable_health() = HealthView(HealthOf(selected, rates, now));
  if (rates != nullptr) {
    *view.mutable_recent() =
        RecentView(runtime, *settings->options, *rates, now);
  }
  AddIntake(settings->intake, now, &view);
  return view;
}

v1::Event EventView(const core::Event& event, const engine::WallClock& clock) {
  v1::Event view;
  view.set_sequence(event.sequence);
  *view.mutable_time() = TimestampOf(event.at, clock);
  view.set_kind(KindView(event.kind));
  view.set_channel(ToUtf8(event.channel));
  view.set_target(ToUtf8(event.target));
  view.set_method(ToUtf8(event.method));
  view.set_cause(ToUtf8(event.cause));
  if (event.kind == core::Event::Kind::kPolicy) {
    // These are versions.
    view.set_cause(absl::StrCat(
        event.from == event.to
            ? absl::StrCat("version ", event.to)
            : absl::StrCat("version ", event.from, " -> ", event.to),
        ": ", view.cause()));
  } else {
    view.set_from(StateNamed(event.from));
    view.set_to(StateNamed(event.to));
  }
  view.set_shadow(event.shadow);
  view.set_actor(event.actor);
  view.set_action(event.action);
  view.set_refused(event.refused);
  return view;
}

}  // namespace firebreak::admin
