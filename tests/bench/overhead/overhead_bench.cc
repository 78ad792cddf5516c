// What a call pays for firebreak, beside what gRPC itself takes.
//
//   scripts/bench overhead              everything, about five minutes
//   scripts/bench overhead --quick      a sixth of it, for a look
//
// See docs/cost.md for what is compared, how, and what came out.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/overhead/echo_host.h"
#include "tests/bench/overhead/figures.h"
#include "tests/bench/overhead/report.h"
#include "tests/bench/overhead/worker.h"

namespace firebreak::bench {
namespace {

struct RunOptions {
  std::string folder = ".";
  std::vector<std::string> parts = {"counts", "time"};
  std::vector<std::string> stubs = {"sync", "callback", "queue"};
  std::vector<std::string> transports = {"tcp", "inproc"};
  std::vector<int> sizes = {64, 16384};
  std::vector<int> in_flight = {1, 32};
  int rounds = 30;
  bool quick = false;
};

// The last figure of the line of callgrind's file that sums up.
double TotalOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  double total = 0;
  while (std::getline(file, line)) {
    if (line.rfind("summary:", 0) == 0 || line.rfind("totals:", 0) == 0) {
      total = std::atof(line.c_str() + line.find(':') + 1);
    }
  }
  return total;
}

double Instructions(const std::string& program, Variant variant,
                    const Setting& at, const std::string& folder) {
  const std::string out = absl::StrCat(folder, "/callgrind.", at.transport(),
                                       ".", VariantName(variant), ".out");
  std::remove(out.c_str());
  std::vector<std::string> command = {"valgrind", "--quiet", "--tool=callgrind",
                                      "--instr-atstart=no",
                                      "--callgrind-out-file=" + out};
  for (std::string& word :
       WorkerCommand(program, "instructions", variant, at)) {
    command.push_back(std::move(word));
  }
  Child(command).ReadLine();
  return TotalOf(out) / kCountedCalls;
}

std::map<Variant, Counted> Count(const std::string& program, const Setting& at,
                                 const std::string& folder) {
  std::map<Variant, Counted> out;
  for (Variant variant : AllVariants()) {
    std::fprintf(stderr, "counting %s over %s\n", VariantName(variant).c_str(),
                 at.transport().c_str());
    Child worker(WorkerCommand(program, "allocs", variant, at));
    std::istringstream line(worker.ReadLine());
    Counted counted;
    if (!(line >> counted.allocations >> counted.ours)) continue;
    counted.allocations /= kCountedCalls;
    // Without a firebreak the bench's own interceptors are "ours".
    counted.ours = IsFirebreak(variant) ? counted.ours / kCountedCalls : 0;
    for (std::string place = worker.ReadLine(); !place.empty();
         place = worker.ReadLine()) {
      counted.places.push_back(place);
    }
    counted.instructions = Instructions(program, variant, at, folder);
    out[variant] = counted;
  }
  return out;
}

int Run(const std::string& program, const RunOptions& options) {
  Child echo({program, "serve"});
  const std::string address = echo.ReadLine();
  if (address.empty()) {
    std::fprintf(stderr, "overhead_bench: the echo server did not start\n");
    return 1;
  }
  const std::set<std::string> parts(options.parts.begin(), options.parts.end());
  Report report;
  Setting tcp;
  tcp.address = address;
  if (parts.count("counts") != 0) {
    report.tcp = Count(program, tcp, options.folder);
    PrintCounted("sync, 64 B, TCP, per call", report.tcp);
    report.inproc = Count(program, Setting{}, options.folder);
    PrintCounted("sync, 64 B, within the process (client and server), per call",
                 report.inproc);
  }
  if (parts.count("time") != 0) {
    const int cells =
        static_cast<int>(options.transports.size() * options.stubs.size() *
                         options.sizes.size() * options.in_flight.size());
    int done = 0;
    for (const std::string& transport : options.transports) {
      for (int in_flight : options.in_flight) {
        for (int size : options.sizes) {
          for (StubKind stub :
               {StubKind::kSync, StubKind::kCallback, StubKind::kQueue}) {
            const auto& stubs = options.stubs;
            if (std::find(stubs.begin(), stubs.end(), StubName(stub)) ==
                stubs.end()) {
              continue;
            }
            Setting at;
            if (transport == "tcp") at.address = address;
            at.stub = stub;
            at.size = size;
            at.in_flight = in_flight;
            // The cell of the last line gets more.
            int rounds = options.rounds;
            if (in_flight > 1) rounds = rounds / 2;
            if (in_flight == 1 && size == 64 && stub == StubKind::kSync) {
              rounds *= 3;
            }
            if (options.quick) rounds = rounds / 6;
            std::fprintf(stderr, "[%d/%d]\n", ++done, cells);
            report.cells.push_back(Measure(program, at, std::max(rounds, 3)));
            PrintCell(report.cells.back());
          }
        }
      }
    }
  }
  if (!WriteFiles(report, options.folder)) {
    std::fprintf(stderr, "overhead_bench: cannot write into %s\n",
                 options.folder.c_str());
    return 1;
  }
  std::printf("\n%s\n", LastLine(report).c_str());
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures what a call pays for firebreak.");
  app.require_subcommand(1);

  RunOptions options;
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

  // What the program starts of itself.
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
  return Run(std::filesystem::read_symlink("/proc/self/exe"), options);
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
