#include "src/prometheus/families.h"

#include <array>

namespace firebreak::metrics {
namespace {

constexpr auto kCounter = prometheus::MetricType::Counter;
constexpr auto kGauge = prometheus::MetricType::Gauge;
constexpr auto kHistogram = prometheus::MetricType::Histogram;

// In the order of Family.
constexpr std::array<FamilyInfo, kFamilies> kTable = {{
    {"firebreak_requests_started_total", kCounter, "channel,method",
     "Calls that were made."},
    {"firebreak_requests_in_flight", kGauge, "channel,method",
     "Calls that have not ended, those that wait for their turn included."},
    {"firebreak_requests_total", kCounter, "channel,method,type",
     "Calls that have ended: success, failure, rejected (by firebreak, before "
     "anything was sent), cancelled, abandoned."},
    {"firebreak_responses_total", kCounter, "channel,method,code",
     "Calls that have ended with a status, by its code; not those rejected."},
    {"firebreak_rejected_requests_total", kCounter, "channel,method,reason",
     "Calls that firebreak rejected, by the firebreak-reason of the status."},
    {"firebreak_response_time_seconds", kHistogram, "channel,method",
     "What successful calls took, waits and retries included. Exact to 1.6 %."},
    {"firebreak_fallbacks_total", kCounter, "channel,method",
     "Calls that a fallback of the application answered."},
    {"firebreak_fallback_links_total", kCounter, "channel,method,link,result",
     "Links of a fallback that were asked, by what became of them: answered, "
     "failed, late, not_begun (no thread was free), abandoned (the call was "
     "over)."},
    {"firebreak_health_ratio", kGauge, "channel,method",
     "How well the calls of the method do, 0 to 1."},
    {"firebreak_oldest_call_seconds", kGauge, "channel,method",
     "Since when the oldest of the unary calls in flight has been, 0 when none "
     "is."},
    {"firebreak_hanging_calls", kGauge, "channel,method",
     "Unary calls in flight for far longer than usual: three times the p99 and "
     "5 s."},

    {"firebreak_attempts_total", kCounter, "channel,method,kind",
     "Attempts that were sent: first, retry, hedge."},
    {"firebreak_attempt_ends_total", kCounter, "channel,method,attribution",
     "Attempts that have ended, by who or what decided it."},
    {"firebreak_attempts_not_made_total", kCounter, "channel,method,reason",
     "Retries and hedges that were wanted and not made, by reason."},
    {"firebreak_hedges_won_total", kCounter, "channel,method",
     "Calls whose answer came from a hedge."},
    {"firebreak_attempt_budget_tokens", kGauge, "channel",
     "Retries and hedges that the channel's budget can pay for now."},
    {"firebreak_attempt_budget_burst_tokens", kGauge, "channel",
     "What the budget holds when it is full."},
    {"firebreak_retry_throttle_tokens", kGauge, "channel",
     "Tokens of gRPC's retry throttling; at half of the most there is no "
     "retry."},
    {"firebreak_attempt_latency_seconds", kGauge, "channel,method,q",
     "Quantile q of what an attempt takes, over the last 30 s: the model "
     "behind hedge delays and the deadline gate. Exact to 2 %."},
    {"firebreak_attempt_latency_usual_seconds", kGauge, "channel,method",
     "The median of what an attempt takes, over ten minutes."},
    {"firebreak_hedge_delay_seconds", kGauge, "channel,method",
     "After how long a call of now would be hedged."},

    {"firebreak_circuit_breaker_state", kGauge, "channel,target,method,state",
     "1 for the state the breaker is in, 0 for the others."},
    {"firebreak_circuit_breaker_state_changes_total", kCounter,
     "channel,target,method,from,to", "Changes of the breaker's state."},
    {"firebreak_circuit_breaker_shadow", kGauge, "channel,target,method",
     "1 when the breaker only shows what it would do, 0 when it refuses "
     "calls."},
    {"firebreak_circuit_breaker_window_calls", kGauge, "channel,target,method",
     "Results in the breaker's window."},
    {"firebreak_circuit_breaker_window_failures", kGauge,
     "channel,target,method", "Failures among them."},
    {"firebreak_circuit_breaker_window_timed_calls", kGauge,
     "channel,target,method", "Results in its window of slow calls."},
    {"firebreak_circuit_breaker_window_slow_calls", kGauge,
     "channel,target,method", "Slow ones among them."},
    {"firebreak_circuit_breaker_slow_calls_in_flight", kGauge,
     "channel,target,method", "Those of the slow ones that have not ended."},
    {"firebreak_circuit_breaker_admitted_ratio", kGauge,
     "channel,target,method",
     "The share of the calls that the breaker lets through while in ramp; "
     "else 1."},
    {"firebreak_circuit_breaker_probes_in_flight", kGauge,
     "channel,target,method", "Probes under way while half-open."},
    {"firebreak_circuit_breaker_hung_probes_total", kCounter,
     "channel,target,method",
     "Probes that gave no sign of life in their time."},
    {"firebreak_circuit_breaker_stale_results_total", kCounter,
     "channel,target,method",
     "Results from before a change of state, which moved nothing."},
    {"firebreak_circuit_breaker_shadow_refusals_total", kCounter,
     "channel,target,method",
     "Calls that the breaker would have refused, had it been no shadow."},
    {"firebreak_circuit_breaker_losses_total", kCounter,
     "channel,target,method",
     "Attempts that lost against one that started later."},
    {"firebreak_circuit_breaker_losses_in_a_row", kGauge,
     "channel,target,method",
     "Such losses since the target last answered: many, and it may be a black "
     "hole that no failure shows."},

    {"firebreak_bulkhead_active", kGauge, "channel,method",
     "Calls in the bulkhead."},
    {"firebreak_bulkhead_limit", kGauge, "channel,method",
     "Calls it lets in at a time."},
    {"firebreak_bulkhead_queued", kGauge, "channel,method",
     "Calls that wait before it."},
    {"firebreak_bulkhead_queue_limit", kGauge, "channel,method",
     "Calls that may wait before it."},
    {"firebreak_bulkhead_completed_total", kCounter, "channel,method",
     "Calls that have left it."},
    {"firebreak_bulkhead_rejected_total", kCounter, "channel,method",
     "Calls that found it full, or waited too long."},
    {"firebreak_bulkhead_saturated_total", kCounter, "channel,method",
     "How often its last free place was taken."},
    {"firebreak_rate_limit_tokens", kGauge, "channel,method",
     "Calls that the rate limit lets through at once; below 0: that wait for "
     "their turn."},
    {"firebreak_rate_limit_burst_tokens", kGauge, "channel,method",
     "What it holds when it is full."},
    {"firebreak_rate_limit_rejected_total", kCounter, "channel,method",
     "Calls that the rate limit turned away."},
    {"firebreak_throttle_rejection_ratio", kGauge, "channel,method",
     "The share of the calls that the throttle turns away now."},
    {"firebreak_throttle_rejected_total", kCounter, "channel,method",
     "Calls that the throttle turned away."},

    {"firebreak_methods", kGauge, "",
     "Methods with a state of their own, and entries \"other\"."},
    {"firebreak_methods_limit", kGauge, "",
     "How many there can be (EngineOptions::max_methods); further ones share "
     "\"other\"."},
    {"firebreak_callback_faults_total", kCounter, "fault",
     "What the application's classifiers and listeners did wrong; no call was "
     "harmed."},
    {"firebreak_listener_events_missed_total", kCounter, "",
     "Events that a listener, or the log, was too slow for."},
    {"firebreak_foreign_metadata_total", kCounter, "",
     "Metadata named firebreak-* that somebody else had set, and that was not "
     "sent."},
    {"firebreak_audits_total", kCounter, "result",
     "Admin calls that changed something, or were refused, even to read."},
    {"firebreak_policy_version", kGauge, "",
     "The version of the policy in force: 1, and one more with each change."},
    {"firebreak_policy_updates_total", kCounter, "result",
     "Policies that came while calls run: applied, unchanged (the same as the "
     "one in force), refused (that one stays)."},
    {"firebreak_policy_last_update_successful", kGauge, "",
     "0 while the last policy that came was refused for its faults, else 1."},
    {"firebreak_policy_last_success_timestamp_seconds", kGauge, "",
     "When a policy was last applied, or was the same as the one in force."},
}};

}  // namespace

const FamilyInfo& InfoOf(Family family) {
  return kTable[static_cast<std::size_t>(family)];
}

}  // namespace firebreak::metrics
