#include "src/prometheus/families.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/core/admission/admission_control.h"
#include "src/engine/breaker_measures.h"

namespace firebreak::metrics {
namespace {

constexpr auto kCounter = prometheus::MetricType::Counter;
constexpr auto kGauge = prometheus::MetricType::Gauge;
constexpr auto kHistogram = prometheus::MetricType::Histogram;

// The families that are made from measures come before this one.
constexpr Family kFirstOfEngine = Family::kMethods;

// In the order of Family.
struct Row {
  const char* name;
  prometheus::MetricType type;
  const char* labels;
  const char* help;
};
constexpr std::array<Row, kFamilies> kTable = {{
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
     "Unary calls in flight for far longer than usual (three times the p99 and "
     "5 s; 10 s until 20 have succeeded); at least so many where a method has "
     "more than 256 in flight."},

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

    {"firebreak_candidate_calls_total", kCounter, "channel,method,live",
     "Calls that have ended since the candidate policy was set, by what became "
     "of them under the live one: succeeded, failed, refused, unknown."},
    {"firebreak_candidate_would_total", kCounter, "channel,method,would,live",
     "Calls that the candidate would have treated otherwise: refuse, time_out, "
     "go_on, wait, retry, give_up, hedge; by the same."},
    {"firebreak_candidate_refusals_total", kCounter, "channel,method,reason",
     "Calls that the candidate would have refused, by reason; also those that "
     "the live policy refused."},

    {"firebreak_circuit_breaker_state", kGauge, "channel,target,method,state",
     "1 for the state the breaker is in, 0 for the others."},
    {"firebreak_circuit_breaker_state_changes_total", kCounter,
     "channel,target,method,from,to", "Changes of the breaker's state."},

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
    {"firebreak_candidate", kGauge, "",
     "The number of the candidate policy, 0 while there is none."},
}};

std::string NameOf(absl::string_view part, absl::string_view metric) {
  return absl::StrCat("firebreak_", part, "_", metric);
}

void AddPart(absl::string_view part, const core::Measures& measures,
             const char* labels, std::vector<FamilyInfo>* all) {
  for (const core::Measure& each : measures) {
    if (*each.metric == 0) continue;
    all->push_back({NameOf(part, each.metric),
                    absl::EndsWith(each.metric, "_total") ? kCounter : kGauge,
                    labels, each.help});
  }
}

void AddMeasured(std::vector<FamilyInfo>* all) {
  AddPart(kBreakerPart, engine::BreakerMeasures(core::BreakerSnapshot()),
          "channel,target,method", all);
  core::AdmissionControl::ForEachKind(
      [&](const char* policy, const core::Measures& measures) {
        AddPart(policy, measures, "channel,method", all);
      });
}

}  // namespace

const std::vector<FamilyInfo>& Families() {
  static const auto* const families = [] {
    auto* all = new std::vector<FamilyInfo>;
    for (std::size_t i = 0; i < kFamilies; ++i) {
      if (static_cast<Family>(i) == kFirstOfEngine) AddMeasured(all);
      const Row& row = kTable[i];
      all->push_back({row.name, row.type, row.labels, row.help});
    }
    return all;
  }();
  return *families;
}

std::size_t IndexOf(Family family) {
  const std::size_t measured = Families().size() - kFamilies;
  return static_cast<std::size_t>(family) +
         (family < kFirstOfEngine ? 0 : measured);
}

std::size_t FirstOf(absl::string_view part) {
  const std::string prefix = NameOf(part, "");
  std::size_t i = static_cast<std::size_t>(kFirstOfEngine);
  while (i < Families().size() &&
         !absl::StartsWith(Families()[i].name, prefix)) {
    ++i;
  }
  return i;
}

}  // namespace firebreak::metrics
