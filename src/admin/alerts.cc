#include "src/admin/alerts.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/admin/text.h"
#include "src/admin/time_view.h"
#include "src/core/admission/bulkhead.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/breaker/breaker.h"

namespace firebreak::admin {
namespace {

class Finder {
 public:
  Finder(const AlertLimits& limits, const Rates& rates, core::Time now)
      : limits_(limits), rates_(rates), now_(now) {}

  std::vector<v1::Alert> Run(const std::vector<Selected>& methods) {
    for (const Selected& each : methods) LookAt(each);
    for (const auto& [bulkhead, use] : bulkheads_) Judge(*bulkhead, use);
    for (const auto& [budget, use] : budgets_) Judge(budget, use);
    return std::move(alerts_);
  }

 private:
  // Of something that methods may share.
  struct Use {
    std::string channel;
    std::string method;
    int methods = 0;
    int64_t in_vain = 0;  // in the last minute
  };

  void LookAt(const Selected& selected) {
    const engine::MethodRuntime& runtime = *selected.runtime;
    const Rates::Step minute = rates_.LastMinute(runtime);
    bool any_is_on = false;
    for (core::Breaker* breaker : selected.breakers) {
      const core::BreakerSnapshot snapshot = breaker->Snapshot(now_);
      any_is_on = any_is_on || snapshot.state != core::BreakerState::kDisabled;
      if (seen_.insert(breaker).second) Judge(breaker->identity(), snapshot);
    }
    if (!any_is_on) {
      JudgeRate(v1::ALERT_KIND_FAILURE_RATE, minute.bad_attempts,
                minute.attempts, limits_.failure_rate, "failed",
                {runtime.channel, "", runtime.method});
    }
    Note(&budgets_[runtime.budget.get()], runtime, minute.no_token);
    settings_.push_back(runtime.settings());
    core::Bulkhead* const bulkhead = settings_.back()->intake.bulkhead();
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

  void Judge(const core::Breaker::Identity& identity,
             const core::BreakerSnapshot& snapshot) {
    switch (snapshot.state) {
      case core::BreakerState::kOpen:
      case core::BreakerState::kForcedOpen:
      case core::BreakerState::kHalfOpen: {
        // What refuses nothing, or is on its way back, is less urgent.
        const bool is_open =
            snapshot.state == core::BreakerState::kForcedOpen ||
            (snapshot.state == core::BreakerState::kOpen && !snapshot.shadow);
        v1::Alert* const alert = Add(
            is_open ? v1::ALERT_SEVERITY_CRITICAL : v1::ALERT_SEVERITY_WARNING,
            v1::ALERT_KIND_BREAKER_OPEN, identity,
            absl::StrCat(core::BreakerStateName(snapshot.state),
                         snapshot.shadow ? " (shadow): " : ": ",
                         snapshot.cause));
        *alert->mutable_since() = TimestampOf(snapshot.since);
        break;
      }
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
        absl::StrFormat("%d of %d in use, %d of %d waiting, %d turned away in "
                        "the last minute",
                        snapshot.active, snapshot.limit, snapshot.queued,
                        snapshot.queue_limit, use.in_vain));
  }

  void Judge(core::AttemptBudget* budget, const Use& use) {
    const double tokens = budget->tokens(now_);
    const bool throttled = budget->IsThrottled();
    if (tokens >= 1 && !throttled && use.in_vain == 0) return;
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
    Add(v1::ALERT_SEVERITY_WARNING, v1::ALERT_KIND_BUDGET_EMPTY,
        {use.channel, "", ""}, cause);
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
  // Keep the bulkheads, should a new policy do without.
  std::vector<std::shared_ptr<const engine::MethodSettings>> settings_;
  std::map<core::Bulkhead*, Use> bulkheads_;
  std::map<core::AttemptBudget*, Use> budgets_;
  std::vector<v1::Alert> alerts_;
};

}  // namespace

std::vector<v1::Alert> FindAlerts(const std::vector<Selected>& methods,
                                  const AlertLimits& limits, const Rates& rates,
                                  core::Time now) {
  return Finder(limits, rates, now).Run(methods);
}

}  // namespace firebreak::admin
