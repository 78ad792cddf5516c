// The output of the command that shows one method.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "src/compat.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

// "breaker_open 10, forced_open 2"; "" for none.
template <class Counts, class NameOf>
std::string Listed(const Counts& counts, NameOf name_of) {
  return absl::StrJoin(counts, ", ", [&](std::string* out, const auto& each) {
    absl::StrAppend(out, name_of(each), " ", each.count());
  });
}

std::string Listed(
    const google::protobuf::RepeatedPtrField<v1::NamedCount>& counts) {
  return Listed(counts, [](const v1::NamedCount& each) { return each.name(); });
}

std::string PolicyText(const v1::Method& method) {
  const v1::EffectiveOptions& options = method.options();
  std::vector<std::string> parts;
  if (options.has_timeout()) {
    parts.push_back("timeout " + Brief(options.timeout()));
  }
  if (options.breaker()) parts.emplace_back("breaker");
  if (options.retry()) {
    parts.emplace_back(options.adaptive_retry() ? "adaptive retry" : "retry");
  }
  if (options.hedging()) {
    parts.push_back(options.hedging_quantile() > 0
                        ? absl::StrFormat("hedging at the live %g quantile",
                                          options.hedging_quantile())
                        : "hedging after " + Brief(options.hedging_delay()));
  }
  if (options.max_attempts() > 1) {
    parts.push_back(
        absl::StrCat("at most ", options.max_attempts(), " attempts"));
  }
  if (options.has_attempt_timeout()) {
    const double growth = options.policy().retry().attempt_timeout_growth();
    parts.push_back(
        absl::StrCat("each at most ", Brief(options.attempt_timeout()),
                     growth > 1 ? absl::StrFormat(", then x %g", growth) : ""));
  }
  if (options.policy().has_idempotent()) {
    parts.emplace_back(options.policy().idempotent() ? "idempotent"
                                                     : "not idempotent");
  }
  if (options.policy().wait_for_ready()) parts.emplace_back("waits for ready");
  if (options.gate_quantile() > 0) {
    parts.push_back(
        absl::StrFormat("none with less time left than the live %g quantile%s",
                        options.gate_quantile(),
                        options.gate_first_attempt() ? "" : " but the first"));
  }
  return absl::StrCat(
      OrDash(method.policy()), ": ",
      parts.empty() ? "counts only" : absl::StrJoin(parts, ", "));
}

// With the limit, if it differs from the policy's since failures are usual.
std::string InARow(const v1::Breaker& breaker) {
  constexpr double kUsual = 0.05;
  std::string cell = absl::StrCat(breaker.consecutive_failures());
  if (breaker.usual_failure_rate() >= kUsual &&
      breaker.consecutive_limit() > 0) {
    absl::StrAppend(&cell, " of ", breaker.consecutive_limit());
  }
  return cell;
}

std::string BreakerTable(const v1::Method& method, const Timestamp& as_of,
                         const Style& style) {
  Table table({{"TARGET"},
               {"BREAKER"},
               {"SINCE", kRight},
               {"NEXT", kRight},
               {"WINDOW", kRight},
               {"FAILED", kRight},
               {"RATE", kRight},
               {"SLOW", kRight},
               {"IN A ROW", kRight},
               {"PROBES", kRight},
               {"HUNG", kRight},
               {"OPENED", kRight},
               {"STALE", kRight}});
  for (const v1::Breaker& breaker : method.breakers()) {
    std::string next = "-";
    if (breaker.has_probe_due()) {
      next = absl::StrCat(breaker.checks_health() ? "check" : "probe", " in ",
                          Between(as_of, breaker.probe_due()));
      if (!breaker.health().empty()) {
        absl::StrAppend(&next, " (", breaker.health(), ")");
      }
    } else if (breaker.has_override_end()) {
      next = "ends in " + Between(as_of, breaker.override_end());
    } else if (breaker.state() == v1::BREAKER_STATE_RAMP) {
      next = absl::StrFormat("%.0f%% admitted", 100 * breaker.admitted_share());
    }
    table.AddRow(
        {OrDash(breaker.target()), StateCell(breaker),
         Between(breaker.since(), as_of), next,
         absl::StrCat(breaker.window_calls()),
         absl::StrCat(breaker.window_failures()),
         absl::StrFormat("%.0f%%", 100 * breaker.failure_rate()),
         breaker.window_timed() == 0
             ? "-"
             : absl::StrFormat("%.0f%%", 100 * breaker.slow_call_rate()),
         InARow(breaker), absl::StrCat(breaker.probes_in_flight()),
         absl::StrCat(breaker.hung_probes()),
         absl::StrCat(breaker.times_opened()),
         absl::StrCat(breaker.stale_results())});
  }
  return table.Render(style);
}

std::string CallTable(const v1::CallCounts& calls, const Style& style) {
  Table table({{"CALLS", kRight},
               {"OK", kRight},
               {"FAILED", kRight},
               {"REJECTED", kRight},
               {"CANCELLED", kRight},
               {"ABANDONED", kRight},
               {"IN FLIGHT", kRight},
               {"FALLBACKS", kRight}});
  table.AddRow(
      {absl::StrCat(calls.started()), absl::StrCat(calls.successes()),
       absl::StrCat(calls.failures()), absl::StrCat(calls.rejected()),
       absl::StrCat(calls.cancelled()), absl::StrCat(calls.abandoned()),
       absl::StrCat(calls.in_flight()), absl::StrCat(calls.fallbacks())});
  return table.Render(style);
}

std::string LatencyText(const v1::Latency& latency) {
  if (latency.count() == 0) return "no success yet";
  return absl::StrFormat(
      "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s (%d successes)",
      Brief(latency.p50()), Brief(latency.p90()), Brief(latency.p99()),
      Brief(latency.p999()), Brief(latency.max()), latency.count());
}

// For example "▁▁▂▅█  12 in the last 25s"; "" if nothing is known.
std::string RecentText(const v1::RecentCalls& recent,
                       const google::protobuf::RepeatedField<int64_t>& values,
                       const Style& style) {
  if (values.empty()) return "";
  const int64_t sum = std::accumulate(values.begin(), values.end(), int64_t{0});
  return absl::StrFormat(
      "%s  %d in the last %s", Sparkline(values, style.utf8), sum,
      Brief(TimeUtil::DurationToNanoseconds(recent.step()) * values.size()));
}

std::string HealthText(const v1::Health& health) {
  std::string text = absl::StrFormat(
      "%s, %.0f of 100: %.1f%% failed, %.1f%% slow, ",
      LevelName(health.level()), health.score(), 100 * health.failure_rate(),
      100 * health.slow_call_rate());
  if (health.error_rate() > 0) {
    absl::StrAppendFormat(&text, "%.1f%% errors, ", 100 * health.error_rate());
  }
  if (health.hanging_share() > 0) {
    absl::StrAppendFormat(&text, "%.1f%% hang, ", 100 * health.hanging_share());
  }
  absl::StrAppendFormat(&text, "%.0f%% let through%s",
                        100 * health.admitted_share(),
                        health.waits_for_call() ? "; waits for a call" : "");
  return text;
}

// The quantiles of a latency model; "" if nothing is known.
std::string RecentText(const v1::LatencyModel& model) {
  if (model.samples() == 0) return "";
  std::string text =
      absl::StrFormat("p50 %s, p90 %s, p95 %s, p99 %s (%d answers in 30 s)",
                      Brief(model.p50()), Brief(model.p90()),
                      Brief(model.p95()), Brief(model.p99()), model.samples());
  if (model.has_usual_p50()) {
    absl::StrAppend(&text, "; usual p50 ", Brief(model.usual_p50()));
  }
  return text;
}

std::string NextHedgeText(const v1::LatencyModel& model) {
  if (!model.hedging_paused().empty()) {
    return "paused: " + model.hedging_paused();
  }
  if (!model.has_hedge_delay()) return "";
  return "after " + Brief(model.hedge_delay());
}

// For example "UNAVAILABLE 62%, ABORTED 4% (stopped)"; "" without adaptive
// retries.
std::string RetryChances(const v1::Method& method) {
  return absl::StrJoin(method.retry_chances(), ", ",
                       [](std::string* out, const v1::RetryChance& each) {
                         absl::StrAppend(
                             out, v1::Code_Name(each.code()),
                             absl::StrFormat(" %.0f%%", 100 * each.chance()),
                             each.stopped() ? " (stopped)" : "");
                       });
}

// For example "20, the oldest for 35s; 20 hang", or "at least 64 hang"; "" if
// no unary call is in flight.
std::string InFlightText(const v1::CallCounts& calls, const Timestamp& as_of) {
  if (!calls.has_oldest_in_flight()) return "";
  return absl::StrCat(
      calls.in_flight(), ", the oldest for ",
      Between(calls.oldest_in_flight(), as_of),
      calls.hanging() == 0
          ? ""
          : absl::StrCat("; ", calls.hanging_is_at_least() ? "at least " : "",
                         calls.hanging(), " hang"));
}

std::string Details(const v1::Method& method, const Timestamp& as_of,
                    const Style& style) {
  const v1::AttemptCounts& attempts = method.attempts();
  const v1::Budget& budget = method.budget();
  Table table({{""}, {""}});
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) table.AddRow({{name, Colour::kBold}, {value}});
  };
  const v1::RecentCalls& recent = method.recent();
  add("calls", RecentText(recent, recent.started(), style));
  add("failed", RecentText(recent, recent.failures(), style));
  add("rejected", RecentText(recent, recent.rejected(), style));
  add("now", NowText(recent.now()));
  add("in flight", InFlightText(method.calls(), as_of));
  for (const v1::Breaker& breaker : method.breakers()) {
    const std::string of =
        breaker.target().empty() ? "" : breaker.target() + ": ";
    if (!breaker.cause().empty()) {
      add("because", of + Printable(breaker.cause()));
    }
    if (breaker.shadow()) {
      add("shadow", absl::StrFormat("%swould have refused %d calls", of,
                                    breaker.shadow_refusals()));
    }
    if (breaker.losses() > 0) {
      add("losses",
          absl::StrFormat("%s%d against later attempts, %d in a row", of,
                          breaker.losses(), breaker.losses_in_a_row()));
    }
  }
  add("codes", Listed(method.calls().codes(), [](const v1::CodeCount& each) {
        return v1::Code_Name(each.code());
      }));
  add("rejections", Listed(method.calls().rejections()));
  for (const v1::FallbackCounts& link : method.calls().fallback_links()) {
    add("fallback",
        absl::StrFormat("%s: answered %d, failed %d, late %d, not begun %d, "
                        "abandoned %d",
                        Printable(link.name()), link.answered(), link.failed(),
                        link.late(), link.not_begun(), link.abandoned()));
  }
  add("attempts", absl::StrFormat("first %d, retries %d, hedges %d (won %d)",
                                  attempts.first(), attempts.retries(),
                                  attempts.hedges(), attempts.hedge_wins()));
  add("attempt ends", Listed(attempts.attributions()));
  add("not attempted", Listed(attempts.stops()));
  add("retries help", RetryChances(method));
  add("latency", LatencyText(method.latency()));
  add("attempts take", RecentText(method.latency_model()));
  add("next hedge", NextHedgeText(method.latency_model()));
  add("budget",
      absl::StrFormat("%.1f of %g tokens, +%g per call, +%g per second",
                      budget.tokens(), budget.burst(), budget.ratio(),
                      budget.floor()));
  if (budget.throttle_max() > 0) {
    add("throttling",
        absl::StrFormat("%g of %g tokens, extra attempts above "
                        "%g",
                        budget.throttle_tokens(), budget.throttle_max(),
                        budget.throttle_max() / 2));
  }
  if (method.has_bulkhead()) {
    const v1::Bulkhead& b = method.bulkhead();
    add("bulkhead",
        absl::StrFormat("%d of %d in use, %d of %d waiting, %d refused, "
                        "saturated %d times",
                        b.active(), b.limit(), b.queued(), b.queue_limit(),
                        b.rejected(), b.saturated_count()));
  }
  if (method.has_rate_limit()) {
    const v1::RateLimit& r = method.rate_limit();
    add("rate limit",
        absl::StrFormat("%.1f of %d tokens, +%g per second, %d refused",
                        r.tokens(), r.burst(), r.rate(), r.rejected()));
  }
  if (method.has_throttle()) {
    const v1::Throttle& t = method.throttle();
    add("throttle",
        absl::StrFormat("%d of %d accepted lately, refuses %.0f %%, %d so "
                        "far",
                        t.accepts(), t.requests(),
                        100 * t.rejection_probability(), t.rejected()));
  }
  for (const v1::AdmissionPolicy& each : method.admission()) {
    add(absl::StrReplaceAll(each.name(), {{"_", " "}}).c_str(),
        absl::StrJoin(
            each.measures(), ", ", [](std::string* out, const auto& m) {
              absl::StrAppendFormat(out, "%s %g", m.name(), m.value());
            }));
  }
  if (method.has_candidate()) {
    add("candidate", CandidateText(method.candidate()));
  }
  // In the form of a policy file, with the names of fields.
  add("in full", Printable(compat::OneLine(method.options().policy())));
  return table.Render(style);
}

}  // namespace

std::string RenderMethod(const v1::GetMethodResponse& response,
                         const Style& style) {
  const v1::Method& method = response.method();
  Table head({{""}, {""}});
  head.AddRow({{"method", Colour::kBold}, {method.method()}});
  head.AddRow({{"channel", Colour::kBold}, {OrDash(method.channel())}});
  head.AddRow({{"policy", Colour::kBold}, {PolicyText(method)}});
  if (method.has_health()) {
    head.AddRow(
        {{"health", Colour::kBold},
         {HealthText(method.health()), ColourOf(method.health().level())}});
  }
  return absl::StrCat(head.Render(style), "\n",
                      BreakerTable(method, response.as_of(), style), "\n",
                      CallTable(method.calls(), style), "\n",
                      Details(method, response.as_of(), style));
}

}  // namespace firebreak::ctl
