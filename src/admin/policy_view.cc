#include "src/admin/policy_view.h"

#include "src/core/base/duration.h"

namespace firebreak::admin {
namespace {

using core::FormatDuration;

template <class Codes>
void AddCodes(core::CodeSet set, Codes* codes) {
  for (int n = 1; n < core::kStatusCodes; ++n) {
    if (set.Contains(static_cast<absl::StatusCode>(n))) codes->Add(n);
  }
}

v1::BreakerPolicy::Mode ModeView(core::BreakerOptions::Mode mode) {
  switch (mode) {
    case core::BreakerOptions::Mode::kEnforce:
      return v1::BreakerPolicy::ENFORCE;
    case core::BreakerOptions::Mode::kShadow:
      return v1::BreakerPolicy::SHADOW;
    case core::BreakerOptions::Mode::kDisabled:
      return v1::BreakerPolicy::DISABLED;
  }
  return v1::BreakerPolicy::ENFORCE;
}

v1::RetryPolicy::Backoff::Jitter JitterView(
    core::BackoffOptions::Jitter jitter) {
  switch (jitter) {
    case core::BackoffOptions::Jitter::kFull:
      return v1::RetryPolicy::Backoff::FULL;
    case core::BackoffOptions::Jitter::kEqual:
      return v1::RetryPolicy::Backoff::EQUAL;
    case core::BackoffOptions::Jitter::kPlusMinus:
      return v1::RetryPolicy::Backoff::PLUS_MINUS;
    case core::BackoffOptions::Jitter::kNone:
      return v1::RetryPolicy::Backoff::NONE;
  }
  return v1::RetryPolicy::Backoff::FULL;
}

v1::BreakerPolicy BreakerView(const core::BreakerOptions& options) {
  v1::BreakerPolicy view;
  view.set_mode(ModeView(options.mode));
  view.set_scope(options.scope == core::BreakerOptions::Scope::kChannel
                     ? v1::BreakerPolicy::CHANNEL
                     : v1::BreakerPolicy::METHOD);
  view.set_consecutive_failures(options.consecutive_failures);
  view.set_leaky_failures(options.leaky_failures);
  view.set_failure_rate(options.failure_rate);
  view.set_slow_call_duration(FormatDuration(options.slow_call_duration));
  view.set_slow_call_rate(options.slow_call_rate);
  view.set_leaky_slow_calls(options.leaky_slow_calls);
  view.set_minimum_calls(options.minimum_calls);
  if (options.confidence.has_value()) {
    view.set_confidence(*options.confidence);
  }
  if (options.window.kind == core::WindowOptions::Kind::kCalls) {
    view.mutable_window()->set_calls(options.window.calls);
  } else {
    view.mutable_window()->set_duration(
        FormatDuration(options.window.duration));
  }
  view.set_probe_interval(FormatDuration(options.probe_interval));
  view.set_open_duration(FormatDuration(options.open_duration));
  view.set_open_growth(options.open_growth);
  view.set_max_open_duration(FormatDuration(options.max_open_duration));
  view.set_open_jitter(options.open_jitter);
  view.set_probes(options.probes);
  view.set_probe_samples(options.samples());
  view.set_probe_success_ratio(options.probe_success_ratio);
  view.set_probe_timeout(FormatDuration(options.probe_timeout));
  view.set_half_open_duration(FormatDuration(options.half_open_duration));
  if (options.ramp.duration.has_value()) {
    view.mutable_ramp()->set_initial(options.ramp.initial);
    view.mutable_ramp()->set_duration(FormatDuration(*options.ramp.duration));
  }
  AddCodes(options.failure_codes, view.mutable_failure_codes());
  AddCodes(options.ignored_codes, view.mutable_ignored_codes());
  view.set_overload_counts(options.overload_counts);
  return view;
}

v1::RetryPolicy RetryView(const core::RetryOptions& options) {
  v1::RetryPolicy view;
  view.set_max_attempts(options.max_attempts);
  v1::RetryPolicy::Backoff* const backoff = view.mutable_backoff();
  backoff->set_initial(FormatDuration(options.backoff.initial));
  backoff->set_multiplier(options.backoff.multiplier);
  backoff->set_max(FormatDuration(options.backoff.max));
  backoff->set_jitter(JitterView(options.backoff.jitter));
  AddCodes(options.codes, view.mutable_codes());
  view.set_attempt_timeout(FormatDuration(options.attempt_timeout));
  view.set_attempt_timeout_growth(options.attempt_timeout_growth);
  if (options.adaptive) {
    v1::RetryPolicy::Adaptive* const adaptive = view.mutable_adaptive();
    adaptive->set_floor(options.adaptive->floor);
    adaptive->set_half_life(FormatDuration(options.adaptive->half_life));
    adaptive->set_max_delay(FormatDuration(options.adaptive->max_delay));
  }
  return view;
}

v1::HedgingPolicy HedgingView(const core::HedgingOptions& options) {
  v1::HedgingPolicy view;
  view.set_max_attempts(options.max_attempts);
  if (options.quantile > 0) {
    view.set_quantile(options.quantile);
    view.set_min_delay(FormatDuration(options.min_delay));
    view.set_max_delay(FormatDuration(options.max_delay));
  } else {
    view.set_delay(FormatDuration(options.delay));
  }
  AddCodes(options.non_fatal_codes, view.mutable_non_fatal_codes());
  if (options.non_fatal_codes.empty()) view.set_all_codes_fatal(true);
  return view;
}

void AddIntake(const core::Intake& intake, v1::MethodPolicy* view) {
  if (intake.bulkhead() != nullptr) {
    const core::BulkheadOptions& options = intake.bulkhead()->options();
    view->mutable_bulkhead()->set_max_concurrent(options.max_concurrent);
    view->mutable_bulkhead()->set_max_queue(options.max_queue);
    view->mutable_bulkhead()->set_max_wait(FormatDuration(options.max_wait));
  }
  if (intake.rate_limit() != nullptr) {
    const core::RateLimitOptions& options = intake.rate_limit()->options();
    view->mutable_rate_limit()->set_rate(options.rate);
    view->mutable_rate_limit()->set_burst(options.tokens());
    view->mutable_rate_limit()->set_max_wait(FormatDuration(options.max_wait));
  }
  if (intake.throttle() != nullptr) {
    const core::ThrottleOptions& options = intake.throttle()->options();
    view->mutable_throttle()->set_k(options.k);
    view->mutable_throttle()->set_window(FormatDuration(options.window));
  }
}

}  // namespace

v1::MethodPolicy PolicyView(const core::MethodOptions& options,
                            const core::Intake& intake) {
  v1::MethodPolicy view;
  if (options.timeout > core::Duration::zero()) {
    view.set_timeout(FormatDuration(options.timeout));
  }
  if (options.wait_for_ready) view.set_wait_for_ready(*options.wait_for_ready);
  if (options.idempotent) view.set_idempotent(*options.idempotent);
  if (options.breaker) *view.mutable_breaker() = BreakerView(*options.breaker);
  if (options.retry) *view.mutable_retry() = RetryView(*options.retry);
  if (options.hedging) *view.mutable_hedging() = HedgingView(*options.hedging);
  if (options.deadline_gate) {
    view.mutable_deadline_gate()->set_quantile(options.deadline_gate->quantile);
    view.mutable_deadline_gate()->set_first_attempt(
        options.deadline_gate->first_attempt);
  }
  AddIntake(intake, &view);
  return view;
}

}  // namespace firebreak::admin
