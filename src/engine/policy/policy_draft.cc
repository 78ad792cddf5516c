#include "src/engine/policy/policy_draft.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/policy/policy_reader.h"

namespace firebreak::engine {
namespace {

// Of a `ramp` that names none: the time a breaker was open at first, so that
// coming back takes no less care than going.
constexpr core::Duration kRampDuration = std::chrono::seconds(10);

void ApplyTripRules(const v1::BreakerPolicy& in, PolicyReader* read,
                    core::BreakerOptions* out) {
  if (in.has_consecutive_failures()) {
    out->consecutive_failures = in.consecutive_failures();
  }
  if (in.has_leaky_failures()) out->leaky_failures = in.leaky_failures();
  if (in.has_failure_rate()) out->failure_rate = in.failure_rate();
  if (in.has_slow_call_duration()) {
    read->Duration("slow_call_duration", in.slow_call_duration(),
                   &out->slow_call_duration);
  }
  if (in.has_slow_call_rate()) out->slow_call_rate = in.slow_call_rate();
  if (in.has_leaky_slow_calls()) {
    out->leaky_slow_calls = in.leaky_slow_calls();
  }
  if (in.has_minimum_calls()) out->minimum_calls = in.minimum_calls();
  if (in.has_confidence()) out->confidence = in.confidence();
}

// What comes after the trip: OPEN, HALF_OPEN, the ramp.
void ApplyReturn(const v1::BreakerPolicy& in, PolicyReader* read,
                 core::BreakerOptions* out) {
  // Who says how long it stays open wants no attempts before.
  if (in.has_open_duration() || in.has_open_growth() ||
      in.has_max_open_duration()) {
    out->probe_interval = core::Duration::zero();
  }
  if (in.has_probe_interval()) {
    read->Duration("probe_interval", in.probe_interval(), &out->probe_interval);
  }
  if (in.has_open_duration()) {
    read->Duration("open_duration", in.open_duration(), &out->open_duration);
  }
  if (in.has_open_growth()) out->open_growth = in.open_growth();
  if (in.has_max_open_duration()) {
    read->Duration("max_open_duration", in.max_open_duration(),
                   &out->max_open_duration);
  }
  if (in.has_open_jitter()) out->open_jitter = in.open_jitter();
  if (in.has_probes()) out->probes = in.probes();
  if (in.has_probe_samples()) out->probe_samples = in.probe_samples();
  if (in.has_probe_success_ratio()) {
    out->probe_success_ratio = in.probe_success_ratio();
  }
  if (in.has_probe_timeout()) {
    read->Duration("probe_timeout", in.probe_timeout(), &out->probe_timeout);
  }
  if (in.has_half_open_duration()) {
    read->Duration("half_open_duration", in.half_open_duration(),
                   &out->half_open_duration);
  }
  if (!in.has_ramp()) return;
  if (in.ramp().has_initial()) out->ramp.initial = in.ramp().initial();
  if (in.ramp().has_duration()) {
    core::Duration duration{};
    read->Duration("ramp.duration", in.ramp().duration(), &duration);
    out->ramp.duration = duration;
  } else if (out->ramp.duration.value_or(core::Duration::zero()) ==
             core::Duration::zero()) {
    out->ramp.duration = kRampDuration;
  }
}

void ApplyBreaker(const v1::BreakerPolicy& in, PolicyDraft* draft,
                  core::FieldErrors* errors) {
  PolicyReader read("breaker", &draft->unreadable, errors);
  if (!draft->breaker.has_value()) draft->breaker.emplace();
  core::BreakerOptions& out = *draft->breaker;

  if (in.has_enabled()) draft->breaker_enabled = in.enabled();
  if (in.window().has_calls()) {
    out.window.kind = core::WindowOptions::Kind::kCalls;
    out.window.calls = in.window().calls();
  } else if (in.window().has_duration()) {
    out.window.kind = core::WindowOptions::Kind::kTime;
    read.Duration("window.duration", in.window().duration(),
                  &out.window.duration);
  }
  if (in.failure_codes_size() > 0) {
    read.Codes("failure_codes", in.failure_codes(), &out.failure_codes);
  }
  ApplyTripRules(in, &read, &out);
  ApplyReturn(in, &read, &out);
  if (in.has_mode()) {
    read.Enum("mode", in.mode(), "ENFORCE, SHADOW, DISABLED", &out.mode);
  }
  if (in.has_scope()) {
    read.Enum("scope", in.scope(), "METHOD, CHANNEL", &out.scope);
  }
  if (in.ignored_codes_size() > 0) {
    read.Codes("ignored_codes", in.ignored_codes(), &out.ignored_codes);
  }
  if (in.has_overload_counts()) out.overload_counts = in.overload_counts();
}

void ApplyAdaptive(const v1::RetryPolicy::Adaptive& in, PolicyDraft* draft,
                   PolicyReader* read) {
  if (!draft->retry->adaptive.has_value()) draft->retry->adaptive.emplace();
  core::AdaptiveRetryOptions& out = *draft->retry->adaptive;

  if (in.has_enabled()) draft->adaptive_enabled = in.enabled();
  if (in.has_floor()) out.floor = in.floor();
  if (in.has_half_life()) {
    read->Duration("adaptive.half_life", in.half_life(), &out.half_life);
  }
  if (in.has_max_delay()) {
    read->Duration("adaptive.max_delay", in.max_delay(), &out.max_delay);
  }
}

void ApplyRetry(const v1::RetryPolicy& in, PolicyDraft* draft,
                core::FieldErrors* errors) {
  PolicyReader read("retry", &draft->unreadable, errors);
  if (!draft->retry.has_value()) draft->retry.emplace();
  core::RetryOptions& out = *draft->retry;

  if (in.has_enabled()) draft->retry_enabled = in.enabled();
  if (in.has_max_attempts()) draft->retry_attempts = in.max_attempts();
  const v1::RetryPolicy::Backoff& backoff = in.backoff();
  if (backoff.has_initial()) {
    read.Duration("backoff.initial", backoff.initial(), &out.backoff.initial);
  }
  if (backoff.has_multiplier()) out.backoff.multiplier = backoff.multiplier();
  if (backoff.has_max()) {
    read.Duration("backoff.max", backoff.max(), &out.backoff.max);
  }
  if (backoff.has_jitter()) {
    read.Jitter("backoff.jitter", backoff.jitter(), &out.backoff.jitter);
  }
  if (in.codes_size() > 0) read.Codes("codes", in.codes(), &out.codes);
  if (in.has_attempt_timeout()) {
    read.Duration("attempt_timeout", in.attempt_timeout(),
                  &out.attempt_timeout);
  }
  if (in.has_attempt_timeout_growth()) {
    out.attempt_timeout_growth = in.attempt_timeout_growth();
  }
  if (in.has_adaptive()) ApplyAdaptive(in.adaptive(), draft, &read);
}

void ApplyHedging(const v1::HedgingPolicy& in, PolicyDraft* draft,
                  core::FieldErrors* errors) {
  PolicyReader read("hedging", &draft->unreadable, errors);
  if (!draft->hedging.has_value()) draft->hedging.emplace();
  core::HedgingOptions& out = *draft->hedging;

  if (in.has_enabled()) draft->hedging_enabled = in.enabled();
  if (in.has_max_attempts()) draft->hedging_attempts = in.max_attempts();
  if (in.has_delay()) {
    read.Duration("delay", in.delay(), &out.delay);
    out.quantile = 0;
  }
  if (in.has_quantile()) {
    out.quantile = in.quantile();
    if (in.has_delay()) {
      read.Add("quantile", absl::StrCat("is ", in.quantile(),
                                        "; allowed: not beside delay"));
    }
  }
  if (in.has_min_delay()) {
    read.Duration("min_delay", in.min_delay(), &out.min_delay);
  }
  if (in.has_max_delay()) {
    read.Duration("max_delay", in.max_delay(), &out.max_delay);
  }
  if (in.non_fatal_codes_size() > 0) {
    read.Codes("non_fatal_codes", in.non_fatal_codes(), &out.non_fatal_codes);
  }
  if (!in.has_all_codes_fatal()) return;
  if (in.all_codes_fatal()) {
    if (in.non_fatal_codes_size() > 0) {
      read.Add("all_codes_fatal",
               "is true; allowed: false, or no non_fatal_codes beside it");
    }
    out.non_fatal_codes = core::CodeSet();
  } else if (in.non_fatal_codes_size() == 0 && out.non_fatal_codes.empty()) {
    // Takes back the `true` of a base.
    out.non_fatal_codes = core::HedgingOptions().non_fatal_codes;
  }
}

void ApplyDeadlineGate(const v1::DeadlineGatePolicy& in, PolicyDraft* draft) {
  if (!draft->deadline_gate.has_value()) draft->deadline_gate.emplace();
  core::DeadlineGateOptions& out = *draft->deadline_gate;

  if (in.has_enabled()) draft->deadline_gate_enabled = in.enabled();
  if (in.has_quantile()) out.quantile = in.quantile();
  if (in.has_first_attempt()) out.first_attempt = in.first_attempt();
}

// `Entry` is a MethodPolicy or a ChannelPolicy.
template <class Entry>
void ApplyIntake(const Entry& entry, PolicyDraft* draft,
                 core::FieldErrors* errors) {
  if (entry.has_bulkhead()) {
    PolicyReader read("bulkhead", &draft->unreadable, errors);
    const v1::BulkheadPolicy& in = entry.bulkhead();
    if (!draft->intake.bulkhead) draft->intake.bulkhead.emplace();
    core::BulkheadOptions& out = *draft->intake.bulkhead;
    if (in.has_enabled()) draft->bulkhead_enabled = in.enabled();
    if (in.has_max_concurrent()) out.max_concurrent = in.max_concurrent();
    if (in.has_max_queue()) out.max_queue = in.max_queue();
    if (in.has_max_wait()) {
      read.Duration("max_wait", in.max_wait(), &out.max_wait);
    }
  }
  if (entry.has_rate_limit()) {
    PolicyReader read("rate_limit", &draft->unreadable, errors);
    const v1::RateLimitPolicy& in = entry.rate_limit();
    if (!draft->intake.rate_limit) draft->intake.rate_limit.emplace();
    core::RateLimitOptions& out = *draft->intake.rate_limit;
    if (in.has_enabled()) draft->rate_limit_enabled = in.enabled();
    if (in.has_rate()) out.rate = in.rate();
    if (in.has_burst()) out.burst = in.burst();
    if (in.has_max_wait()) {
      read.Duration("max_wait", in.max_wait(), &out.max_wait);
    }
  }
  if (entry.has_throttle()) {
    PolicyReader read("throttle", &draft->unreadable, errors);
    const v1::ThrottlePolicy& in = entry.throttle();
    if (!draft->intake.throttle) draft->intake.throttle.emplace();
    core::ThrottleOptions& out = *draft->intake.throttle;
    if (in.has_enabled()) draft->throttle_enabled = in.enabled();
    if (in.has_k()) out.k = in.k();
    if (in.has_window()) read.Duration("window", in.window(), &out.window);
  }
}

// Reports what is out of range, also in what is off; then takes that away.
core::IntakeOptions FinishIntake(const PolicyDraft& draft,
                                 core::FieldErrors* errors) {
  core::IntakeOptions out = draft.intake;
  // Switched off, it may be without the one field that has no default.
  if (!draft.rate_limit_enabled && out.rate_limit &&
      out.rate_limit->rate == 0) {
    out.rate_limit.reset();
  }
  out.Check("", errors);
  out.no_bulkhead = !draft.bulkhead_enabled;
  out.no_rate_limit = !draft.rate_limit_enabled;
  out.no_throttle = !draft.throttle_enabled;
  if (out.no_bulkhead) out.bulkhead.reset();
  if (out.no_rate_limit) out.rate_limit.reset();
  if (out.no_throttle) out.throttle.reset();
  return out;
}

// One number for retries and hedges, from whichever side set it; sides that
// differ are left to Check().
void ShareAttempts(const PolicyDraft& draft, core::MethodOptions* options) {
  absl::optional<int> retry;
  absl::optional<int> hedging;
  if (options->retry) retry = draft.retry_attempts;
  if (options->hedging) hedging = draft.hedging_attempts;
  if (!retry) retry = hedging;
  if (!retry && options->retry) retry = options->retry->max_attempts;
  if (!hedging) hedging = retry;
  if (options->retry && retry) options->retry->max_attempts = *retry;
  if (options->hedging && hedging) options->hedging->max_attempts = *hedging;
}

}  // namespace

void ApplyEntry(const v1::MethodPolicy& entry, PolicyDraft* draft,
                core::FieldErrors* errors) {
  if (entry.has_timeout()) {
    PolicyReader("", &draft->unreadable, errors)
        .Duration("timeout", entry.timeout(), &draft->timeout);
  }
  if (entry.has_wait_for_ready()) {
    draft->wait_for_ready = entry.wait_for_ready();
  }
  if (entry.has_idempotent()) draft->idempotent = entry.idempotent();
  if (entry.has_breaker()) ApplyBreaker(entry.breaker(), draft, errors);
  if (entry.has_retry()) ApplyRetry(entry.retry(), draft, errors);
  if (entry.has_hedging()) ApplyHedging(entry.hedging(), draft, errors);
  if (entry.has_deadline_gate()) {
    ApplyDeadlineGate(entry.deadline_gate(), draft);
  }
  ApplyIntake(entry, draft, errors);
}

core::MethodOptions Finish(const PolicyDraft& draft,
                           core::FieldErrors* errors) {
  core::MethodOptions options;
  core::FieldErrors found;
  options.timeout = draft.timeout;
  options.wait_for_ready = draft.wait_for_ready;
  options.idempotent = draft.idempotent;
  if (draft.breaker_enabled) {
    options.breaker = draft.breaker;
  } else if (draft.breaker) {
    draft.breaker->Check("breaker", &found);
  }
  if (draft.retry_enabled) {
    options.retry = draft.retry;
  } else if (draft.retry) {
    core::RetryOptions off = *draft.retry;
    off.max_attempts = draft.retry_attempts.value_or(off.max_attempts);
    off.Check("retry", &found);
  }
  if (draft.hedging_enabled) {
    options.hedging = draft.hedging;
  } else if (draft.hedging) {
    core::HedgingOptions off = *draft.hedging;
    off.max_attempts = draft.hedging_attempts.value_or(off.max_attempts);
    off.Check("hedging", &found);
  }
  if (draft.deadline_gate_enabled) {
    options.deadline_gate = draft.deadline_gate;
  } else if (draft.deadline_gate) {
    draft.deadline_gate->Check("deadline_gate", &found);
  }
  ShareAttempts(draft, &options);
  options.Check("", &found);
  options.intake = FinishIntake(draft, &found);
  // Checked as well, as other parts that are off.
  if (options.retry && !draft.adaptive_enabled) options.retry->adaptive.reset();

  for (core::FieldError& error : found) {
    if (draft.unreadable.contains(error.field)) continue;
    // A number taken over from the other side is judged there.
    if (error.field == "retry.max_attempts" && !draft.retry_attempts) continue;
    if (error.field == "hedging.max_attempts" && !draft.hedging_attempts) {
      continue;
    }
    errors->push_back(std::move(error));
  }
  return options;
}

core::BudgetOptions ToBudget(const v1::ChannelPolicy& entry,
                             core::FieldErrors* errors) {
  core::BudgetOptions out;
  const v1::BudgetPolicy& in = entry.budget();
  if (in.has_ratio()) out.ratio = in.ratio();
  if (in.has_floor()) out.floor = in.floor();
  if (in.has_burst()) {
    out.burst = in.burst();
    out.initial.reset();  // what somebody asks for is there at once
  }
  out.Check("budget", errors);
  if (!entry.has_throttling()) return out;
  core::ThrottlingOptions throttling;
  if (entry.throttling().has_max_tokens()) {
    throttling.max_tokens = entry.throttling().max_tokens();
  }
  if (entry.throttling().has_token_ratio()) {
    throttling.token_ratio = entry.throttling().token_ratio();
  }
  // The core has it inside the budget, the language beside it.
  throttling.Check("throttling", errors);
  out.throttling = throttling;
  return out;
}

core::IntakeOptions ToIntake(const v1::ChannelPolicy& entry,
                             core::FieldErrors* errors) {
  PolicyDraft draft;
  ApplyIntake(entry, &draft, errors);
  core::FieldErrors found;
  core::IntakeOptions out = FinishIntake(draft, &found);
  for (core::FieldError& error : found) {
    if (!draft.unreadable.contains(error.field)) {
      errors->push_back(std::move(error));
    }
  }
  return out;
}

}  // namespace firebreak::engine
