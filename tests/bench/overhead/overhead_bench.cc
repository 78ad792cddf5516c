// Measures what a call pays for firebreak, besides what gRPC itself takes.
//
//   scripts/bench overhead              everything, about six minutes
//   scripts/bench overhead --quick      a sixth of it, for a look
//   scripts/bench overhead --only driven_cb      some figures of the last line
//
// docs/cost.md says what is compared, how, and with what result.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/overhead/counts.h"
#include "tests/bench/overhead/echo_host.h"
#include "tests/bench/overhead/figures.h"
#include "tests/bench/overhead/report.h"
#include "tests/bench/overhead/summary.h"
#include "tests/bench/overhead/worker.h"

namespace firebreak::bench {
namespace {

constexpr char kLastLine[] =
    R"(
The last line. All is held against the no-op interceptor with the same stub,
transport and size in the same run, times block against neighbouring block.
With 64 B, one call in flight and over TCP, unless said otherwise.
  guarded_ir, driven_ir  instructions a call of the client, sync stub
  driven_p50             median time of a call, sync stub
  driven_inproc          the same within the process
  reject_ratio           median time of a refusal, against a bare hijack's
  guarded_allocs, driven_allocs
                         allocations a call that firebreak asks for, sync stub
And with breaker and retry for the callback stub (cb) and the completion queue's
(cq):
  driven_cb_p50          median time of a call
  driven_cb_inproc       the same within the process
  driven_cb_thrput       calls a second, 32 in flight: the worse of 64 B, 16 KiB
  driven_cb_ir           instructions a call of the client
  driven_cb_allocs       allocations a call that firebreak asks for
What was not measured shows as "-".
)";

struct RunOptions {
  std::string folder = ".";
  std::vector<std::string> only;
  std::vector<std::string> parts = {"counts", "time"};
  std::vector<std::string> stubs = {"sync", "callback", "queue"};
  std::vector<std::string> transports = {"tcp", "inproc"};
  std::vector<int> sizes = {64, 16384};
  std::vector<int> in_flight = {1, 32};
  std::vector<std::string> variants;  // none: all of them
  int rounds = 30;
  bool quick = false;

  bool Wants(StubKind stub) const {
    return std::find(stubs.begin(), stubs.end(), StubName(stub)) != stubs.end();
  }
};

constexpr StubKind kStubs[] = {StubKind::kSync, StubKind::kCallback,
                               StubKind::kQueue};

std::vector<Variant> Chosen(const RunOptions& options) {
  if (options.variants.empty()) return AllVariants();
  std::vector<Variant> out;
  for (Variant variant : AllVariants()) {
    for (const std::string& name : options.variants) {
      if (VariantName(variant) == name) out.push_back(variant);
    }
  }
  return WithFloors(out);
}

// Reduces `options` to what the figures named in `only` need.
void Narrow(RunOptions* options) {
  if (options->only.empty()) return;
  options->stubs.clear();
  for (const std::string& only : options->only) {
    options->stubs.push_back(only == "driven_cb" ? "callback" : "queue");
  }
  if (options->variants.empty()) options->variants = {"driven"};
}

bool IsNeeded(const RunOptions& options, const Setting& at) {
  if (options.only.empty()) return true;
  return at.transport() == "tcp" ? at.in_flight > 1 || at.size == 64
                                 : at.in_flight == 1 && at.size == 64;
}

// Counts do not depend on the machine's load, but take long under callgrind.
// So there are all variants for the synchronous stub, and few for the others.
absl::Status CountAll(const std::string& program, const std::string& address,
                      const RunOptions& options, Report* report) {
  for (StubKind stub : kStubs) {
    if (!options.Wants(stub)) continue;
    std::vector<Variant> variants = Chosen(options);
    if (stub != StubKind::kSync && options.variants.empty()) {
      variants = {Variant::kNoOp, Variant::kGuarded, Variant::kDriven};
    }
    for (const std::string& transport : options.transports) {
      // Counts within the process include the server, so they are an extra.
      if (transport == "inproc" && stub != StubKind::kSync) continue;
      Setting at;
      if (transport == "tcp") at.address = address;
      at.stub = stub;
      absl::StatusOr<CountedMap> counted =
          Count(program, at, variants, options.folder);
      if (!counted.ok()) return counted.status();
      PrintCounted(absl::StrCat(StubName(stub), ", 64 B, ",
                                transport == "tcp"
                                    ? "TCP"
                                    : "within the process (client and server)",
                                ", per call"),
                   *counted);
      (transport == "tcp" ? report->tcp : report->inproc)[stub] =
          *std::move(counted);
    }
  }
  return absl::OkStatus();
}

std::vector<Setting> Cells(const std::string& address,
                           const RunOptions& options) {
  std::vector<Setting> out;
  for (const std::string& transport : options.transports) {
    for (int in_flight : options.in_flight) {
      for (int size : options.sizes) {
        for (StubKind stub : kStubs) {
          Setting at;
          if (transport == "tcp") at.address = address;
          at.stub = stub;
          at.size = size;
          at.in_flight = in_flight;
          if (options.Wants(stub) && IsNeeded(options, at)) out.push_back(at);
        }
      }
    }
  }
  return out;
}

absl::Status MeasureAll(const std::string& program, const std::string& address,
                        const RunOptions& options, Report* report) {
  const std::vector<Setting> cells = Cells(address, options);
  for (const Setting& at : cells) {
    // The cells of the last line get more rounds.
    int rounds = options.rounds;
    if (at.in_flight > 1) rounds = rounds / 2;
    if (at.in_flight == 1 && at.size == 64) {
      rounds *= at.stub == StubKind::kSync ? 3 : 2;
    }
    if (options.quick) rounds = rounds / 6;
    std::fprintf(stderr, "[%zu/%zu]\n", report->cells.size() + 1, cells.size());
    absl::StatusOr<Cell> cell =
        Measure(program, at, Chosen(options), std::max(rounds, 3));
    if (!cell.ok()) return cell.status();
    report->cells.push_back(*std::move(cell));
    PrintCell(report->cells.back());
  }
  return absl::OkStatus();
}

absl::StatusOr<Report> RunParts(const std::string& program,
                                const RunOptions& options) {
  Child echo({program, "serve"});
  const std::string address = echo.ReadLine();
  if (address.empty()) return echo.WhyGone();
  const std::set<std::string> parts(options.parts.begin(), options.parts.end());
  Report report;
  absl::Status status;
  if (parts.count("counts") != 0) {
    status = CountAll(program, address, options, &report);
  }
  if (status.ok() && parts.count("time") != 0) {
    status = MeasureAll(program, address, options, &report);
  }
  if (!status.ok()) return status;
  return report;
}

int Run(const std::string& program, const RunOptions& options) {
  const absl::StatusOr<Report> report = RunParts(program, options);
  if (!report.ok()) {
    std::fprintf(stderr, "overhead_bench: %s\n",
                 std::string(report.status().message()).c_str());
    return 1;
  }
  if (!WriteFiles(*report, options.folder)) {
    std::fprintf(stderr, "overhead_bench: cannot write into %s\n",
                 options.folder.c_str());
    return 1;
  }
  PrintGoals(*report);
  std::printf("\n%s\n", LastLine(*report).c_str());
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures what a call pays for firebreak.");
  app.require_subcommand(1);

  RunOptions options;
  std::set<std::string> names;
  for (Variant variant : AllVariants()) names.insert(VariantName(variant));
  CLI::App* const run = app.add_subcommand("run", "measure, and print it all");
  run->add_option("--out", options.folder, "folder for JSON and plot data")
      ->check(CLI::ExistingDirectory);
  run->add_option("--part", options.parts, "counts, time")
      ->check(CLI::IsMember({"counts", "time"}));
  run->add_option("--stub", options.stubs, "sync, callback, queue")
      ->check(CLI::IsMember({"sync", "callback", "queue"}));
  run->add_option("--transport", options.transports, "tcp, inproc")
      ->check(CLI::IsMember({"tcp", "inproc"}));
  run->add_option("--size", options.sizes, "bytes of a message")
      ->check(CLI::Range(1, 1'000'000));
  run->add_option("--in-flight", options.in_flight, "calls at once")
      ->check(CLI::Range(1, 1000));
  run->add_option("--rounds", options.rounds, "blocks of each variant")
      ->check(CLI::Range(3, 10'000))
      ->capture_default_str();
  run->add_flag("--quick", options.quick, "a sixth of the rounds");
  run->add_option("--variant", options.variants,
                  "noop, driven, ... (default: all); what they are held "
                  "against always is")
      ->check(CLI::IsMember(names));
  run->add_option("--only", options.only,
                  "driven_cb, driven_cq: what these figures of the last line "
                  "need, half a minute each; --part counts or time halves it")
      ->check(CLI::IsMember({"driven_cb", "driven_cq"}));
  run->footer(kLastLine);

  // The program starts itself with these two.
  app.add_subcommand("serve", "the echo server; ends with its standard input");
  WorkerOptions worker;
  CLI::App* const work = app.add_subcommand("worker", "one variant's process");
  work->add_option("--mode", worker.mode);
  work->add_option("--variant", worker.variant);
  work->add_option("--stub", worker.stub);
  work->add_option("--address", worker.address);
  work->add_option("--size", worker.size);
  work->add_option("--in-flight", worker.in_flight);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (app.got_subcommand("serve")) return ServeUntilOrphaned();
  if (app.got_subcommand("worker")) return RunWorker(worker);
  Narrow(&options);
  return Run(std::filesystem::read_symlink("/proc/self/exe"), options);
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
