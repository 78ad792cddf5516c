#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/prometheus.h"
#include "src/engine/engine_core.h"
#include "src/engine/recent_counts.h"
#include "src/prometheus/breaker_samples.h"
#include "src/prometheus/exposition.h"
#include "src/prometheus/grpc_names.h"
#include "src/prometheus/method_samples.h"

namespace firebreak {
namespace metrics {
namespace {

void AddBudget(const engine::MethodRuntime& runtime, core::Time now,
               Exposition* out) {
  const Labels labels = {OutsideLabel("channel", runtime.channel)};
  core::AttemptBudget& budget = *runtime.budget;
  out->Add(Family::kAttemptBudgetTokens, labels, budget.tokens(now));
  const core::BudgetOptions options = budget.options();
  out->Add(Family::kAttemptBudgetBurst, labels,
           static_cast<double>(options.burst));
  if (options.throttling) {
    out->Add(Family::kRetryThrottleTokens, labels, budget.throttle_tokens());
  }
}

void AddEngine(engine::EngineCore* core, int64_t methods, Exposition* out) {
  out->Add(Family::kMethods, {}, methods);
  out->Add(Family::kMethodsLimit, {},
           static_cast<int64_t>(core->options().max_methods));
  const engine::CallbackCounters& faults = *core->callback_counters();
  const std::pair<const char*, int64_t> by_name[] = {
      {"classifier_threw", faults.classifier_threw},
      {"classifier_late", faults.classifier_late},
      {"classifier_skipped", faults.classifier_skipped},
      {"fallback_threw", faults.fallback_threw},
      {"listener_threw", core->listeners()->threw()},
  };
  for (const auto& [name, count] : by_name) {
    out->Add(Family::kCallbackFaults, {{"fault", name}}, count);
  }
  out->Add(Family::kListenerEventsMissed, {}, core->listeners()->missed());
  out->Add(Family::kForeignMetadata, {}, core->foreign_metadata());
  const engine::AuditCounters& audits = *core->audit_counters();
  out->Add(Family::kAudits, {{"result", "changed"}}, audits.changed);
  out->Add(Family::kAudits, {{"result", "refused"}}, audits.refused);
  const engine::PolicyStats policy = core->policy_stats();
  out->Add(Family::kPolicyVersion, {}, static_cast<int64_t>(policy.version));
  const std::pair<const char*, int64_t> updates[] = {
      {"applied", policy.applied},
      {"unchanged", policy.unchanged},
      {"refused", policy.refused},
  };
  for (const auto& [result, count] : updates) {
    out->Add(Family::kPolicyUpdates, {{"result", result}}, count);
  }
  out->Add(Family::kPolicyLastSuccessful, {},
           static_cast<int64_t>(policy.is_refused ? 0 : 1));
  out->Add(Family::kPolicyLastSuccess, {},
           std::chrono::duration<double>(policy.last_success.time_since_epoch())
               .count());
  out->Add(Family::kCandidate, {},
           static_cast<int64_t>(core->candidates()->current_id()));
}

// Scrapes that follow each other faster than this do not begin a new span.
constexpr core::Duration kLook = std::chrono::seconds(5);

}  // namespace
}  // namespace metrics

PrometheusCollector::PrometheusCollector(const std::shared_ptr<Engine>& engine,
                                         const PrometheusOptions& options)
    : core_(engine->core()),
      options_(options),
      recent_(std::make_unique<engine::RecentCounts>()) {
  recent_->Advance(engine->core()->Methods(), engine->core()->Now());
}

PrometheusCollector::~PrometheusCollector() = default;

std::vector<prometheus::MetricFamily> PrometheusCollector::Collect() const {
  const std::shared_ptr<engine::EngineCore> core = core_.lock();
  if (core == nullptr) return {};
  metrics::Exposition out;
  metrics::GrpcNames grpc_names;
  const core::Time now = core->Now();
  // What several methods share is exported once.
  std::set<const void*> shown;
  // Keeps what is `shown` alive, even if a new policy does not need it.
  const auto methods = core->methods()->AllWithSettings();
  for (const auto& [runtime, its_own] : methods) {
    const engine::MethodSettings& settings = *its_own;
    const core::MethodCounts counts = runtime->stats.counts();
    metrics::AddCalls(*runtime, settings, counts, &out);
    metrics::AddAttempts(runtime.get(), settings, counts, now, &out);
    if (options_.grpc_names) grpc_names.Add(*runtime, counts);
    std::vector<core::BreakerSnapshot> breakers;
    for (core::Breaker* breaker : runtime->breakers()) {
      breakers.push_back(breaker->Snapshot(now));
      if (!shown.insert(breaker).second) continue;
      metrics::AddBreaker(breaker->identity(), breakers.back(),
                          settings.options->breaker, &out);
    }
    metrics::AddHealth(runtime.get(), settings, breakers, *recent_, now, &out);
    metrics::AddAdmission(*runtime, settings, now, &shown, &out);
    metrics::AddCandidate(*core->candidates(), *runtime, &out);
    if (shown.insert(runtime->budget.get()).second) {
      metrics::AddBudget(*runtime, now, &out);
    }
  }
  metrics::AddEngine(core.get(), static_cast<int64_t>(methods.size()), &out);
  recent_->AdvanceIfOlder(metrics::kLook, core->Methods(), now);
  std::vector<prometheus::MetricFamily> families = out.Take();
  if (options_.grpc_names) grpc_names.MoveTo(&families);
  return families;
}

}  // namespace firebreak
