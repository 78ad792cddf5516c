// The output of the commands about the policy.
#include <google/protobuf/util/time_util.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

std::string RenderPolicy(const v1::GetPolicyResponse& response) {
  std::string out = absl::StrCat(
      "# version ", response.version(), ", from ", Printable(response.source()),
      ", since ", google::protobuf::util::TimeUtil::ToString(response.since()),
      "\n");
  for (absl::string_view line : absl::StrSplit(response.text(), '\n')) {
    if (!line.empty()) absl::StrAppend(&out, Printable(line), "\n");
  }
  return out;
}

std::string RenderHistory(const v1::GetPolicyResponse& response,
                          const Style& style) {
  Table table({{"VERSION", kRight}, {"SINCE"}, {"SOURCE"}});
  for (const v1::PolicyVersion& each : response.history()) {
    table.AddRow({absl::StrCat(each.version()),
                  google::protobuf::util::TimeUtil::ToString(each.since()),
                  each.source().empty() ? "-" : each.source()});
  }
  return table.Render(style);
}

std::string RenderLost(const v1::ApplyPolicyResponse& response,
                       const Style& style) {
  std::string out;
  for (const std::string& calls : response.lost_breakers()) {
    const std::string line =
        absl::StrCat("loses its breaker: ", Printable(calls));
    absl::StrAppend(&out, style.colours ? Painted(line, Colour::kRed) : line,
                    "\n");
  }
  if (response.more_lost_breakers() > 0) {
    absl::StrAppend(&out, "and ", response.more_lost_breakers(),
                    " more lose theirs\n");
  }
  return out;
}

std::string RenderDifferences(const v1::ApplyPolicyResponse& response,
                              const Style& style) {
  if (!response.changed()) return "no difference\n";
  std::string out;
  const auto side = [&](char sign, const std::string& value, Colour colour) {
    if (value.empty()) return;
    // An entry that is added or removed has many lines.
    for (absl::string_view line :
         absl::StrSplit(value, '\n', absl::SkipWhitespace())) {
      const std::string text =
          absl::StrCat("  ", std::string(1, sign), " ", Printable(line));
      absl::StrAppend(&out, style.colours ? Painted(text, colour) : text, "\n");
    }
  };
  for (const v1::PolicyDifference& each : response.differences()) {
    absl::StrAppend(&out, Printable(each.path()), "\n");
    side('-', each.before(), Colour::kRed);
    side('+', each.after(), Colour::kGreen);
  }
  if (response.more_differences() > 0) {
    absl::StrAppend(&out, "and ", response.more_differences(), " more\n");
  }
  return out;
}

std::string RenderFindings(
    const google::protobuf::RepeatedPtrField<v1::PolicyFinding>& findings,
    const Style& style) {
  std::string out;
  for (const v1::PolicyFinding& finding : findings) {
    const std::string severity = finding.is_error() ? "error" : "warning";
    const Colour colour = finding.is_error() ? Colour::kRed : Colour::kYellow;
    absl::StrAppend(&out, style.colours ? Painted(severity, colour) : severity,
                    ": ", Printable(finding.where()), "\n    ",
                    Printable(finding.problem()),
                    "\n    fix: ", Printable(finding.fix()), "\n");
  }
  return out;
}

std::string RenderChange(const v1::ApplyPolicyResponse& response,
                         const Style& style) {
  return absl::StrCat(RenderDifferences(response, style),
                      RenderLost(response, style),
                      RenderFindings(response.findings(), style));
}

}  // namespace firebreak::ctl
