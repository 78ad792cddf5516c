#include "tests/bench/hedging/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firebreak::bench {
namespace {

// What bhope/hedge (Go, over HTTP) publishes for this set-up in its README.
struct Published {
  const char* name;
  double p50, p90, p95, p99, p999, extra;
};
constexpr Published kPublished[] = {
    {"bhope/hedge: none", 5.0, 8.9, 17.1, 64.3, 104.5, 0},
    {"bhope/hedge: 10 ms", 5.0, 8.9, 13.1, 17.4, 46.5, 0.074},
    {"bhope/hedge: adaptive", 5.0, 8.9, 12.3, 17.0, 59.4, 0.089},
};

constexpr double kQuantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999};

// A call over the loopback that takes longer than this besides its sleep has
// waited for a core.
constexpr double kBusyUs = 2000;

// A curve has so many points for each power of ten of the share of calls.
constexpr double kPointsPerDecade = 40;

nlohmann::json ToJson(const Row& row) {
  const Ideal ideal = row.ideal();
  nlohmann::json out = {{"name", row.variant.name},
                        {"hedges", row.variant.hedges},
                        {"one_backend", row.variant.one_backend},
                        {"rho", row.variant.rho},
                        {"calls", row.latencies_ns.size()},
                        {"failed", row.failed},
                        {"mean_ms", row.MeanMs()},
                        {"extra", row.Extra()},
                        {"client_cpu_us", row.CpuUs()},
                        {"hedge_wins", row.counted.wins},
                        {"hedges_sent", row.counted.hedges},
                        {"hedges_refused", row.counted.refused},
                        {"ideal_mean_ms", ideal.Mean()},
                        {"ideal_delay_ms", ideal.delay_ms}};
  if (row.variant.delay_ms > 0) out["delay_ms"] = row.variant.delay_ms;
  if (row.variant.quantile > 0) out["quantile"] = row.variant.quantile;
  for (double q : kQuantiles) {
    const std::string name = absl::StrCat("p", q * 100, "_ms");
    out[name] = row.Ms(q);
    out["ideal_" + name] = ideal.Quantile(q);
  }
  return out;
}

void StartBlock(const std::string& title, std::ofstream* data) {
  if (data->tellp() > 0) *data << "\n\n";
  *data << '"' << title << "\"\n";
}

// Writes lines "latency share-of-calls-that-take-longer", down to the longest
// call.
void WriteCurve(const Row& row, std::ofstream* data) {
  StartBlock(row.variant.name, data);
  const auto n = static_cast<double>(row.latencies_ns.size());
  for (int i = 0;; ++i) {
    const double share = std::pow(10, -i / kPointsPerDecade);
    if (share < 1 / n) break;
    *data << row.Ms(1 - share) << ' ' << share << '\n';
  }
}

void WriteIdealCurve(const Row& row, double longest_decade,
                     std::ofstream* data) {
  StartBlock("best possible for " + row.variant.name, data);
  const Ideal ideal = row.ideal();
  for (int i = 0; i <= longest_decade * kPointsPerDecade; ++i) {
    const double share = std::pow(10, -i / kPointsPerDecade);
    *data << ideal.Quantile(1 - share) << ' ' << share << '\n';
  }
}

}  // namespace

void Row::Add(const Block& block) {
  latencies_ns.insert(latencies_ns.end(), block.latencies_ns.begin(),
                      block.latencies_ns.end());
  cpu_ns += block.cpu_ns;
  failed += block.failed;
}

void Row::Finish() { std::sort(latencies_ns.begin(), latencies_ns.end()); }

double Row::Ms(double quantile) const {
  return SortedQuantile(latencies_ns, quantile) / 1e6;
}

double Row::MeanMs() const {
  const auto n = static_cast<double>(latencies_ns.size());
  return std::accumulate(latencies_ns.begin(), latencies_ns.end(), 0.0) / n /
         1e6;
}

double Row::Extra() const {
  const auto n = static_cast<double>(latencies_ns.size());
  return (static_cast<double>(hits) - n) / n;
}

double Row::CpuUs() const {
  return static_cast<double>(cpu_ns) / 1e3 /
         static_cast<double>(latencies_ns.size());
}

const Row* Find(const Report& report, const std::string& name) {
  for (const Row& row : report.rows) {
    if (row.variant.name == name) return &row;
  }
  return nullptr;
}

double SortedQuantile(const std::vector<int64_t>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto n = static_cast<double>(sorted.size());
  const double rank = std::min(std::max(std::ceil(q * n), 1.0), n);
  return static_cast<double>(sorted[static_cast<size_t>(rank) - 1]);
}

void PrintTable(const Report& report) {
  std::printf(
      "\n%zu calls of each, %d callers; latencies in ms; ideal: the best so "
      "many hedges\ncan do at that extra load, without transport; one_*: all "
      "attempts to one server,\nrho %.2f; CPU us: of the client, per call\n\n",
      report.rows.front().latencies_ns.size(), report.flags.callers,
      report.flags.rho);
  std::printf("%-22s%6s%6s%6s%7s%7s%6s%7s  %-12s%6s%8s\n", "variant", "p50",
              "p90", "p95", "p99", "p99.9", "mean", "extra", "ideal 99/.9",
              "CPU us", "refused");
  for (const Row& row : report.rows) {
    const Ideal ideal = row.ideal();
    std::printf("%-22s%6.1f%6.1f%6.1f%7.1f%7.1f%6.2f%6.1f%%  %5.1f/%-6.1f%6.0f",
                row.variant.name.c_str(), row.Ms(0.5), row.Ms(0.9),
                row.Ms(0.95), row.Ms(0.99), row.Ms(0.999), row.MeanMs(),
                row.Extra() * 100, ideal.Quantile(0.99), ideal.Quantile(0.999),
                row.CpuUs());
    std::printf("%8lld", static_cast<long long>(row.counted.refused));
    if (row.failed > 0) {
      std::printf("  %lld FAILED", static_cast<long long>(row.failed));
    }
    std::printf("\n");
  }
  for (const Published& each : kPublished) {
    std::printf("%-22s%6.1f%6.1f%6.1f%7.1f%7.1f%6s%6.1f%%  (published)\n",
                each.name, each.p50, each.p90, each.p95, each.p99, each.p999,
                "", each.extra * 100);
  }
  std::printf(
      "\nfloor: transport p50 %.0f us, p99 %.0f us; the server's sleeps end "
      "late by\np50 %.0f us, p99 %.0f us, p99.9 %.0f us\n",
      report.transport_p50_us, report.transport_p99_us, report.host.late_p50_us,
      report.host.late_p99_us, report.host.late_p999_us);
  if (report.transport_p99_us > kBusyUs) {
    std::printf(
        "the machine is busy with something else: these figures are more of "
        "it than of\nhedging\n");
  }
}

bool WriteFiles(const Report& report, const std::string& name) {
  nlohmann::json out;
  out["callers"] = report.flags.callers;
  out["budget_ratio"] = report.flags.budget;
  out["seed"] = report.flags.seed;
  out["transport_us"] = {{"p50", report.transport_p50_us},
                         {"p99", report.transport_p99_us}};
  out["server_late_us"] = {{"p50", report.host.late_p50_us},
                           {"p99", report.host.late_p99_us},
                           {"p99.9", report.host.late_p999_us}};
  for (const Row& row : report.rows) out["variants"].push_back(ToJson(row));
  for (const Published& each : kPublished) {
    out["published"].push_back({{"name", each.name},
                                {"p50_ms", each.p50},
                                {"p90_ms", each.p90},
                                {"p95_ms", each.p95},
                                {"p99_ms", each.p99},
                                {"p99.9_ms", each.p999},
                                {"extra", each.extra}});
  }
  const std::string path = absl::StrCat(report.flags.folder, "/", name);
  std::ofstream json(path + ".json");
  json << out.dump(2) << '\n';
  json.flush();
  std::ofstream data(path + ".dat");
  for (const Row& row : report.rows) WriteCurve(row, &data);
  if (const Row* const live = Find(report, report.best_of)) {
    WriteIdealCurve(*live,
                    std::log10(static_cast<double>(live->latencies_ns.size())),
                    &data);
  }
  data.flush();
  return json.good() && data.good();
}

std::string LastLine(const Report& report) {
  const Row* const row = Find(report, report.best_of);
  if (row == nullptr) return "hedging: -";
  const Ideal ideal = row->ideal();
  return absl::StrFormat(
      "hedging: p99_ms=%.2f p999_ms=%.2f extra=%.4f optimum_p99_ms=%.2f "
      "optimum_p999_ms=%.2f",
      row->Ms(0.99), row->Ms(0.999), row->Extra(), ideal.Quantile(0.99),
      ideal.Quantile(0.999));
}

}  // namespace firebreak::bench
