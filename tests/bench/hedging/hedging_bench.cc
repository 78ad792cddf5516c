// Measures what hedging does to the tail of the latency, and compares it with
// the best that it could do.
//
//   scripts/bench hedging               about two minutes
//   scripts/bench hedging --quick       half a minute, for a look
//   scripts/bench hedging --study quantiles
//
// docs/tails-hedging.md says what is compared, how, and with what result.
//
// All variants share one process and take turns in blocks of calls, so that
// other load on the machine affects all alike. The server is a process of its
// own.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/engine/io/clock.h"
#include "tests/bench/hedging/flags.h"
#include "tests/bench/hedging/leaf.h"
#include "tests/bench/hedging/report.h"
#include "tests/bench/hedging/sleeping_host.h"
#include "tests/bench/hedging/variants.h"
#include "tests/bench/overhead/child.h"

namespace firebreak::bench {
namespace {

constexpr int64_t kBlock = 2500;
// The warm-up calls have higher numbers than the measured ones, so that they
// draw other sleeps.
constexpr int64_t kWarmUpFrom = 10'000'000;
constexpr int64_t kWarmUp = 1000;

class Bench {
 public:
  Bench(const Flags& flags, std::string program)
      : flags_(flags),
        server_({std::move(program), "--serve", "--seed",
                 std::to_string(flags.seed)}) {
    std::istringstream line(server_.ReadLine());
    for (std::string address; line >> address;) addresses_.push_back(address);
    if (!addresses_.empty()) return;
    std::fprintf(stderr, "hedging_bench: %s\n",
                 std::string(server_.WhyGone().message()).c_str());
  }

  // A variant without hedges also measures the transport.
  bool Measure(const std::vector<Variant>& variants, int64_t calls,
               Report* report);
  // Makes a channel's first calls. Returns false if something failed.
  bool StartCold(const Variant& variant, int64_t calls, Row* row);

 private:
  std::unique_ptr<Subject> Make(const Variant& variant) {
    if (addresses_.empty()) return nullptr;
    return MakeSubject(variant, flags_.budget, addresses_);
  }
  bool AddHits(std::vector<Row>* rows, const HostCounts& before,
               HostCounts* after);

  const Flags& flags_;
  Child server_;
  std::vector<std::string> addresses_;
};

bool Bench::AddHits(std::vector<Row>* rows, const HostCounts& before,
                    HostCounts* after) {
  // The last call's cancelled hedge may still be on its way.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  if (!ReadCounts(&server_, after)) return false;
  for (size_t i = 0; i < rows->size(); ++i) {
    (*rows)[i].hits = after->hits[i] - before.hits[i];
  }
  return true;
}

bool Bench::Measure(const std::vector<Variant>& variants, int64_t calls,
                    Report* report) {
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<Counted> before;
  for (size_t i = 0; i < variants.size(); ++i) {
    subjects.push_back(Make(variants[i]));
    if (subjects.back() == nullptr) return false;
    subjects.back()->Run(
        {static_cast<int>(i), kWarmUpFrom, kWarmUp, flags_.callers});
    before.push_back(subjects.back()->counted());
    report->rows.push_back(Row{});
    report->rows.back().variant = variants[i];
  }
  HostCounts warm;
  if (!ReadCounts(&server_, &warm)) return false;
  const core::Time begun = engine::Now();
  std::vector<int64_t> transport;
  for (int64_t first = 0; first < calls; first += kBlock) {
    for (size_t i = 0; i < subjects.size(); ++i) {
      const Work work{static_cast<int>(i), first,
                      std::min(kBlock, calls - first), flags_.callers};
      const Block block = subjects[i]->Run(work);
      report->rows[i].Add(block);
      if (variants[i].hedges > 0) continue;
      for (int64_t n = 0; n < work.calls; ++n) {
        const auto sleep =
            DrawSleep(static_cast<uint64_t>(flags_.seed), first + n, 0, 0);
        transport.push_back(block.latencies_ns[static_cast<size_t>(n)] -
                            sleep.count());
      }
    }
    std::fprintf(stderr, "%lld of %lld calls of each, %.0f s\n",
                 static_cast<long long>(std::min(first + kBlock, calls)),
                 static_cast<long long>(calls),
                 core::ToSeconds(engine::Now() - begun));
  }
  if (!AddHits(&report->rows, warm, &report->host)) return false;
  for (size_t i = 0; i < subjects.size(); ++i) {
    Row& row = report->rows[i];
    row.Finish();
    const Counted now = subjects[i]->counted();
    row.counted = {now.hedges - before[i].hedges, now.wins - before[i].wins,
                   now.refused - before[i].refused};
  }
  std::sort(transport.begin(), transport.end());
  report->transport_p50_us = SortedQuantile(transport, 0.5) / 1e3;
  report->transport_p99_us = SortedQuantile(transport, 0.99) / 1e3;
  return true;
}

bool Bench::StartCold(const Variant& variant, int64_t calls, Row* row) {
  const auto subject = Make(variant);
  HostCounts before;
  if (subject == nullptr || !ReadCounts(&server_, &before)) return false;
  row->variant = variant;
  std::vector<Row> rows(1);
  row->Add(subject->Run({0, 0, calls, flags_.callers}));
  row->Finish();
  HostCounts after;
  if (!AddHits(&rows, before, &after)) return false;
  row->hits = rows[0].hits;
  row->counted = subject->counted();
  return true;
}

Variant Hedged(std::string name, int hedges, double delay_ms, double quantile) {
  Variant variant;
  variant.name = std::move(name);
  variant.hedges = hedges;
  variant.delay_ms = delay_ms;
  variant.quantile = quantile;
  return variant;
}

std::vector<Variant> Variants(const Flags& flags) {
  const double q = flags.quantile;
  std::vector<Variant> all = {Hedged("none", 0, 0, 0),
                              Hedged("fixed_1 (10 ms)", 1, 10, 0),
                              Hedged("fixed_2 (10 ms)", 2, 10, 0),
                              Hedged("live_1", 1, 0, q),
                              Hedged("live_2", 2, 0, q),
                              Hedged("one_live_1", 1, 0, q),
                              Hedged("one_live_2", 2, 0, q)};
  for (Variant& variant : all) {
    if (variant.name.rfind("one_", 0) != 0) continue;
    variant.one_backend = true;
    variant.rho = flags.rho;
  }
  return all;
}

bool Compare(const Flags& flags, Bench* bench, Report* report) {
  report->best_of = "live_2";
  if (!bench->Measure(Variants(flags), flags.calls, report)) return false;
  PrintTable(*report);
  return WriteFiles(*report, "hedging");
}

bool StudyQuantiles(const Flags& flags, Bench* bench, Report* report) {
  std::vector<Variant> variants = {Hedged("none", 0, 0, 0)};
  for (int hedges : {1, 2}) {
    for (double q : {0.8, 0.9, 0.95, 0.99}) {
      variants.push_back(Hedged(
          absl::StrCat("p", q * 100, hedges == 1 ? ", 1 hedge" : ", 2 hedges"),
          hedges, 0, q));
    }
  }
  report->best_of = "p90, 2 hedges";
  if (!bench->Measure(variants, flags.calls, report)) return false;
  PrintTable(*report);

  std::printf("\na channel's first calls, %d callers: hedges sent\n",
              flags.callers);
  std::printf("%-22s%8s%8s%8s%8s\n", "variant", "100", "200", "500", "1000");
  for (const Variant& variant :
       {Hedged("fixed, 1 ms", 2, 1, 0), Hedged("fixed, 10 ms", 2, 10, 0),
        Hedged("live", 2, 0, flags.quantile)}) {
    std::printf("%-22s", variant.name.c_str());
    for (int64_t calls : {100, 200, 500, 1000}) {
      Row row;
      if (!bench->StartCold(variant, calls, &row)) return false;
      std::printf("%8lld", static_cast<long long>(row.hits - calls));
    }
    std::printf("\n");
  }
  return WriteFiles(*report, "hedging-quantiles");
}

int Main(int argc, char** argv) {
  const absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    std::fprintf(stderr, "hedging_bench: %s\n",
                 std::string(flags.status().message()).c_str());
    return 2;
  }
  if (!flags->help.empty()) {
    std::printf("%s", flags->help.c_str());
    return 0;
  }
  if (flags->serve) {
    return ServeSleepsUntilOrphaned(static_cast<uint64_t>(flags->seed));
  }
  Report report;
  report.flags = *flags;
  Bench bench(*flags, std::filesystem::read_symlink("/proc/self/exe"));
  const bool ok = flags->study.empty()
                      ? Compare(*flags, &bench, &report)
                      : StudyQuantiles(*flags, &bench, &report);
  if (!ok) {
    std::fprintf(stderr, "hedging_bench: could not measure, or not write %s\n",
                 flags->folder.c_str());
    return 1;
  }
  if (flags->study.empty()) std::printf("\n%s\n", LastLine(report).c_str());
  return std::any_of(report.rows.begin(), report.rows.end(),
                     [](const Row& row) { return row.failed > 0; })
             ? 1
             : 0;
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
