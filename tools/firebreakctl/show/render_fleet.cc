// The output of commands that show several servers.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

std::string Percent(double share) {
  return absl::StrFormat("%.1f%%", 100 * share);
}

// With the engine's name, if the service has several: "orders: payment".
template <class Item>
std::string ChannelText(const Item& item) {
  return item.engine().empty()
             ? OrDash(item.channel())
             : absl::StrCat(item.engine(), ": ", OrDash(item.channel()));
}

// A table that begins with a column for the server, if there are several.
class FleetTable {
 public:
  FleetTable(bool has_servers, std::vector<Table::Column> columns)
      : has_servers_(has_servers),
        table_(WithServer(std::move(columns), Table::Column("SERVER"))) {}

  void AddRow(const std::string& server, std::vector<Table::Cell> cells) {
    table_.AddRow(WithServer(std::move(cells), Table::Cell(server)));
  }
  // Adds a row for each server that does not answer, marked in column `place`.
  template <class Response>
  void AddDead(const Answers<Response>& answers, size_t place) {
    for (const Answer<Response>& each : answers) {
      if (each.error.empty()) continue;
      std::vector<Table::Cell> cells(place + 1, Table::Cell("-"));
      // The reason is printed elsewhere; it would make the column too wide.
      cells[place] = {"no answer", Colour::kRed};
      AddRow(each.target, std::move(cells));
    }
  }
  const Table& table() const { return table_; }

 private:
  template <class Item>
  std::vector<Item> WithServer(std::vector<Item> items, Item server) const {
    if (has_servers_) items.insert(items.begin(), std::move(server));
    return items;
  }

  const bool has_servers_;
  Table table_;
};

void AddMethod(const std::string& server, const v1::Method& method,
               const google::protobuf::Timestamp& as_of, const Style& style,
               FleetTable* table) {
  const v1::CallCounts& calls = method.calls();
  std::vector<Table::Cell> row = {
      ChannelText(method),
      method.method(),
      {"-"},
      {"-"},
      {"-"},
      ScoreCell(method),
      absl::StrCat(calls.started()),
      absl::StrCat(calls.successes()),
      absl::StrCat(calls.failures()),
      absl::StrCat(calls.rejected()),
      absl::StrCat(calls.in_flight()),
      Quantile(method.latency(), method.latency().p50()),
      Quantile(method.latency(), method.latency().p99()),
      Sparkline(method.recent().started(), style.utf8),
      NowText(method.recent().now())};
  if (method.breakers().empty()) table->AddRow(server, row);
  std::string shown = server;
  for (const v1::Breaker& breaker : method.breakers()) {
    row[2] = OrDash(breaker.target());
    row[3] = StateCell(breaker);
    row[4] = Between(breaker.since(), as_of);
    table->AddRow(shown, row);
    shown.clear();
    row = {{""}, {""}, {""}, {""}, {""}};
  }
}

}  // namespace

std::string RenderMethods(const Answers<v1::ListMethodsResponse>& answers,
                          const Style& style, size_t limit) {
  struct Row {
    const Answer<v1::ListMethodsResponse>* answer;
    const v1::Method* method;
  };
  std::vector<Row> rows;
  bool all_idle = true;
  for (const auto& answer : answers) {
    all_idle = all_idle && answer.error.empty() && answer.is_idle;
    for (const v1::Method& method : answer.response.methods()) {
      rows.push_back({&answer, &method});
    }
  }
  if (all_idle && answers.size() <= 1) {
    return "no method with a policy has been called yet\n";
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    const auto key = [](const Row& row) {
      return std::tie(row.method->channel(), row.method->method(),
                      row.answer->target);
    };
    const double score_a = a.method->health().score();
    const double score_b = b.method->health().score();
    return score_a != score_b ? score_a < score_b : key(a) < key(b);
  });
  FleetTable table(answers.size() > 1, {{"CHANNEL"},
                                        {"METHOD"},
                                        {"TARGET"},
                                        {"BREAKER"},
                                        {"SINCE", kRight},
                                        {"SCORE", kRight},
                                        {"CALLS", kRight},
                                        {"OK", kRight},
                                        {"FAILED", kRight},
                                        {"REJECTED", kRight},
                                        {"IN FLIGHT", kRight},
                                        {"P50", kRight},
                                        {"P99", kRight},
                                        {"LAST MINUTE"},
                                        {"NOW"}});
  table.AddDead(answers, 1);
  for (const auto& answer : answers) {
    if (!answer.is_idle) continue;
    table.AddRow(answer.target, {{"-"}, {"no calls yet", Colour::kDim}});
  }
  const size_t shown = limit == 0 ? rows.size() : std::min(limit, rows.size());
  for (size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    AddMethod(row.answer->target, *row.method, row.answer->response.as_of(),
              style, &table);
  }
  std::string out = table.table().Render(style);
  if (table.table().empty()) out = "every method is healthy\n";
  if (shown < rows.size()) {
    absl::StrAppend(&out, "and ", rows.size() - shown, " more\n");
  }
  return out;
}

std::string RenderHealth(const Answers<v1::GetHealthResponse>& answers,
                         const Style& style) {
  FleetTable servers(answers.size() > 1, {{"HEALTH"},
                                          {"HEALTHY", kRight},
                                          {"DEGRADED", kRight},
                                          {"UNHEALTHY", kRight}});
  FleetTable methods(answers.size() > 1, {{"SCORE", kRight},
                                          {"FAILED", kRight},
                                          {"SLOW", kRight},
                                          {"ERRORS", kRight},
                                          {"HANG", kRight},
                                          {"LET THROUGH", kRight},
                                          {"CHANNEL"},
                                          {"METHOD"}});
  servers.AddDead(answers, 0);
  for (const auto& answer : answers) {
    if (!answer.error.empty()) continue;
    const v1::GetHealthResponse& health = answer.response;
    servers.AddRow(answer.target,
                   {{LevelName(health.level()), ColourOf(health.level())},
                    absl::StrCat(health.healthy()),
                    absl::StrCat(health.degraded()),
                    absl::StrCat(health.unhealthy())});
    for (const auto& method : health.methods()) {
      const v1::Health& each = method.health();
      if (each.level() == v1::HEALTH_LEVEL_HEALTHY) continue;
      methods.AddRow(answer.target, {{absl::StrFormat("%.0f", each.score()),
                                      ColourOf(each.level())},
                                     Percent(each.failure_rate()),
                                     Percent(each.slow_call_rate()),
                                     Percent(each.error_rate()),
                                     Percent(each.hanging_share()),
                                     Percent(each.admitted_share()),
                                     ChannelText(method),
                                     method.method()});
    }
  }
  std::string out = servers.table().Render(style);
  if (!methods.table().empty()) {
    absl::StrAppend(&out, "\n", methods.table().Render(style));
  }
  return out;
}

std::string RenderAlerts(const Answers<v1::ListAlertsResponse>& answers,
                         const Style& style) {
  struct Row {
    const Answer<v1::ListAlertsResponse>* answer;
    const v1::Alert* alert;
  };
  std::vector<Row> rows;
  for (const auto& answer : answers) {
    for (const v1::Alert& alert : answer.response.alerts()) {
      rows.push_back({&answer, &alert});
    }
  }
  // The alerts of one server are sorted already.
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.alert->severity() > b.alert->severity();
  });
  FleetTable table(answers.size() > 1, {{"SEVERITY"},
                                        {"ALERT"},
                                        {"CHANNEL"},
                                        {"METHOD"},
                                        {"TARGET"},
                                        {"SINCE", kRight},
                                        {"CAUSE"}});
  table.AddDead(answers, 1);
  for (const Row& row : rows) {
    const v1::Alert& alert = *row.alert;
    table.AddRow(
        row.answer->target,
        {{SeverityName(alert.severity()),
          alert.severity() == v1::ALERT_SEVERITY_CRITICAL ? Colour::kRed
                                                          : Colour::kYellow},
         AlertName(alert.kind()),
         ChannelText(alert),
         OrDash(alert.method()),
         OrDash(alert.target()),
         alert.has_since()
             ? Between(alert.since(), row.answer->response.as_of())
             : "-",
         alert.cause()});
  }
  return table.table().empty() ? "no alerts\n" : table.table().Render(style);
}

}  // namespace firebreak::ctl
