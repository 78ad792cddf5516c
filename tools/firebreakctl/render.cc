#include "tools/firebreakctl/render.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

constexpr auto kRight = Table::Align::kRight;

Colour ColourOf(v1::BreakerState state) {
  switch (state) {
    case v1::BREAKER_STATE_CLOSED:
      return Colour::kGreen;
    case v1::BREAKER_STATE_OPEN:
      return Colour::kRed;
    case v1::BREAKER_STATE_HALF_OPEN:
      return Colour::kYellow;
    case v1::BREAKER_STATE_FORCED_OPEN:
    case v1::BREAKER_STATE_FORCED_CLOSED:
      return Colour::kMagenta;
    default:
      return Colour::kDim;
  }
}

Table::Cell StateCell(v1::BreakerState state) {
  return {StateName(state), ColourOf(state)};
}

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string Brief(const google::protobuf::Duration& duration) {
  return ctl::Brief(TimeUtil::DurationToNanoseconds(duration));
}

// "-" when there is no success to measure.
std::string Quantile(const v1::Latency& latency,
                     const google::protobuf::Duration& quantile) {
  return latency.count() == 0 ? "-" : Brief(quantile);
}

std::string Between(const Timestamp& from, const Timestamp& to) {
  return Brief(to - from);
}

std::string ClockTime(const Timestamp& t) { return TimeUtil::ToString(t); }

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
  if (options.retry()) parts.emplace_back("retry");
  if (options.hedging()) {
    parts.push_back("hedging after " + Brief(options.hedging_delay()));
  }
  if (options.max_attempts() > 1) {
    parts.push_back(
        absl::StrCat("at most ", options.max_attempts(), " attempts"));
  }
  if (options.has_attempt_timeout()) {
    parts.push_back("each at most " + Brief(options.attempt_timeout()));
  }
  return absl::StrCat(
      OrDash(method.policy()), ": ",
      parts.empty() ? "counts only" : absl::StrJoin(parts, ", "));
}

std::string BreakerTable(const v1::Method& method, const Timestamp& as_of,
                         bool colours) {
  Table table({{"TARGET"},
               {"BREAKER"},
               {"SINCE", kRight},
               {"NEXT", kRight},
               {"WINDOW", kRight},
               {"FAILED", kRight},
               {"RATE", kRight},
               {"IN A ROW", kRight},
               {"PROBES", kRight},
               {"HUNG", kRight},
               {"OPENED", kRight},
               {"STALE", kRight}});
  for (const v1::Breaker& breaker : method.breakers()) {
    std::string next = "-";
    if (breaker.has_probe_due()) {
      next = "probe in " + Between(as_of, breaker.probe_due());
    } else if (breaker.has_override_end()) {
      next = "ends in " + Between(as_of, breaker.override_end());
    }
    table.AddRow({OrDash(breaker.target()), StateCell(breaker.state()),
                  Between(breaker.since(), as_of), next,
                  absl::StrCat(breaker.window_calls()),
                  absl::StrCat(breaker.window_failures()),
                  absl::StrFormat("%.0f%%", 100 * breaker.failure_rate()),
                  absl::StrCat(breaker.consecutive_failures()),
                  absl::StrCat(breaker.probes_in_flight()),
                  absl::StrCat(breaker.hung_probes()),
                  absl::StrCat(breaker.times_opened()),
                  absl::StrCat(breaker.stale_results())});
  }
  return table.Render(colours);
}

std::string CallTable(const v1::CallCounts& calls, bool colours) {
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
  return table.Render(colours);
}

std::string LatencyText(const v1::Latency& latency) {
  if (latency.count() == 0) return "no success yet";
  return absl::StrFormat(
      "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s (%d successes)",
      Brief(latency.p50()), Brief(latency.p90()), Brief(latency.p99()),
      Brief(latency.p999()), Brief(latency.max()), latency.count());
}

std::string Details(const v1::Method& method, bool colours) {
  const v1::AttemptCounts& attempts = method.attempts();
  const v1::Budget& budget = method.budget();
  Table table({{""}, {""}});
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) table.AddRow({{name, Colour::kBold}, {value}});
  };
  add("codes", Listed(method.calls().codes(), [](const v1::CodeCount& each) {
        return v1::Code_Name(each.code());
      }));
  add("rejections", Listed(method.calls().rejections()));
  add("attempts", absl::StrFormat("first %d, retries %d, hedges %d (won %d)",
                                  attempts.first(), attempts.retries(),
                                  attempts.hedges(), attempts.hedge_wins()));
  add("attempt ends", Listed(attempts.attributions()));
  add("not attempted", Listed(attempts.stops()));
  add("latency", LatencyText(method.latency()));
  add("budget",
      absl::StrFormat("%.1f of %g tokens, +%g per call, +%g per second",
                      budget.tokens(), budget.burst(), budget.ratio(),
                      budget.floor()));
  if (method.has_bulkhead()) {
    const v1::Bulkhead& b = method.bulkhead();
    add("bulkhead",
        absl::StrFormat("%d of %d in use, %d of %d waiting, %d turned away, "
                        "saturated %d times",
                        b.active(), b.limit(), b.queued(), b.queue_limit(),
                        b.rejected(), b.saturated_count()));
  }
  if (method.has_rate_limit()) {
    const v1::RateLimit& r = method.rate_limit();
    add("rate limit",
        absl::StrFormat("%.1f of %d tokens, +%g per second, %d turned away",
                        r.tokens(), r.burst(), r.rate(), r.rejected()));
  }
  if (method.has_throttle()) {
    const v1::Throttle& t = method.throttle();
    add("throttle",
        absl::StrFormat("%d of %d accepted lately, turns away %.0f %%, %d so "
                        "far",
                        t.accepts(), t.requests(),
                        100 * t.rejection_probability(), t.rejected()));
  }
  return table.Render(colours);
}

}  // namespace

std::string StateName(v1::BreakerState state) {
  const std::string name = v1::BreakerState_Name(state);
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "BREAKER_STATE_"));
}

std::string Brief(int64_t ns) {
  if (ns <= 0) return "0s";
  if (ns < 59'950'000'000) {
    // Rounded to three digits first, so that no unit shows a thousand of
    // itself.
    int64_t step = 1;
    while (ns / step >= 1000) step *= 10;
    ns = (ns + step / 2) / step * step;
    const auto value = static_cast<double>(ns);
    if (ns < 1'000) return absl::StrCat(ns, "ns");
    if (ns < 1'000'000) return absl::StrFormat("%.3gus", value / 1e3);
    if (ns < 1'000'000'000) return absl::StrFormat("%.3gms", value / 1e6);
    return absl::StrFormat("%.3gs", value / 1e9);
  }
  const int64_t seconds = (ns + 500'000'000) / 1'000'000'000;
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  if (hours == 0) return absl::StrFormat("%dm%02ds", minutes, seconds % 60);
  if (hours < 24) return absl::StrFormat("%dh%02dm", hours, minutes % 60);
  return absl::StrFormat("%dd%02dh", hours / 24, hours % 24);
}

std::string RenderMethods(const v1::ListMethodsResponse& response,
                          bool colours) {
  if (response.methods().empty()) {
    return "no method with a policy has been called yet\n";
  }
  Table table({{"CHANNEL"},
               {"METHOD"},
               {"TARGET"},
               {"BREAKER"},
               {"SINCE", kRight},
               {"CALLS", kRight},
               {"OK", kRight},
               {"FAILED", kRight},
               {"REJECTED", kRight},
               {"IN FLIGHT", kRight},
               {"P50", kRight},
               {"P99", kRight}});
  for (const v1::Method& method : response.methods()) {
    const v1::CallCounts& calls = method.calls();
    std::vector<Table::Cell> row = {
        OrDash(method.channel()),
        method.method(),
        {"-"},
        {"-"},
        {"-"},
        absl::StrCat(calls.started()),
        absl::StrCat(calls.successes()),
        absl::StrCat(calls.failures()),
        absl::StrCat(calls.rejected()),
        absl::StrCat(calls.in_flight()),
        Quantile(method.latency(), method.latency().p50()),
        Quantile(method.latency(), method.latency().p99())};
    if (method.breakers().empty()) table.AddRow(row);
    for (const v1::Breaker& breaker : method.breakers()) {
      row[2] = OrDash(breaker.target());
      row[3] = StateCell(breaker.state());
      row[4] = Between(breaker.since(), response.as_of());
      table.AddRow(row);
      row = {{""}, {""}, {""}, {""}, {""}};
    }
  }
  return table.Render(colours);
}

std::string RenderMethod(const v1::GetMethodResponse& response, bool colours) {
  const v1::Method& method = response.method();
  Table head({{""}, {""}});
  head.AddRow({{"method", Colour::kBold}, {method.method()}});
  head.AddRow({{"channel", Colour::kBold}, {OrDash(method.channel())}});
  head.AddRow({{"policy", Colour::kBold}, {PolicyText(method)}});
  return absl::StrCat(head.Render(colours), "\n",
                      BreakerTable(method, response.as_of(), colours), "\n",
                      CallTable(method.calls(), colours), "\n",
                      Details(method, colours));
}

std::string RenderBreakers(
    const google::protobuf::RepeatedPtrField<v1::Breaker>& breakers,
    bool colours) {
  Table table({{"CHANNEL"}, {"METHOD"}, {"TARGET"}, {"BREAKER"}, {"UNTIL"}});
  for (const v1::Breaker& breaker : breakers) {
    std::string until = "-";
    if (breaker.has_override_end()) {
      until = ClockTime(breaker.override_end());
    } else if (breaker.state() == v1::BREAKER_STATE_FORCED_OPEN ||
               breaker.state() == v1::BREAKER_STATE_FORCED_CLOSED) {
      until = "cleared";
    }
    table.AddRow({OrDash(breaker.channel()), breaker.method(),
                  OrDash(breaker.target()), StateCell(breaker.state()), until});
  }
  return table.Render(colours);
}

std::string RenderEvent(const v1::Event& event, bool colours) {
  std::string what;
  if (event.kind() == v1::EVENT_KIND_WARNING) {
    what = colours ? Painted("warning", Colour::kYellow) : "warning";
  } else {
    auto painted = [&](v1::BreakerState state) {
      const std::string name = StateName(state);
      return colours ? Painted(name, ColourOf(state)) : name;
    };
    what = absl::StrCat(painted(event.from()), " -> ", painted(event.to()));
  }
  std::vector<std::string> where;
  for (const std::string* part :
       {&event.channel(), &event.method(), &event.target()}) {
    if (!part->empty()) where.push_back(Printable(*part));
  }
  return absl::StrFormat("%5d  %s  %s  %s: %s\n", event.sequence(),
                         ClockTime(event.time()), absl::StrJoin(where, " "),
                         what, Printable(event.cause()));
}

}  // namespace firebreak::ctl
