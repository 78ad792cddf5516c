#include "src/admin/views/method_view.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "src/admin/health/health_view.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/views/calls_view.h"
#include "src/admin/views/policy_view.h"
#include "src/core/attempts/hedging.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/breaker_measures.h"
#include "src/engine/call_health.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/policy_fields.h"

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

// The state of that name, since events have states by name.
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

// Writes the measures into the fields of the same names.
void WriteMeasures(const core::Measures& measures,
                   google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  for (const core::Measure& each : measures) {
    const FieldDescriptor* const field =
        message->GetDescriptor()->FindFieldByName(each.field);
    if (field == nullptr) continue;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.SetInt32(message, field, static_cast<int32_t>(each.value));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(message, field, static_cast<int64_t>(each.value));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(message, field, each.value != 0);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(message, field, static_cast<uint64_t>(each.value));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(message, field, each.value);
        break;
      default:
        break;  // not a number
    }
  }
}

// Why no hedge of the method would be sent now; empty if one would be.
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
                                 const core::AdmissionControl& admission) {
  v1::EffectiveOptions view;
  *view.mutable_policy() = PolicyView(options, admission);
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

void AddAdmissionParts(const core::AdmissionControl& admission, core::Time now,
                       v1::Method* view) {
  admission.ForEachPart([&](const char* name, auto* part) {
    AddAdmission(name, part->measures(now), view);
  });
}

v1::Method ViewOf(const Selected& selected, core::Time now,
                  const MethodHealth& judged, bool has_rates) {
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
  *view.mutable_calls() = CallsView(counts, judged.calls.hang);
  AddFallbackLinks(runtime, view.mutable_calls());
  *view.mutable_attempts() = AttemptsView(counts);
  *view.mutable_latency() = LatencyView(runtime.stats.latency());
  *view.mutable_budget() = BudgetView(runtime.budget.get(), now);
  *view.mutable_options() =
      OptionsView(*settings->options, settings->admission);
  *view.mutable_latency_model() = ModelView(&runtime, *settings->options, now);
  AddRetryChances(settings->estimator.get(), now, &view);
  *view.mutable_health() = HealthView(judged.health);
  if (has_rates) {
    *view.mutable_recent() = RecentView(judged.calls, *settings->options);
  }
  AddAdmissionParts(settings->admission, now, &view);
  return view;
}

}  // namespace

void AddAdmission(absl::string_view policy, const core::Measures& measures,
                  v1::Method* view) {
  if (auto* const own = engine::MakePart(view, policy)) {
    return WriteMeasures(measures, own);
  }
  v1::AdmissionPolicy* const any = view->add_admission();
  any->set_name(std::string(policy));
  for (const core::Measure& each : measures) {
    v1::AdmissionPolicy::Measure* const measure = any->add_measures();
    measure->set_name(each.field);
    measure->set_value(each.value);
  }
}

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
  view.set_cause(snapshot.cause);
  view.set_checks_health(snapshot.asks_health);
  view.set_health(snapshot.health);
  WriteMeasures(engine::BreakerMeasures(snapshot), &view);
  if (snapshot.trouble_since.has_value()) {
    *view.mutable_trouble_since() = TimestampOf(*snapshot.trouble_since);
  }
  return view;
}

v1::Method MethodView(const Selected& selected, core::Time now,
                      const Rates* rates) {
  return ViewOf(selected, now, HealthOf(selected, rates, now),
                /*has_rates=*/rates != nullptr);
}

v1::Method MethodView(const Selected& selected, core::Time now,
                      const MethodHealth& judged) {
  return ViewOf(selected, now, judged, /*has_rates=*/true);
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
    // `from` and `to` are versions.
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
