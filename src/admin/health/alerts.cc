#include "src/admin/health/alerts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/core/admission/bulkhead.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/hedging.h"
#include "src/core/base/duration.h"
#include "src/core/breaker/breaker.h"
#include "src/core/health.h"
#include "src/engine/call_health.h"
#include "src/engine/recent_counts.h"

namespace firebreak::admin {
namespace {

// An alert is critical from this share of failing or hanging calls on.
constexpr double kMajority = 0.5;

class Finder {
 public:
  Finder(const AlertLimits& limits, const Rates& rates, core::Time now)
      : limits_(limits), rates_(rates), now_(now) {}

  std::vector<v1::Alert> Run(const std::vector<Selected>& methods) {
    for (const Selected& each : methods) LookAt(each);
    for (const auto& [bulkhead, use] : bulkheads_) Judge(*bulkhead, use);
    std::set<std::string> told;
    for (const v1::Alert& each : alerts_) told.insert(each.channel());
    for (const auto& [budget, use] : budgets_) {
      // Missing retries are a sign of failures, but do not explain them, so the
      // failures are reported too.
      if (Judge(budget, use) && told.count(ToUtf8(use.channel)) == 0) {
        for (const Failing& each : some_fail_) {
          if (each.channel == use.channel) AddFailing(each);
        }
      }
    }
    return std::move(alerts_);
  }

 private:
  // How methods use something that they may share.
  struct Use {
    std::string channel;
    std::string method;
    int methods = 0;
    int64_t in_vain = 0;  // calls or attempts refused in the last minute
  };

  // Calls of a method that did not get OK.
  struct Failing {
    std::string channel;
    std::string method;
    engine::RecentCounts::Span span;
    v1::AlertSeverity severity = v1::ALERT_SEVERITY_WARNING;
    absl::optional<core::Time> since;
  };

  void LookAt(const Selected& selected) {
    engine::MethodRuntime& runtime = *selected.runtime;
    const Rates::Step minute = rates_.LastMinute(runtime);
    const std::shared_ptr<const engine::MethodSettings> settings =
        runtime.settings();
    const engine::RecentCalls recent =
        engine::RecentOf(&runtime, *settings, &rates_.counts(), now_);
    bool any_counts = false;
    for (core::Breaker* breaker : selected.breakers) {
      const core::BreakerSnapshot snapshot = breaker->Snapshot(now_);
      any_counts = any_counts || Counts(snapshot.state);
      if (seen_.insert(breaker).second) {
        Judge(breaker->identity(), snapshot, recent.attempts.is_idle);
      }
    }
    const core::Breaker::Identity all = {runtime.channel, "", runtime.method};
    JudgeErrors(runtime, *settings->options, recent);
    JudgeHang(recent, all);
    JudgeSpeed(&runtime, all);
    if (!any_counts) {
      JudgeRate(v1::ALERT_KIND_FAILURE_RATE, minute.bad_attempts,
                minute.attempts, limits_.failure_rate, "failed", all);
    }
    Note(&budgets_[runtime.budget.get()], runtime, minute.no_token);
    settings_.push_back(settings);
    core::Bulkhead* const bulkhead = settings_.back()->admission.bulkhead();
    if (bulkhead != nullptr) {
      Note(&bulkheads_[bulkhead], runtime, minute.no_place);
    }
  }

  static void Note(Use* use, const engine::MethodRuntime& runtime,
                   int64_t in_vain) {
    use->channel = runtime.channel;
    use->method = runtime.method;
    ++use->methods;
    use->in_vain += in_vain;
  }

  // Whether the breaker is on, and not forced by an operator.
  static bool Counts(core::BreakerState state) {
    return state != core::BreakerState::kDisabled &&
           state != core::BreakerState::kForcedOpen &&
           state != core::BreakerState::kForcedClosed;
  }

  void JudgeErrors(const engine::MethodRuntime& runtime,
                   const core::MethodOptions& options,
                   const engine::RecentCalls& recent) {
    Failing failing = {runtime.channel, runtime.method, recent.judged,
                       v1::ALERT_SEVERITY_WARNING,
                       rates_.counts().failing_since(runtime, now_)};
    const engine::CallErrors errors =
        engine::ErrorsOf(failing.span.counts, options);
    if (errors.not_ok == 0) return;
    const auto all = static_cast<double>(errors.calls);
    const auto bad = static_cast<double>(errors.errors);
    const bool is_enough = errors.calls >= limits_.minimum_calls;
    if (is_enough && limits_.calls_fail > 0 &&
        (bad >= limits_.calls_fail * all || recent.attempts.none_is_ok)) {
      if (bad >= kMajority * all) {
        failing.severity = v1::ALERT_SEVERITY_CRITICAL;
      }
      AddFailing(failing);
    } else {
      some_fail_.push_back(std::move(failing));
    }
  }

  // Adds for example "120 of 130 calls of the last 12s were not OK:
  // PERMISSION_DENIED 120".
  void AddFailing(const Failing& failing) {
    const engine::RecentCounts::Counts& counts = failing.span.counts;
    std::string codes;
    for (size_t i = 1; i < counts.codes.size(); ++i) {
      if (counts.codes[i] == 0) continue;
      absl::StrAppend(
          &codes, codes.empty() ? "" : ", ",
          absl::StatusCodeToString(static_cast<absl::StatusCode>(i)), " ",
          counts.codes[i]);
    }
    v1::Alert* const alert =
        Add(failing.severity, v1::ALERT_KIND_CALLS_FAIL,
            {failing.channel, "", failing.method},
            absl::StrCat(counts.not_ok(), " of ", counts.with_status(),
                         " calls of the last ", Rounded(failing.span.length),
                         " were not OK: ", codes));
    if (failing.since) *alert->mutable_since() = TimestampOf(*failing.since);
  }

  void JudgeHang(const engine::RecentCalls& calls,
                 const core::Breaker::Identity& where) {
    const core::RecentAttempts& recent = calls.attempts;
    const engine::Hang& hang = calls.hang;
    if (recent.hanging == 0 || limits_.calls_hang <= 0) return;
    const double share =
        core::CautiousShare(recent.hanging, recent.hanging + recent.answered,
                            limits_.minimum_calls);
    if (!(share >= limits_.calls_hang)) return;
    if (!hang.oldest) return;
    v1::Alert* const alert = Add(
        recent.hang_is_sure && share >= kMajority ? v1::ALERT_SEVERITY_CRITICAL
                                                  : v1::ALERT_SEVERITY_WARNING,
        v1::ALERT_KIND_CALLS_HANG, where,
        absl::StrFormat("%s%d calls in flight for over %s, the oldest for %s; "
                        "%d ended in the last seconds",
                        hang.is_at_least ? "at least " : "", hang.calls,
                        Rounded(hang.limit), Rounded(now_ - *hang.oldest),
                        recent.answered));
    *alert->mutable_since() = TimestampOf(*hang.oldest);
  }

  void JudgeSpeed(engine::MethodRuntime* runtime,
                  const core::Breaker::Identity& where) {
    absl::optional<engine::Speed> speed = engine::SpeedOf(runtime, now_);
    if (!speed) return;
    if (!speed->is_much_slower()) {
      if (!core::IsSlowerThanUsual(&runtime->latency, now_)) return;
      speed->current =
          runtime->latency.Quantile(0.5, now_).value_or(speed->current);
      speed->is_of_seconds = false;
    }
    Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_SLOWER_THAN_USUAL, where,
        absl::StrFormat("the median of the last %s is %s, usually %s",
                        speed->is_of_seconds ? "seconds" : "30s",
                        Rounded(speed->current), Rounded(speed->usual)));
  }

  // Rounded for people to read: three digits at most, or whole seconds.
  static std::string Rounded(core::Duration d) {
    core::Duration unit(1);
    while (d / unit >= 1000 && unit < std::chrono::seconds(1)) unit *= 10;
    unit = std::min<core::Duration>(unit, std::chrono::seconds(1));
    return core::FormatDuration(d / unit * unit);
  }

  void Judge(const core::Breaker::Identity& identity,
             const core::BreakerSnapshot& snapshot, bool is_idle) {
    const bool is_forced = snapshot.state == core::BreakerState::kForcedOpen ||
                           snapshot.state == core::BreakerState::kForcedClosed;
    if (is_forced && !snapshot.override_end) {
      v1::Alert* const alert =
          Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_OVERRIDE_WITHOUT_END,
              identity,
              absl::StrCat(core::BreakerStateName(snapshot.state), ": ",
                           snapshot.cause));
      *alert->mutable_since() = TimestampOf(snapshot.since);
    }
    switch (snapshot.state) {
      case core::BreakerState::kOpen:
      case core::BreakerState::kForcedOpen:
      case core::BreakerState::kHalfOpen: {
        // A breaker that refuses nothing, or would admit the next call, is less
        // urgent. Half-open is as bad as open: during an outage a breaker
        // alternates between the two.
        const bool waits = is_idle && snapshot.waits_for_call;
        const bool refuses =
            snapshot.state == core::BreakerState::kForcedOpen ||
            (!snapshot.shadow && !waits);
        v1::Alert* const alert = Add(
            refuses ? v1::ALERT_SEVERITY_CRITICAL : v1::ALERT_SEVERITY_WARNING,
            v1::ALERT_KIND_BREAKER_OPEN, identity,
            absl::StrCat(core::BreakerStateName(snapshot.state),
                         snapshot.shadow ? " (shadow): " : ": ", snapshot.cause,
                         waits ? "; it waits for a call" : ""));
        *alert->mutable_since() =
            TimestampOf(snapshot.trouble_since.value_or(snapshot.since));
        break;
      }
      case core::BreakerState::kForcedClosed:
        break;
      default:
        JudgeRate(v1::ALERT_KIND_FAILURE_RATE, snapshot.window_failures,
                  snapshot.window_calls, limits_.failure_rate, "failed",
                  identity);
        JudgeRate(v1::ALERT_KIND_SLOW_CALL_RATE, snapshot.window_slow,
                  snapshot.window_timed, limits_.slow_call_rate, "were slow",
                  identity);
    }
    if (snapshot.losses_in_a_row >= core::Breaker::kLossesToWarn) {
      Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_ALWAYS_LOSES, identity,
          absl::StrCat("lost ", snapshot.losses_in_a_row,
                       " times in a row against attempts that started later"));
    }
  }

  void JudgeRate(v1::AlertKind kind, int64_t bad, int64_t all, double limit,
                 const char* what, const core::Breaker::Identity& where) {
    if (all < limits_.minimum_calls || all == 0 || limit <= 0) return;
    const double rate = static_cast<double>(bad) / static_cast<double>(all);
    if (!(rate >= limit)) return;
    Add(v1::ALERT_SEVERITY_WARNING, kind, where,
        absl::StrFormat("%d of %d calls %s: %.0f %% (warns at %g %%)", bad, all,
                        what, 100 * rate, 100 * limit));
  }

  void Judge(const core::Bulkhead& bulkhead, const Use& use) {
    const core::Bulkhead::Snapshot snapshot = bulkhead.snapshot();
    if (snapshot.capacity_left() > 0 && use.in_vain == 0) return;
    Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_BULKHEAD_FULL,
        {use.channel, "", use.methods == 1 ? use.method : ""},
        absl::StrFormat("%d of %d in use, %d of %d waiting, %d refused in "
                        "the last minute",
                        snapshot.active, snapshot.limit, snapshot.queued,
                        snapshot.queue_limit, use.in_vain));
  }

  // Returns whether it added an alert.
  bool Judge(core::AttemptBudget* budget, const Use& use) {
    const double tokens = budget->tokens(now_);
    const bool throttled = budget->IsThrottled();
    // An empty budget that no attempt needs is no alert: it may stay empty.
    if (!throttled && use.in_vain == 0) return false;
    const core::BudgetOptions options = budget->options();
    std::string cause =
        absl::StrFormat("%.1f of %g tokens", tokens, options.burst);
    if (options.throttling) {
      absl::StrAppendFormat(&cause, "; throttling%s has %g of %g",
                            throttled ? " stops them all: it" : "",
                            budget->throttle_tokens(),
                            options.throttling->max_tokens);
    }
    absl::StrAppendFormat(&cause,
                          "; %d retries and hedges were not made in the last "
                          "minute for want of one",
                          use.in_vain);
    Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_RETRIES_NOT_MADE,
        {use.channel, "", ""}, cause);
    return true;
  }

  v1::Alert* Add(v1::AlertSeverity severity, v1::AlertKind kind,
                 const core::Breaker::Identity& where,
                 const std::string& cause) {
    v1::Alert& alert = alerts_.emplace_back();
    alert.set_severity(severity);
    alert.set_kind(kind);
    alert.set_channel(ToUtf8(where.channel));
    alert.set_target(ToUtf8(where.target));
    alert.set_method(ToUtf8(where.method));
    alert.set_cause(ToUtf8(cause));
    return &alert;
  }

  const AlertLimits& limits_;
  const Rates& rates_;
  const core::Time now_;
  std::set<const core::Breaker*> seen_;
  // Keeps the bulkheads alive if a new policy removes them.
  std::vector<std::shared_ptr<const engine::MethodSettings>> settings_;
  std::map<core::Bulkhead*, Use> bulkheads_;
  std::map<core::AttemptBudget*, Use> budgets_;
  std::vector<Failing> some_fail_;  // but too few for an alert
  std::vector<v1::Alert> alerts_;
};

}  // namespace

std::vector<v1::Alert> FindAlerts(const std::vector<Selected>& methods,
                                  const AlertLimits& limits, const Rates& rates,
                                  core::Time now) {
  return Finder(limits, rates, now).Run(methods);
}

void AddPolicyAlert(const engine::PolicyStats& policy,
                    std::vector<v1::Alert>* alerts) {
  if (!policy.is_refused) return;
  v1::Alert& alert = alerts->emplace_back();
  alert.set_severity(v1::ALERT_SEVERITY_WARNING);
  alert.set_kind(v1::ALERT_KIND_POLICY_REFUSED);
  alert.set_cause(
      absl::StrCat("the last policy has faults, which events tell; "
                   "version ",
                   policy.version, " stays in force"));
  *alert.mutable_since() = TimestampOf(policy.refused_since);
}

}  // namespace firebreak::admin
