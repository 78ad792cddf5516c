#include "tools/firebreakctl/live/plain_page.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

constexpr size_t kMostRows = 500;

// The states of its breakers, each once: "open, half_open".
std::string States(const v1::Method& method) {
  std::vector<std::string> names;
  for (const v1::Breaker& breaker : method.breakers()) {
    const std::string name = StateCell(breaker).text;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  std::string out;
  for (const std::string& name : names) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", name);
  }
  return OrDash(out);
}

std::string Cells(const std::vector<std::string>& cells) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) {
    absl::StrAppend(&row, "<td>", HtmlText(cell), "</td>");
  }
  return row + "</tr>\n";
}

}  // namespace

std::string HtmlText(absl::string_view text) {
  return absl::StrReplaceAll(Printable(text), {{"&", "&amp;"},
                                               {"<", "&lt;"},
                                               {">", "&gt;"},
                                               {"\"", "&quot;"},
                                               {"'", "&#39;"}});
}

std::string PlainPage(const Answers<v1::ListMethodsResponse>& answers) {
  std::string out =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<meta http-equiv=\"refresh\" content=\"5\"><title>firebreak</title>"
      "<link rel=\"stylesheet\" href=\"/style.css\"></head><body>\n"
      "<main><h1>firebreak</h1><p>Each five seconds anew. With JavaScript "
      "there is <a href=\"/\">more</a>.</p>\n";
  std::vector<std::pair<double, std::string>> rows;
  for (const auto& answer : answers) {
    if (!answer.error.empty()) {
      absl::StrAppend(&out, "<p><strong>", HtmlText(answer.target),
                      " does not answer:</strong> ", HtmlText(answer.error),
                      "</p>\n");
    }
    for (const v1::Method& m : answer.response.methods()) {
      rows.emplace_back(
          m.health().score(),
          Cells({answer.target, m.channel(), m.method(), States(m),
                 ScoreCell(m).text, NowText(m.recent().now()),
                 m.latency_model().has_p50() ? Brief(m.latency_model().p50())
                                             : "-",
                 m.latency_model().has_p99() ? Brief(m.latency_model().p99())
                                             : "-",
                 absl::StrCat(Figure(m.budget().tokens()), " of ",
                              Figure(m.budget().burst()))}));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.first < b.first;
  });
  if (rows.size() > kMostRows) {
    absl::StrAppend(&out, "<p>The worst ", kMostRows, " of ", rows.size(),
                    ".</p>\n");
    rows.resize(kMostRows);
  }
  absl::StrAppend(&out,
                  "<table><thead><tr><th>target</th><th>channel</th>"
                  "<th>method</th><th>breaker</th><th>score</th><th>calls</th>"
                  "<th>p50</th><th>p99</th><th>budget</th></tr></thead>"
                  "<tbody>\n");
  for (const auto& row : rows) out += row.second;
  return out + "</tbody></table></main></body></html>\n";
}

}  // namespace firebreak::ctl
