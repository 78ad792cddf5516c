#include "src/prometheus/method_samples.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "src/core/attempts/hedging.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/breaker/breaker.h"
#include "src/core/health.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/call_health.h"

namespace firebreak::metrics {
namespace {

using core::Reason;

constexpr char kAllMethods[] = "*";

double Seconds(core::Duration d) {
  return std::chrono::duration<double>(d).count();
}

Labels MethodLabels(const engine::MethodRuntime& runtime) {
  return {OutsideLabel("channel", runtime.channel),
          OutsideLabel("method", runtime.method)};
}

// The reasons for which the method's present policy can reject a call. They are
// exported as 0 from the first call on: if a series only appeared with its
// first rejections, Prometheus' rate() and increase() would not see those.
bool IsExpected(Reason reason, const engine::MethodSettings& settings) {
  const auto& breaker = settings.options->breaker;
  const bool enforces =
      breaker && breaker->mode == core::BreakerOptions::Mode::kEnforce;
  switch (reason) {
    case Reason::kBreakerOpen:
    case Reason::kProbesTaken:
    case Reason::kForcedOpen:
      return enforces;
    case Reason::kRamping:
      return enforces && breaker->MayRamp();
    case Reason::kDeadlineTooClose:
      return settings.admission.MayMakeWait();
    case Reason::kDeadlineInfeasible:
      return settings.options->deadline_gate.has_value();
    case Reason::kDeadlineExceeded:
      return settings.options->NeedsDriver() || !settings.admission.empty();
    default:
      return settings.admission.MayRefuse(reason);
  }
}

absl::string_view EndName(core::CallEnd end) {
  switch (end) {
    case core::CallEnd::kSuccess:
      return "success";
    case core::CallEnd::kFailure:
      return "failure";
    case core::CallEnd::kRejected:
      return "rejected";
    case core::CallEnd::kCancelled:
      return "cancelled";
    case core::CallEnd::kAbandoned:
      return "abandoned";
  }
  return "unknown";
}

}  // namespace

void AddCalls(const engine::MethodRuntime& runtime,
              const engine::MethodSettings& settings,
              const core::MethodCounts& counts, Exposition* out) {
  const Labels labels = MethodLabels(runtime);
  out->Add(Family::kRequestsStarted, labels, counts.calls);
  out->Add(Family::kRequestsInFlight, labels, counts.in_flight);
  for (size_t i = 0; i < counts.ends.size(); ++i) {
    out->Add(Family::kRequests,
             With(labels, "type", EndName(static_cast<core::CallEnd>(i))),
             counts.ends[i]);
  }
  for (size_t i = 0; i < counts.codes.size(); ++i) {
    if (counts.codes[i] == 0 && i != 0) continue;
    out->Add(Family::kResponses,
             With(labels, "code",
                  absl::StatusCodeToString(static_cast<absl::StatusCode>(i))),
             counts.codes[i]);
  }
  for (size_t i = 0; i < counts.rejections.size(); ++i) {
    const auto reason = static_cast<Reason>(i);
    if (counts.rejections[i] == 0 && !IsExpected(reason, settings)) continue;
    out->Add(Family::kRejectedRequests,
             With(labels, "reason", core::ReasonName(reason)),
             counts.rejections[i]);
  }
  out->Add(Family::kResponseTime, labels,
           runtime.stats.latency().Summarize(ResponseTimeBounds()));
  out->Add(Family::kFallbacks, labels, counts.fallbacks);
  const auto fallback = runtime.fallback();
  if (fallback == nullptr) return;
  for (const engine::FallbackLinks::Link& link : fallback->links()) {
    const Labels of_link = With(labels, "link", link.name);
    for (const engine::LinkEnd end : engine::kLinkEnds) {
      out->Add(Family::kFallbackLinks,
               With(of_link, "result", engine::LinkEndName(end)),
               link.counters->of(end));
    }
  }
}

void AddAttempts(engine::MethodRuntime* runtime,
                 const engine::MethodSettings& settings,
                 const core::MethodCounts& counts, core::Time now,
                 Exposition* out) {
  const Labels labels = MethodLabels(*runtime);
  constexpr const char* kKinds[core::kAttemptKinds] = {"first", "retry",
                                                       "hedge"};
  for (size_t i = 0; i < counts.attempts.size(); ++i) {
    out->Add(Family::kAttempts, With(labels, "kind", kKinds[i]),
             counts.attempts[i]);
  }
  for (size_t i = 0; i < counts.attributions.size(); ++i) {
    const auto attribution = static_cast<core::Attribution>(i);
    out->Add(Family::kAttemptEnds,
             With(labels, "attribution", core::AttributionName(attribution)),
             counts.attributions[i]);
  }
  const bool has_budget =
      settings.options->retry.has_value() || settings.options->hedging;
  for (size_t i = 0; i < counts.stops.size(); ++i) {
    const auto reason = static_cast<Reason>(i);
    // This reason is exported as 0 too: it does not depend on a server's
    // answer, and alerts.yml uses it.
    const bool is_expected = has_budget && reason == Reason::kBudgetExhausted;
    if (counts.stops[i] == 0 && !is_expected) continue;
    out->Add(Family::kAttemptsNotMade,
             With(labels, "reason", core::ReasonName(reason)), counts.stops[i]);
  }
  out->Add(Family::kHedgesWon, labels, counts.hedge_wins);

  core::LatencyModel& model = runtime->latency;
  for (const auto& [q, name] : {std::pair<double, const char*>{0.5, "0.5"},
                                {0.9, "0.9"},
                                {0.99, "0.99"}}) {
    if (const auto value = model.Quantile(q, now)) {
      out->Add(Family::kAttemptLatency, With(labels, "q", name),
               Seconds(*value));
    }
  }
  if (const auto usual = model.Baseline(now)) {
    out->Add(Family::kAttemptLatencyUsual, labels, Seconds(*usual));
  }
  const auto& hedging = settings.options->hedging;
  if (hedging) {
    out->Add(Family::kHedgeDelay, labels,
             Seconds(core::HedgeDelay(*hedging, &model, now)));
  }
}

void AddHealth(engine::MethodRuntime* runtime,
               const engine::MethodSettings& settings,
               const std::vector<core::BreakerSnapshot>& breakers,
               const engine::RecentCounts& recent, core::Time now,
               Exposition* out) {
  const Labels labels = MethodLabels(*runtime);
  const engine::RecentCalls calls =
      engine::RecentOf(runtime, settings, &recent, now);
  out->Add(Family::kHealth, labels,
           core::HealthOf(breakers, calls.attempts).score / 100);
  const engine::Hang& hang = calls.hang;
  out->Add(Family::kOldestCall, labels,
           hang.oldest
               ? Seconds(std::max(now - *hang.oldest, core::Duration::zero()))
               : 0.0);
  out->Add(Family::kHangingCalls, labels, hang.calls);
}

void AddAdmission(const engine::MethodRuntime& runtime,
                  const engine::MethodSettings& settings, core::Time now,
                  std::set<const void*>* shown, Exposition* out) {
  core::AdmissionOptions options = settings.options->admission;
  // A policy that is not the method's own is the channel's.
  const auto is_own = [&](absl::string_view policy) {
    bool own = false;
    options.VisitParts([&](const char* name, auto* part, bool*) {
      own = own || (name == policy && part->has_value());
    });
    return own;
  };
  settings.admission.ForEachPart([&](const char* policy, auto* part) {
    if (!shown->insert(part).second) return;
    const Labels labels = {
        OutsideLabel("channel", runtime.channel),
        OutsideLabel("method", is_own(policy) ? runtime.method : kAllMethods)};
    out->AddPart(policy, labels, part->measures(now));
  });
}

void AddCandidate(const engine::CandidateStore& candidates,
                  const engine::MethodRuntime& runtime, Exposition* out) {
  const auto counts = candidates.CountsOf(runtime);
  if (!counts) return;
  const Labels labels = MethodLabels(runtime);
  for (size_t i = 0; i < engine::kLives; ++i) {
    const auto live = static_cast<engine::Live>(i);
    out->Add(Family::kCandidateCalls,
             With(labels, "live", engine::LiveName(live)),
             counts->of(engine::Would::kNothingElse, live));
  }
  for (size_t i = 1; i < engine::kWoulds; ++i) {
    const auto would = static_cast<engine::Would>(i);
    const Labels of_would = With(labels, "would", engine::WouldName(would));
    for (size_t j = 0; j < engine::kLives; ++j) {
      const auto live = static_cast<engine::Live>(j);
      // A combination that cannot occur gets no series.
      if (!engine::MayBe(would, live)) continue;
      out->Add(Family::kCandidateWould,
               With(of_would, "live", engine::LiveName(live)),
               counts->of(would, live));
    }
  }
  for (size_t i = 0; i < counts->refusals.size(); ++i) {
    if (counts->refusals[i] == 0) continue;
    out->Add(Family::kCandidateRefusals,
             With(labels, "reason", core::ReasonName(static_cast<Reason>(i))),
             counts->refusals[i]);
  }
}

}  // namespace firebreak::metrics
