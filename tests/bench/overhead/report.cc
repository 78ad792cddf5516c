#include "tests/bench/overhead/report.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "tests/bench/overhead/summary.h"

namespace firebreak::bench {
namespace {

nlohmann::json ToJson(const CountedMap& counted) {
  nlohmann::json out;
  for (const auto& [variant, c] : counted) {
    out[VariantName(variant)] = {{"instructions", c.instructions},
                                 {"allocations", c.allocations},
                                 {"allocations_by_firebreak", c.ours},
                                 {"places", c.places}};
  }
  return out;
}

nlohmann::json ToJson(const Cell& cell) {
  nlohmann::json out = {{"transport", cell.at.transport()},
                        {"stub", StubName(cell.at.stub)},
                        {"bytes", cell.at.size},
                        {"in_flight", cell.at.in_flight}};
  for (const Row& row : cell.rows) {
    out["variants"][VariantName(row.variant)] = {
        {"p50_us", row.p50_us},
        {"p99_us", row.p99_us},
        {"cpu_us", row.cpu_us},
        {"calls_per_s", row.calls_per_s},
        {"context_switches", row.switches},
        {"p50_ratio", row.ratio},
        {"p50_ratio_quartiles", {row.ratio_low, row.ratio_high}},
        {"throughput_ratio", row.throughput},
        {"unexpected_ends", row.failed}};
  }
  return out;
}

}  // namespace

void PrintCell(const Cell& cell) {
  std::printf("\n%s\n", cell.name().c_str());
  std::printf("  %-14s %9s %9s %8s %8s %10s %7s %15s %7s\n", "variant",
              "p50 us", "p99 us", "cpu us", "switches", "calls/s", "ratio",
              "quartiles", "thrput");
  for (const Row& row : cell.rows) {
    std::printf(
        "  %-14s %9.2f %9.2f %8.2f %8.2f %10.0f %7.3f  [%.3f, %.3f] "
        "%7.3f%s\n",
        VariantName(row.variant).c_str(), row.p50_us, row.p99_us, row.cpu_us,
        row.switches, row.calls_per_s, row.ratio, row.ratio_low, row.ratio_high,
        row.throughput,
        row.failed == 0
            ? ""
            : absl::StrCat("  ", row.failed, " unexpected").c_str());
  }
  std::fflush(stdout);
}

void PrintCounted(const std::string& title, const CountedMap& counted) {
  std::printf("\n%s\n  %-14s %13s %8s %8s %8s\n", title.c_str(), "variant",
              "instructions", "ratio", "allocs", "ours");
  for (const auto& [variant, c] : counted) {
    const absl::optional<double> ratio = InstructionRatio(counted, variant);
    std::printf("  %-14s %13.0f %8s %8.2f %8.2f\n",
                VariantName(variant).c_str(), c.instructions,
                ratio ? absl::StrFormat("%.3f", *ratio).c_str() : "-",
                c.allocations, c.ours);
  }
  std::fflush(stdout);
}

bool WriteFiles(const Report& report, const std::string& folder) {
  nlohmann::json json;
  json["line"] = LastLine(report);
  for (const auto& [stub, counted] : report.tcp) {
    json["counted"]["tcp"][StubName(stub)] = ToJson(counted);
  }
  for (const auto& [stub, counted] : report.inproc) {
    json["counted"]["inproc"][StubName(stub)] = ToJson(counted);
  }
  json["cells"] = nlohmann::json::array();
  for (const Cell& cell : report.cells) json["cells"].push_back(ToJson(cell));
  std::ofstream text(folder + "/overhead.json");
  text << json.dump(2) << '\n' << std::flush;

  // The file has a block for each cell, in the form that gnuplot indexes.
  // Rejects are left out, since they are of another order of magnitude.
  std::ofstream data(folder + "/overhead.dat");
  const char* gap = "";
  for (const Cell& cell : report.cells) {
    data << std::exchange(gap, "\n\n") << "\"" << cell.name() << "\"\n";
    for (const Row& row : cell.rows) {
      if (Rejects(row.variant)) continue;
      data << VariantName(row.variant) << ' ' << row.ratio << ' '
           << row.ratio_low << ' ' << row.ratio_high << ' ' << row.p50_us
           << '\n';
    }
  }
  data.flush();
  return text.good() && data.good();
}

}  // namespace firebreak::bench
