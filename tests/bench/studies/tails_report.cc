#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/bench/studies/deadlines.h"
#include "tests/bench/studies/fanout.h"
#include "tests/bench/studies/report.h"
#include "tests/bench/studies/tied.h"

namespace firebreak::studies {
namespace {

double ToMs(Duration d) { return core::ToSeconds(d) * 1e3; }

double Cut(Duration from, Duration to) { return 1 - ToMs(to) / ToMs(from); }

bool Write(const std::string& path, const nlohmann::json& json) {
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.flush();
  return file.good();
}

nlohmann::json PrintTied(const std::vector<TiedRow>& rows) {
  nlohmann::json json = nlohmann::json::array();
  std::printf("\n  %-8s %-6s %9s %9s %9s %9s %10s\n", "servers", "copies",
              "p50 ms", "p90", "p99", "p99.9", "extra work");
  for (const TiedRow& row : rows) {
    std::printf("  %-8s %-6s %9.1f %9.1f %9.1f %9.1f %10.4f\n",
                row.servers.c_str(), row.tied ? "2 tied" : "1", ToMs(row.p50),
                ToMs(row.p90), ToMs(row.p99), ToMs(row.p999), row.extra_work);
    json.push_back({{"servers", row.servers},
                    {"tied", row.tied},
                    {"p50_ms", ToMs(row.p50)},
                    {"p90_ms", ToMs(row.p90)},
                    {"p99_ms", ToMs(row.p99)},
                    {"p999_ms", ToMs(row.p999)},
                    {"extra_work", row.extra_work}});
  }
  for (size_t i = 0; i + 1 < rows.size(); i += 2) {
    std::printf("  %-8s cut    %8.0f%% %8.0f%% %8.0f%% %8.0f%%\n",
                rows[i].servers.c_str(),
                100 * Cut(rows[i].p50, rows[i + 1].p50),
                100 * Cut(rows[i].p90, rows[i + 1].p90),
                100 * Cut(rows[i].p99, rows[i + 1].p99),
                100 * Cut(rows[i].p999, rows[i + 1].p999));
  }
  return json;
}

}  // namespace

bool ReportFanout(const std::string& folder) {
  const std::vector<FanoutRow> rows = RunFanout(FanoutStudy{});
  nlohmann::json json;
  std::ofstream data(folder + "/fanout.dat");
  std::printf("  %-12s %-12s %9s %9s %9s %8s\n", "leaf", "hedge", "p50 ms",
              "p99", "p99.9", "extra");
  for (const FanoutRow& row : rows) {
    std::printf("  %-12s %-12s %9.1f %9.1f %9.1f %8.4f\n", row.leaf.c_str(),
                row.hedging.c_str(), ToMs(row.p50), ToMs(row.p99),
                ToMs(row.p999), row.extra);
    json["fanout"].push_back({{"leaf", row.leaf},
                              {"hedging", row.hedging},
                              {"p50_ms", ToMs(row.p50)},
                              {"p99_ms", ToMs(row.p99)},
                              {"p999_ms", ToMs(row.p999)},
                              {"extra", row.extra}});
    data << '"' << row.leaf << ", " << row.hedging << "\" " << ToMs(row.p50)
         << ' ' << ToMs(row.p99) << ' ' << ToMs(row.p999) << '\n';
  }
  const std::vector<TiedRow> tied = RunTied(TiedStudy{});
  json["tied"] = PrintTied(tied);
  data << "\n\n";
  for (const TiedRow& row : tied) {
    data << '"' << row.servers << ", " << (row.tied ? "2 tied" : "1 copy")
         << "\" " << ToMs(row.p50) << ' ' << ToMs(row.p99) << ' '
         << ToMs(row.p999) << '\n';
  }
  data.flush();
  const std::string line = absl::StrFormat(
      "fanout: none_p999_ms=%.0f hedged_p999_ms=%.1f extra=%.4f "
      "tied_p999_cut=%.2f",
      ToMs(rows[0].p999), ToMs(rows[1].p999), rows[1].extra,
      Cut(tied[0].p999, tied[1].p999));
  json["line"] = line;
  const bool written = Write(folder + "/fanout.json", json);
  std::puts(line.c_str());
  return written && data.good();
}

bool ReportDeadlines(const std::string& folder) {
  const DeadlineStudy study;
  const std::vector<DeadlineRow> rows = RunDeadlines(study);
  nlohmann::json json;
  std::ofstream data(folder + "/deadlines.dat");
  const char* gap = "";
  std::printf("deadlines in medians of %.1f ms; doomed / success / attempts\n",
              ToMs(study.median()));
  for (const DeadlineRow& row : rows) {
    std::printf("\n%s, gate %s: wasted %.4f of the server's work\n",
                row.server.c_str(), GateName(row.gate), row.wasted);
    data << std::exchange(gap, "\n\n") << '"' << row.server << ", gate "
         << GateName(row.gate) << "\"\n";
    for (const DeadlineCell& cell : row.cells) {
      const std::string deadline =
          cell.deadline == 0 ? "all" : absl::StrFormat("%g", cell.deadline);
      std::printf("  %5s  %6.4f / %6.4f / %5.3f\n", deadline.c_str(),
                  cell.doomed, cell.success, cell.load);
      json[row.server][GateName(row.gate)].push_back(
          {{"deadline", deadline},
           {"doomed", cell.doomed},
           {"success", cell.success},
           {"attempts_per_call", cell.load}});
      if (cell.deadline == 0) continue;
      data << cell.deadline << ' ' << cell.doomed << ' ' << cell.success
           << '\n';
    }
  }
  data.flush();
  // The last line is about the overloaded server, over all deadlines.
  const DeadlineRow& open = Find(rows, "overloaded", Gate::kOff);
  const DeadlineRow& gated = Find(rows, "overloaded", Gate::kAll);
  const std::string line = absl::StrFormat(
      "deadlines: doomed_without=%.3f doomed_with=%.3f wasted_without=%.3f "
      "wasted_with=%.3f success_without=%.3f success_with=%.3f",
      open.all().doomed, gated.all().doomed, open.wasted, gated.wasted,
      open.all().success, gated.all().success);
  json["line"] = line;
  const bool written = Write(folder + "/deadlines.json", json);
  std::puts(line.c_str());
  return written && data.good();
}

}  // namespace firebreak::studies
