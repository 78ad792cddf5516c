#include "tests/bench/overhead/figures.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "tests/bench/overhead/worker.h"

namespace firebreak::bench {
namespace {

// The rounds of one variant.
struct Series {
  Variant variant;
  std::unique_ptr<Child> worker;
  std::vector<double> latencies_us;
  std::vector<double> p50_us;  // of each round
  std::vector<double> calls_per_s;
  int64_t cpu_ns = 0;
  int64_t switches = 0;
  int calls = 0;
  int failed = 0;

  absl::Status Run(int n) {
    const absl::StatusOr<Measured> measured = RunBlock(worker.get(), n);
    if (!measured.ok()) return measured.status();
    const Block& block = measured->block;
    switches += measured->switches;
    std::vector<double> us;
    us.reserve(block.latencies_ns.size());
    for (int64_t ns : block.latencies_ns) {
      us.push_back(static_cast<double>(ns) / 1e3);
    }
    latencies_us.insert(latencies_us.end(), us.begin(), us.end());
    p50_us.push_back(Quantile(std::move(us), 0.5));
    calls_per_s.push_back(n * 1e9 / static_cast<double>(block.wall_ns));
    cpu_ns += block.cpu_ns;
    calls += n;
    failed += std::abs((Rejects(variant) ? 0 : n) - block.ok);
    return absl::OkStatus();
  }
};

std::vector<double> Ratios(const std::vector<double>& of,
                           const std::vector<double>& to) {
  std::vector<double> out(of.size());
  for (size_t i = 0; i < of.size(); ++i) out[i] = of[i] / to[i];
  return out;
}

}  // namespace

std::string Cell::name() const {
  return absl::StrCat(at.transport(), " ", StubName(at.stub), " ", at.size,
                      " B, ", at.in_flight, " in flight");
}

const Row* Cell::Find(Variant variant) const {
  for (const Row& row : rows) {
    if (row.variant == variant) return &row;
  }
  return nullptr;
}

// If this is inlined, GCC 12 mistakes its vector for another one, and warns.
[[gnu::noinline]] double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto n = static_cast<double>(values.size() - 1);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(n * q + 0.5);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

std::vector<std::string> WorkerCommand(const std::string& program,
                                       const std::string& mode, Variant variant,
                                       const Setting& at) {
  std::vector<std::string> command;
  command.push_back(program);
  command.push_back("worker");
  command.push_back("--mode=" + mode);
  command.push_back("--variant=" + VariantName(variant));
  command.push_back("--stub=" + StubName(at.stub));
  command.push_back(absl::StrCat("--size=", at.size));
  command.push_back(absl::StrCat("--in-flight=", at.in_flight));
  if (!at.address.empty()) command.push_back("--address=" + at.address);
  return command;
}

absl::StatusOr<Cell> Measure(const std::string& program, const Setting& at,
                             const std::vector<Variant>& variants, int rounds) {
  std::vector<Series> all;
  for (Variant variant : variants) {
    Series series;
    series.variant = variant;
    series.worker =
        std::make_unique<Child>(WorkerCommand(program, "time", variant, at));
    if (series.worker->ReadLine() != "ready") {
      // A variant that does not exist here prints nothing, and ends well.
      const absl::Status ended = series.worker->Wait();
      if (!ended.ok()) return ended;
      continue;
    }
    all.push_back(std::move(series));
  }
  const int calls = at.in_flight == 1 ? 100 : at.in_flight * 40;
  for (int round = 0; round < rounds; ++round) {
    // Each round begins with another variant, so that it is not always the same
    // one that follows a slow one.
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t next = (i + static_cast<size_t>(round)) % all.size();
      const absl::Status ran = all[next].Run(calls);
      if (!ran.ok()) return ran;
    }
  }

  auto series_of = [&](Variant variant) -> const Series& {
    return *std::find_if(all.begin(), all.end(),
                         [&](const Series& s) { return s.variant == variant; });
  };
  Cell cell;
  cell.at = at;
  for (const Series& series : all) {
    Row row;
    row.variant = series.variant;
    const Series& floor =
        series_of(Rejects(row.variant) ? Variant::kHijack : Variant::kNoOp);
    row.p50_us = Quantile(series.latencies_us, 0.5);
    row.p99_us = Quantile(series.latencies_us, 0.99);
    row.cpu_us = static_cast<double>(series.cpu_ns) / 1e3 / series.calls;
    row.calls_per_s = Quantile(series.calls_per_s, 0.5);
    const std::vector<double> ratios = Ratios(series.p50_us, floor.p50_us);
    row.ratio = Quantile(ratios, 0.5);
    row.ratio_low = Quantile(ratios, 0.25);
    row.ratio_high = Quantile(ratios, 0.75);
    row.throughput =
        Quantile(Ratios(series.calls_per_s, floor.calls_per_s), 0.5);
    row.switches = static_cast<double>(series.switches) / series.calls;
    row.failed = series.failed;
    cell.rows.push_back(row);
  }
  return cell;
}

}  // namespace firebreak::bench
