#include "tools/firebreakctl/show/render.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
std::string RenderBreakers(
    const google::protobuf::RepeatedPtrField<v1::Breaker>& breakers,
    const Style& style) {
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
  return table.Render(style);
}

std::string RenderDecisions(const v1::ListDecisionsResponse& response,
                            const Style& style) {
  std::string out =
      absl::StrCat(Printable(response.method()), " on channel ",
                   OrDash(Printable(response.channel())), ": ",
                   response.total(), " decisions, the newest first\n");
  if (response.decisions().empty()) {
    return absl::StrCat(Printable(response.method()), " on channel ",
                        OrDash(Printable(response.channel())),
                        ": no call was refused, retried or hedged\n");
  }
  if (response.uncounted() > 0) {
    absl::StrAppend(&out, response.uncounted(),
                    " of them came at the same time as others, and are not "
                    "below\n");
  }
  Table table({{"LAST"},
               {"TIMES", kRight},
               {"IN", kRight},
               {"DECISION"},
               {"REASON"},
               {"WHY"}});
  for (const v1::Decision& each : response.decisions()) {
    table.AddRow({ClockTime(each.last()), absl::StrCat(each.count()),
                  each.count() > 1 ? Between(each.first(), each.last()) : "",
                  DecisionCell(each), OrDash(each.reason()), each.why()});
  }
  return out + table.Render(style);
}

std::string RenderEvent(const v1::Event& event, const Style& style) {
  const auto paint = [&](const std::string& text, Colour colour) {
    return style.colours ? Painted(text, colour) : text;
  };
  const auto change = [&] {
    return absl::StrCat(paint(StateName(event.from()), ColourOf(event.from())),
                        " -> ",
                        paint(StateName(event.to()), ColourOf(event.to())),
                        event.shadow() ? " (shadow)" : "");
  };
  std::string what;
  switch (event.kind()) {
    case v1::EVENT_KIND_WARNING:
      what = paint("warning", Colour::kYellow) + ": ";
      break;
    case v1::EVENT_KIND_POLICY:
      what = "policy ";
      break;
    case v1::EVENT_KIND_AUDIT:
      what = absl::StrCat(
          Printable(event.actor()), ": ", Printable(event.action()), ": ",
          event.refused() ? paint("refused", Colour::kRed) + ": "
          : event.to() == v1::BREAKER_STATE_UNSPECIFIED ? ""
                                                        : change());
      break;
    default:
      what = change() + ": ";
  }
  std::vector<std::string> where;
  for (const std::string* part :
       {&event.channel(), &event.method(), &event.target()}) {
    if (!part->empty()) where.push_back(Printable(*part));
  }
  return absl::StrFormat("%5d  %s  %s  %s%s\n", event.sequence(),
                         ClockTime(event.time()), absl::StrJoin(where, " "),
                         what, Printable(event.cause()));
}

}  // namespace firebreak::ctl
