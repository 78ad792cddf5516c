#include "tools/firebreakctl/render.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/firebreakctl/table.h"
#include "tools/firebreakctl/words.h"

namespace firebreak::ctl {
namespace {

constexpr auto kRight = Table::Align::kRight;

}  // namespace

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
      row[3] = StateCell(breaker);
      row[4] = Between(breaker.since(), response.as_of());
      table.AddRow(row);
      row = {{""}, {""}, {""}, {""}, {""}};
    }
  }
  return table.Render(colours);
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
                  OrDash(breaker.target()), StateCell(breaker), until});
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
    what = absl::StrCat(painted(event.from()), " -> ", painted(event.to()),
                        event.shadow() ? " (shadow)" : "");
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
