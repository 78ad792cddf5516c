#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/bench/studies/deadlines.h"
#include "tests/bench/studies/metastable.h"
#include "tests/bench/studies/recovery.h"
#include "tests/bench/studies/report.h"
#include "tests/bench/studies/share.h"
#include "tests/bench/studies/storm.h"

namespace firebreak::studies {
namespace {

std::string Seconds(const absl::optional<Duration>& d) {
  return d ? absl::StrFormat("%.2f", core::ToSeconds(*d)) : "never";
}

void PrintStorm(const std::vector<StormRow>& rows) {
  std::puts("success / load, by the share f of attempts that fail\n");
  std::printf("  %-22s", "f");
  for (const StormCell& cell : rows.front().cells) {
    std::printf(" %13.2f", cell.failure_rate);
  }
  for (const StormRow& row : rows) {
    std::printf("\n  %-22s", row.strategy.c_str());
    for (const StormCell& cell : row.cells) {
      std::printf("  %6.4f/%5.3f", cell.success, cell.load);
    }
  }
  std::puts("");
}

void PrintMetastable(const char* title,
                     const std::vector<MetastableRow>& rows) {
  std::printf("\n%s\n  %-22s %10s %10s %10s %10s %10s\n", title, "strategy",
              "recovery s", "in trigger", "after", "attempts", "wasted");
  for (const MetastableRow& row : rows) {
    std::printf("  %-22s %10s %10.3f %10.3f %10.2f %10.3f\n",
                row.strategy.c_str(), Seconds(row.recovery).c_str(),
                row.goodput_in_trigger, row.goodput_after, row.amplification,
                row.wasted);
  }
}

std::vector<MetastableRow> RunAll(const MetastableStudy& study) {
  std::vector<MetastableRow> rows;
  for (const Strategy& strategy : MetastableStrategies(study)) {
    rows.push_back(RunMetastable(study, strategy));
  }
  return rows;
}

nlohmann::json ToJson(const std::vector<MetastableRow>& rows) {
  nlohmann::json out;
  for (const MetastableRow& row : rows) {
    nlohmann::json& of = out[row.strategy];
    of = {{"goodput_in_trigger", row.goodput_in_trigger},
          {"goodput_after", row.goodput_after},
          {"attempts_per_call", row.amplification},
          {"wasted", row.wasted}};
    if (row.recovery) of["recovery_s"] = core::ToSeconds(*row.recovery);
  }
  return out;
}

// Prints firebreak's recovery after triggers of other lengths.
nlohmann::json PrintTriggers() {
  nlohmann::json json;
  std::puts("\nrecovery (s) by the trigger's length");
  for (const int seconds : {2, 5, 10, 20, 30}) {
    MetastableStudy study;
    study.trigger = Sec(seconds);
    study.length = study.trigger_at + study.trigger + Sec(50);
    std::printf("  %2d s", seconds);
    for (const Strategy& strategy : MetastableStrategies(study)) {
      if (strategy.name != kGuarded && strategy.name != kQuick) continue;
      const MetastableRow row = RunMetastable(study, strategy);
      std::printf("   %s: %s", strategy.name.c_str(),
                  Seconds(row.recovery).c_str());
      if (row.recovery) {
        json[strategy.name][std::to_string(seconds)] =
            core::ToSeconds(*row.recovery);
      }
    }
    std::puts("");
  }
  return json;
}

// Returns the slowest recovery of all; absent if one did not recover.
absl::optional<Duration> PrintRecoveries(nlohmann::json* json) {
  absl::optional<Duration> slowest = Duration::zero();
  for (const Outage outage :
       {Outage::kSlow, Outage::kBlackHole, Outage::kFrozen, Outage::kDead}) {
    std::printf(
        "\nrecovery (s) from a server that is %s, 20 phases\n"
        "  %-8s %8s %8s %12s %12s\n",
        OutageName(outage), "trigger", "median", "max", "sent in it",
        "sent after");
    for (const RecoveryRow& row : RunRecovery(RecoveryStudy{}, outage)) {
      std::printf("  %6.0f s %8s %8s %11.3fx %11.3fx\n",
                  core::ToSeconds(row.trigger), Seconds(row.median()).c_str(),
                  Seconds(row.max()).c_str(), row.sent_in_trouble,
                  row.sent_after);
      if (!row.max()) {
        slowest.reset();
      } else if (slowest) {
        slowest = std::max(*slowest, *row.max());
      }
      (*json)[OutageName(outage)].push_back(
          {{"trigger_s", core::ToSeconds(row.trigger)},
           {"median_s", Seconds(row.median())},
           {"max_s", Seconds(row.max())},
           {"sent_in_trouble", row.sent_in_trouble},
           {"sent_after", row.sent_after}});
    }
  }
  return slowest;
}

double PrintLoads(nlohmann::json* json) {
  std::puts("\nattempts per call at the worst failure rate, default budget");
  double most = 0;
  for (const LoadCell& cell : RunLoads(/*seed=*/1)) {
    std::printf("  %8.1f calls/s: %.4f; success at f = .05: %.5f\n",
                cell.calls_per_second, cell.load, cell.success_at_5);
    json->push_back({{"calls_per_second", cell.calls_per_second},
                     {"load", cell.load},
                     {"success_at_5", cell.success_at_5}});
    most = std::max(most, cell.load);
  }
  return most;
}

// Prints the study of targets that answer a part of their calls.
void PrintShares(nlohmann::json* json) {
  std::puts(
      "\nsuccess / attempts per call / changes of a breaker a minute, where a "
      "target answers a part");
  const std::vector<ShareRow> rows = RunShare(ShareStudy{});
  for (const Part part : kParts) {
    std::printf("  %-12s", PartName(part));
    for (const ShareRow& row : rows) {
      if (row.part != part) continue;
      std::printf("  %s: %.3f/%.2f/%.1f", row.strategy.c_str(), row.success,
                  row.load, row.changes);
      (*json)[PartName(part)][row.strategy] = {{"success", row.success},
                                               {"load", row.load},
                                               {"changes", row.changes}};
    }
    std::puts("");
  }
}

void WriteData(const std::vector<StormRow>& rows,
               const std::vector<MetastableRow>& lines, std::ofstream* data) {
  const char* gap = "";
  for (const StormRow& row : rows) {
    *data << std::exchange(gap, "\n\n") << '"' << row.strategy << "\"\n";
    for (const StormCell& cell : row.cells) {
      *data << cell.failure_rate << ' ' << cell.success << ' ' << cell.load
            << '\n';
    }
  }
  for (const MetastableRow& row : lines) {
    *data << gap << '"' << row.strategy << "\"\n";
    // The line has a point for each second.
    const auto per_second = static_cast<size_t>(Sec(1) / row.bucket_width);
    for (size_t i = 0; i + per_second <= row.buckets.size(); i += per_second) {
      int64_t done = 0;
      for (size_t k = i; k < i + per_second; ++k) done += row.buckets[k].done;
      *data << i / per_second << ' ' << done << '\n';
    }
  }
}

}  // namespace

bool ReportStorm(const std::string& folder) {
  const StormStudy storm;
  const std::vector<StormRow> rows = RunStorm(storm);
  PrintStorm(rows);
  const core::BudgetOptions budget;
  std::printf(
      "\nload allowed to firebreak: %.3f = 1 + ratio %.2f + %g tokens at the "
      "start\n",
      LoadBound(storm, budget), budget.ratio, *budget.initial);

  const MetastableStudy study;
  const std::vector<MetastableRow> metastable = RunAll(study);
  PrintMetastable("a fifth of the capacity for 10 s", metastable);
  MetastableStudy polite = study;
  polite.honours_cancel = true;
  const std::vector<MetastableRow> dropped = RunAll(polite);
  PrintMetastable("the same, and the server drops what was given up", dropped);

  nlohmann::json json;
  json["triggers"] = PrintTriggers();
  for (const StormRow& row : rows) {
    for (const StormCell& cell : row.cells) {
      json["storm"][row.strategy].push_back({{"f", cell.failure_rate},
                                             {"success", cell.success},
                                             {"load", cell.load}});
    }
  }
  json["metastable"] = ToJson(metastable);
  json["metastable_server_drops"] = ToJson(dropped);
  const absl::optional<Duration> slowest = PrintRecoveries(&json["recovery"]);
  const double load = PrintLoads(&json["load"]);
  PrintShares(&json["share"]);
  const std::vector<DeadlineRow> gates = RunDeadlines(DeadlineStudy{});
  const double drowned = Find(gates, "drowned", Gate::kAll).all().success;
  const double idle_loss = Find(gates, "idle", Gate::kOff).all().success -
                           Find(gates, "idle", Gate::kAll).all().success;
  std::printf(
      "\ndeadline gate for all: success %.4f on the drowned server (%.4f "
      "without), %.4f lost on the idle one\n",
      drowned, Find(gates, "drowned", Gate::kOff).all().success, idle_loss);
  json["drowned"] = drowned;
  json["idle_loss"] = idle_loss;

  const StormRow& ours = Find(rows, kFirebreak);
  const auto guarded = std::find_if(
      metastable.begin(), metastable.end(),
      [](const MetastableRow& row) { return row.strategy == kGuarded; });
  const std::string line = absl::StrFormat(
      "storm: load_max=%.3f success_at_5=%.4f worse_than_none=%d "
      "recovery_s=%s recovery_max_s=%s hurt_max=%.3f drowned=%.3f",
      load, SuccessAt(ours, 0.05), WorseThan(Find(rows, kNoRetry), ours),
      Seconds(guarded->recovery), Seconds(slowest), Hurt(rows), drowned);
  json["line"] = line;
  std::ofstream file(folder + "/storm.json");
  file << json.dump(2) << '\n';
  std::ofstream data(folder + "/storm.dat");
  WriteData(rows, metastable, &data);
  file.flush();
  data.flush();
  std::puts(line.c_str());
  return file.good() && data.good();
}

}  // namespace firebreak::studies
