// The frame of `firebreakctl top`.
#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "tools/firebreakctl/live/top.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

struct Row {
  std::string target;
  const v1::Method* method;
  const v1::Breaker* worst = nullptr;  // null if it has no breaker
  google::protobuf::Timestamp as_of;
  double failed = 0;  // over the last minute
  double refused = 0;
  int64_t p99 = 0;
};

int Gravity(v1::BreakerState state) {
  switch (state) {
    case v1::BREAKER_STATE_OPEN:
      return 4;
    case v1::BREAKER_STATE_FORCED_OPEN:
      return 3;
    case v1::BREAKER_STATE_HALF_OPEN:
    case v1::BREAKER_STATE_RAMP:
      return 2;
    case v1::BREAKER_STATE_CLOSED:
      return 1;
    default:
      return 0;
  }
}

int GravityOf(const Row& row) {
  return row.worst == nullptr ? 0 : Gravity(row.worst->state());
}

double ShareOf(const google::protobuf::RepeatedField<int64_t>& part,
               const google::protobuf::RepeatedField<int64_t>& whole) {
  const auto sum = [](const auto& values) {
    return static_cast<double>(
        std::accumulate(values.begin(), values.end(), int64_t{0}));
  };
  return sum(whole) <= 0 ? 0 : sum(part) / sum(whole);
}

Row MakeRow(const std::string& target, const v1::ListMethodsResponse& response,
            const v1::Method& method) {
  Row row;
  row.target = target;
  row.method = &method;
  row.as_of = response.as_of();
  for (const v1::Breaker& breaker : method.breakers()) {
    if (row.worst == nullptr ||
        Gravity(breaker.state()) > Gravity(row.worst->state())) {
      row.worst = &breaker;
    }
  }
  row.failed = ShareOf(method.recent().failures(), method.recent().started());
  row.refused = ShareOf(method.recent().rejected(), method.recent().started());
  row.p99 = Nanos(method.latency_model().p99());
  return row;
}

std::string StateText(const Row& row) {
  return row.worst == nullptr ? "-" : StateCell(*row.worst).text;
}

bool Matches(const Row& row, const std::string& filter) {
  return filter.empty() ||
         absl::StrContains(absl::AsciiStrToLower(absl::StrCat(
                               row.method->method(), " ", row.method->channel(),
                               " ", row.target, " ", StateText(row))),
                           absl::AsciiStrToLower(filter));
}

bool ComesFirst(const Row& a, const Row& b, const std::string& sort) {
  const auto rate = [](const Row& row) {
    return row.method->recent().now().calls_per_second();
  };
  if (sort == "calls") return rate(a) > rate(b);
  if (sort == "failed") return a.failed + a.refused > b.failed + b.refused;
  if (sort == "p99") return a.p99 > b.p99;
  if (sort == "name") return a.method->method() < b.method->method();
  const auto key = [&](const Row& row) {
    return std::make_pair(-GravityOf(row), row.method->health().score());
  };
  return key(a) < key(b);
}

// The most targets whose errors are shown, to leave room for the methods.
constexpr size_t kMostTroubles = 3;

// Keeps what fits into `lines`, and says how many are left out.
void KeepTroubles(size_t lines, std::vector<std::string>* troubles) {
  if (troubles->size() <= std::min(kMostTroubles, lines)) return;
  const size_t shown = std::min(kMostTroubles, lines > 0 ? lines - 1 : 0);
  const size_t more = troubles->size() - shown;
  troubles->resize(shown);
  if (lines > 0) troubles->push_back(absl::StrCat("and ", more, " more"));
}

std::string Rounded(double share) {
  return share > 0 && share < 0.005 ? "<1%"
                                    : absl::StrFormat("%.0f%%", 100 * share);
}

std::string Next(const Row& row) {
  if (row.worst == nullptr) return "";
  if (row.worst->has_probe_due()) {
    return Between(row.as_of, row.worst->probe_due());
  }
  return row.worst->has_override_end()
             ? Between(row.as_of, row.worst->override_end())
             : "";
}

// A column and its importance: those with the highest number are removed first
// if there is not enough room.
struct TopColumn {
  Table::Column column;
  int order;
};

std::vector<TopColumn> TopColumns(bool has_several) {
  return {{{"METHOD"}, 0},
          {{"BREAKER"}, 1},
          {{"NEXT", kRight}, 6},
          {{"CALLS/S", kRight}, 3},
          {{"FAILED", kRight}, 2},
          {{"REFUSED", kRight}, 5},
          {{"P50", kRight}, 7},
          {{"P99", kRight}, 4},
          {{"SCORE", kRight}, 8},
          {{"BUDGET", kRight}, 9},
          {{"CHANNEL"}, 10},
          {{has_several ? "PROCESS" : ""}, has_several ? 5 : 11}};
}

std::vector<Table::Cell> CellsOf(const Row& row, bool has_several) {
  const v1::Method& m = *row.method;
  const v1::LatencyModel& latency = m.latency_model();
  const auto alarm = [](double share) {
    return share >= 0.25 ? Colour::kRed
           : share > 0   ? Colour::kYellow
                         : Colour::kNone;
  };
  return {{m.method()},
          row.worst == nullptr ? Table::Cell("-") : StateCell(*row.worst),
          {Next(row)},
          {Figure(m.recent().now().calls_per_second())},
          {Rounded(row.failed), alarm(row.failed)},
          {Rounded(row.refused), alarm(row.refused)},
          {latency.has_p50() ? Brief(latency.p50()) : "-"},
          {latency.has_p99() ? Brief(latency.p99()) : "-"},
          ScoreCell(m),
          {Figure(m.budget().tokens())},
          {OrDash(m.channel())},
          {has_several ? row.target : ""}};
}

size_t WidestLine(absl::string_view text) {
  size_t widest = 0;
  size_t width = 0;
  for (const char c : text) {
    if (c == '\n') {
      widest = std::max(widest, width);
      width = 0;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return widest;
}

// Keeps the end of a name, which is the most useful part.
void Shorten(std::string* text, size_t longest) {
  if (text->size() <= longest) return;
  size_t from = text->size() - longest;
  while (from < text->size() &&
         (static_cast<unsigned char>((*text)[from]) & 0xC0) == 0x80) {
    ++from;
  }
  *text = text->substr(from);
}

// Does not cut within a character.
void Cut(std::string* text, size_t longest) {
  if (text->size() <= longest) return;
  while (longest > 0 &&
         (static_cast<unsigned char>((*text)[longest]) & 0xC0) == 0x80) {
    --longest;
  }
  text->resize(longest);
}

// A table of the columns up to `last`, with names of at most `longest` bytes.
std::string TableOf(const std::vector<Row>& rows, bool has_several, int last,
                    size_t longest, bool colours) {
  const std::vector<TopColumn> columns = TopColumns(has_several);
  std::vector<Table::Column> shown;
  for (const TopColumn& each : columns) {
    if (each.order <= last) shown.push_back(each.column);
  }
  Table table(shown);
  for (const Row& row : rows) {
    std::vector<Table::Cell> cells;
    std::vector<Table::Cell> all = CellsOf(row, has_several);
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].order > last) continue;
      all[i].text = Printable(all[i].text);
      if (i == 0) Shorten(&all[i].text, longest);
      cells.push_back(all[i]);
    }
    table.AddRow(std::move(cells));
  }
  return table.Render(Style(colours));
}

std::string FitTable(const std::vector<Row>& rows, bool has_several,
                     const Style& style) {
  constexpr size_t kAny = 10'000;
  if (style.width == 0) {
    return TableOf(rows, has_several, 11, kAny, style.colours);
  }
  // Columns are removed rather than names cut to fewer bytes than this.
  constexpr size_t kEnough = 24;
  for (int last = 11; last >= 0; --last) {
    const size_t others =
        WidestLine(TableOf(rows, has_several, last, 6, /*colours=*/false));
    const size_t room =
        6 + (others < style.width ? style.width - others : size_t{0});
    if (others <= style.width && (room >= kEnough || last <= 1)) {
      return TableOf(rows, has_several, last, room, style.colours);
    }
  }
  return TableOf(rows, has_several, 0, style.width, style.colours);
}

}  // namespace

std::vector<std::string> TopOrders() {
  return {"worst", "calls", "failed", "p99", "name"};
}

std::string RenderTop(const Answers<v1::ListMethodsResponse>& answers,
                      const TopOptions& options, const Style& style,
                      size_t height, size_t first) {
  std::vector<Row> rows;
  std::vector<std::string> troubles;
  for (const auto& answer : answers) {
    if (!answer.error.empty()) {
      troubles.push_back(
          Printable(absl::StrCat(answer.target, ": ", answer.error)));
    }
    for (const v1::Method& method : answer.response.methods()) {
      Row row = MakeRow(answer.target, answer.response, method);
      if (Matches(row, options.filter)) rows.push_back(std::move(row));
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    return options.reverse ? ComesFirst(b, a, options.sort)
                           : ComesFirst(a, b, options.sort);
  });
  const auto open = std::count_if(rows.begin(), rows.end(), [](const Row& row) {
    return row.worst != nullptr && row.worst->state() == v1::BREAKER_STATE_OPEN;
  });
  std::vector<std::string> head = {absl::StrCat(
      answers.size() - troubles.size(), " of ", answers.size(), " processes, ",
      rows.size(), " methods, ", open, " open; by ", options.sort,
      options.filter.empty() ? "" : ", only ", Printable(options.filter))};
  // There has to be room for this line, the table's head and a method.
  KeepTroubles(
      height == 0 ? kMostTroubles + 1 : std::max<size_t>(height, 3) - 3,
      &troubles);
  head.insert(head.end(), troubles.begin(), troubles.end());
  std::string out;
  for (std::string& line : head) {
    if (style.width > 0) Cut(&line, style.width);
    absl::StrAppend(&out, line, "\n");
  }
  if (rows.empty()) return out;
  first = std::min(first, rows.size() - 1);
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(first));
  if (height > 0) {
    const size_t taken = head.size() + 1;
    rows.resize(std::min(rows.size(), height > taken ? height - taken : 1));
  }
  return out + FitTable(rows, answers.size() > 1, style);
}

}  // namespace firebreak::ctl
