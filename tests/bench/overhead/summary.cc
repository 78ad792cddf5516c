#include "tests/bench/overhead/summary.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firebreak::bench {
namespace {

// The goals. For a synchronous stub it is the best that two calls in place of
// one have achieved. An asynchronous stub's call need not be made twice, so it
// should cost little more than a guarded one.
constexpr double kSyncInstructions = 1.22;
constexpr double kSyncTime = 1.10;
constexpr double kAsyncInstructions = 1.08;
constexpr double kAsyncTime = 1.08;
constexpr double kAsyncThroughput = 0.92;
constexpr double kAsyncAllocations = 3;

const Row* FindRow(const Report& report, const char* transport, StubKind stub,
                   int size, int in_flight, Variant variant) {
  for (const Cell& cell : report.cells) {
    if (cell.at.transport() == transport && cell.at.stub == stub &&
        cell.at.size == size && cell.at.in_flight == in_flight) {
      return cell.Find(variant);
    }
  }
  return nullptr;
}

// The ratio of the p50 with 64 B and one call in flight.
absl::optional<double> TimeRatio(const Report& report, const char* transport,
                                 StubKind stub, Variant variant) {
  const Row* const row = FindRow(report, transport, stub, 64, 1, variant);
  if (row == nullptr) return absl::nullopt;
  return row->ratio;
}

// With 32 calls in flight over TCP: the worse of 64 B and 16 KiB.
absl::optional<double> ThroughputRatio(const Report& report, StubKind stub) {
  absl::optional<double> out;
  for (int size : {64, 16384}) {
    const Row* const row =
        FindRow(report, "tcp", stub, size, 32, Variant::kDriven);
    if (row != nullptr) out = std::min(out.value_or(99), row->throughput);
  }
  return out;
}

CountedMap Over(const std::map<StubKind, CountedMap>& transport,
                StubKind stub) {
  const auto found = transport.find(stub);
  return found == transport.end() ? CountedMap{} : found->second;
}

absl::optional<double> Ours(const CountedMap& counted, Variant variant) {
  const auto of = counted.find(variant);
  if (of == counted.end()) return absl::nullopt;
  return of->second.ours;
}

Figure AtMost(std::string name, absl::optional<double> value, double most) {
  return {std::move(name), value, 3, most, absl::nullopt};
}

std::string Show(absl::optional<double> value, int decimals) {
  return value ? absl::StrFormat("%.*f", decimals, *value) : "-";
}

}  // namespace

bool Figure::IsMet() const {
  if (!value) return true;
  return (!most || *value <= *most) && (!least || *value >= *least);
}

absl::optional<double> InstructionRatio(const CountedMap& counted,
                                        Variant variant) {
  const auto of = counted.find(variant);
  const auto to = counted.find(Variant::kNoOp);
  if (of == counted.end() || to == counted.end()) return absl::nullopt;
  return of->second.instructions / to->second.instructions;
}

std::vector<Figure> Figures(const Report& report) {
  constexpr StubKind kSync = StubKind::kSync;
  const CountedMap sync = Over(report.tcp, kSync);
  std::vector<Figure> out;
  out.push_back({"guarded_ir", InstructionRatio(sync, Variant::kGuarded)});
  out.push_back(AtMost("driven_ir", InstructionRatio(sync, Variant::kDriven),
                       kSyncInstructions));
  out.push_back(AtMost("driven_p50",
                       TimeRatio(report, "tcp", kSync, Variant::kDriven),
                       kSyncTime));
  out.push_back(
      {"driven_inproc", TimeRatio(report, "inproc", kSync, Variant::kDriven)});
  out.push_back(
      {"reject_ratio", TimeRatio(report, "tcp", kSync, Variant::kOpen)});
  out.push_back({"guarded_allocs", Ours(sync, Variant::kGuarded), 1});
  out.push_back({"driven_allocs", Ours(sync, Variant::kDriven), 1});

  const std::pair<const char*, StubKind> stubs[] = {
      {"driven_cb_", StubKind::kCallback}, {"driven_cq_", StubKind::kQueue}};
  for (const auto& [name, stub] : stubs) {
    out.push_back(AtMost(absl::StrCat(name, "p50"),
                         TimeRatio(report, "tcp", stub, Variant::kDriven),
                         kAsyncTime));
  }
  for (const auto& [name, stub] : stubs) {
    out.push_back(AtMost(absl::StrCat(name, "inproc"),
                         TimeRatio(report, "inproc", stub, Variant::kDriven),
                         kAsyncTime));
  }
  for (const auto& [name, stub] : stubs) {
    out.push_back({absl::StrCat(name, "thrput"), ThroughputRatio(report, stub),
                   3, absl::nullopt, kAsyncThroughput});
  }
  for (const auto& [name, stub] : stubs) {
    out.push_back(
        AtMost(absl::StrCat(name, "ir"),
               InstructionRatio(Over(report.tcp, stub), Variant::kDriven),
               kAsyncInstructions));
  }
  for (const auto& [name, stub] : stubs) {
    out.push_back({absl::StrCat(name, "allocs"),
                   Ours(Over(report.tcp, stub), Variant::kDriven), 1,
                   kAsyncAllocations, absl::nullopt});
  }
  return out;
}

void PrintGoals(const Report& report) {
  std::printf("\nagainst the goals\n");
  for (const Figure& figure : Figures(report)) {
    if (!figure.value || (!figure.most && !figure.least)) continue;
    std::printf("  %-18s %7s  goal %s %s%s\n", figure.name.c_str(),
                Show(figure.value, figure.decimals).c_str(),
                figure.most ? "<=" : ">=",
                Show(figure.most ? figure.most : figure.least, 2).c_str(),
                figure.IsMet() ? "" : "  missed");
  }
}

std::string LastLine(const Report& report) {
  std::string line = "overhead:";
  for (const Figure& figure : Figures(report)) {
    absl::StrAppend(&line, " ", figure.name, "=",
                    Show(figure.value, figure.decimals));
  }
  return line;
}

}  // namespace firebreak::bench
