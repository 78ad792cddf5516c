// Measures what operators cost the calls of the processes they look at.
//
//   scripts/bench admin                 about 12 minutes
//   scripts/bench admin --quick         two minutes, for a look
//   scripts/bench admin --viewers 10    viewers of the page of `firebreakctl
//                                       serve` in place of the operators
//
// Three processes with 200 methods each call a server, one process at a time.
// Each has ten watchers, and is asked for its state at an interval (operator.h:
// every five seconds, unless --every-ms says otherwise). Blocks of calls with
// and without the operators take turns. A ratio is the median, over all pairs,
// of a block with operators against its neighbour without.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/admin/operator.h"
#include "tests/bench/admin/page.h"
#include "tests/bench/admin/target.h"
#include "tests/bench/overhead/child.h"
#include "tests/bench/overhead/echo_host.h"

namespace firebreak::bench {
namespace {

constexpr int kTargets = 3;

struct Measured {
  double p50_ns = 0;
  double wall_ns = 0;
  double cpu_ns = 0;
  int ok = 0;
};

absl::StatusOr<Measured> RunBlock(Child* target, int calls) {
  target->WriteLine(absl::StrCat("calls ", calls));
  std::istringstream line(target->ReadLine());
  Measured out;
  line >> out.p50_ns >> out.wall_ns >> out.cpu_ns >> out.ok;
  if (line.fail()) return target->WhyGone();
  return out;
}

// Returns the milliseconds of CPU per second that `target` takes while nobody
// calls it.
double RestOf(Child* target) {
  constexpr int kSeconds = 5;
  target->WriteLine(absl::StrCat("rest ", kSeconds * 1000));
  std::istringstream line(target->ReadLine());
  double cpu_ns = 0;
  line >> cpu_ns;
  return cpu_ns / 1e6 / kSeconds;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "admin_bench: %s\n",
               std::string(status.message()).c_str());
  return 1;
}

struct Spread {
  double low, middle, high;  // quartiles
};

Spread Of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    return values.empty() ? 0
                          : values[static_cast<size_t>(
                                q * static_cast<double>(values.size() - 1))];
  };
  return {at(0.25), at(0.5), at(0.75)};
}

void Print(const char* what, const Spread& s) {
  std::printf("%-28s %.4f  (quartiles %.4f to %.4f)\n", what, s.middle, s.low,
              s.high);
}

// Those who look at the targets: operators, or viewers of the page.
class Lookers {
 public:
  Lookers(const std::vector<std::string>& targets,
          const Operator::Habits& habits, int viewers) {
    if (viewers > 0) {
      page_ =
          std::make_unique<PageViewers>(FIREBREAKCTL_PATH, targets, viewers);
      return;
    }
    for (const std::string& target : targets) {
      operators_.push_back(
          std::make_unique<Operator>(target, kSpareMethod, habits));
    }
  }

  void Begin() {
    if (page_ != nullptr && !page_->Begin()) ++failures_;
    for (const auto& each : operators_) each->Begin();
  }
  void End() {
    if (page_ != nullptr) page_->End();
    for (const auto& each : operators_) each->End();
  }
  // How many requests failed, and how often there was no page.
  int64_t failures() const {
    int64_t sum = failures_;
    for (const auto& each : operators_) sum += each->failures();
    return sum;
  }
  std::string Seen() const {
    if (page_ != nullptr) {
      return absl::StrCat(page_->bytes(), " bytes were sent to viewers");
    }
    int64_t events = 0;
    for (const auto& each : operators_) events += each->events();
    return absl::StrCat(events, " events were watched");
  }

 private:
  std::unique_ptr<PageViewers> page_;
  std::vector<std::unique_ptr<Operator>> operators_;
  int64_t failures_ = 0;
};

int Run(const std::string& program, int pairs, int calls,
        const Operator::Habits& habits, int viewers) {
  Child echo({program, "serve"});
  const std::string address = echo.ReadLine();
  if (address.empty()) return Fail(echo.WhyGone());
  std::vector<std::unique_ptr<Child>> targets;
  std::vector<std::string> sockets;
  std::vector<std::string> admins;
  for (int i = 0; i < kTargets; ++i) {
    sockets.push_back((std::filesystem::temp_directory_path() /
                       absl::StrCat("firebreak-admin-bench-", getpid(), "-", i))
                          .string());
    admins.push_back(absl::StrCat("unix:", sockets.back()));
    targets.push_back(std::make_unique<Child>(std::vector<std::string>{
        program, "target", "--echo", address, "--admin", admins.back()}));
    if (targets.back()->ReadLine() != "ready") {
      return Fail(targets.back()->WhyGone());
    }
  }
  Lookers lookers(admins, habits, viewers);

  std::vector<double> p50;
  std::vector<double> wall;
  std::vector<double> cpu;
  int failed = 0;
  for (int pair = 0; pair < pairs; ++pair) {
    Child* const target = targets[static_cast<size_t>(pair % kTargets)].get();
    Measured with;
    Measured without;
    // The two kinds take turns in being first, so that a drift favours neither.
    for (int half = 0; half < 2; ++half) {
      const bool is_with = half == pair / kTargets % 2;
      if (is_with) lookers.Begin();
      const absl::StatusOr<Measured> block = RunBlock(target, calls);
      if (is_with) lookers.End();
      if (!block.ok()) return Fail(block.status());
      (is_with ? with : without) = *block;
    }
    failed += 2 * calls - with.ok - without.ok;
    if (without.p50_ns <= 0) continue;
    p50.push_back(with.p50_ns / without.p50_ns);
    wall.push_back(with.wall_ns / without.wall_ns);
    cpu.push_back(with.cpu_ns / without.cpu_ns);
    if (pair % 10 == 9) std::fprintf(stderr, "[%d/%d]\n", pair + 1, pairs);
  }
  const double alone_ms = RestOf(targets[0].get());
  lookers.Begin();
  RestOf(targets[0].get());  // by its end the streams are open
  const double watched_ms = RestOf(targets[0].get());
  lookers.End();
  const int64_t refused = lookers.failures();
  targets.clear();
  for (const std::string& socket : sockets) unlink(socket.c_str());

  std::printf("%d targets of %d methods, %d %s; %s\n", kTargets, kMethods,
              viewers > 0 ? viewers : kTargets * habits.watchers,
              viewers > 0 ? "viewers of the page" : "watchers",
              lookers.Seen().c_str());
  std::printf("with operators / without, over %zu pairs of %d calls:\n",
              p50.size(), calls);
  Print("  median latency", Of(p50));
  Print("  wall time", Of(wall));
  Print("  CPU of the calling process", Of(cpu));
  std::printf(
      "a process that nobody calls takes %.2f ms of CPU a second, with "
      "operators %.2f\n",
      alone_ms, watched_ms);
  if (failed + refused > 0) {
    std::fprintf(stderr, "admin_bench: %d calls and %lld admin calls failed\n",
                 failed, static_cast<long long>(refused));
    return 1;
  }
  std::printf(
      "\nadmin: p50_ratio=%.4f wall_ratio=%.4f cpu_ratio=%.4f "
      "cpu_ms_per_s=%.2f\n",
      Of(p50).middle, Of(wall).middle, Of(cpu).middle, watched_ms - alone_ms);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures what operators cost the calls of those they look at.");
  app.require_subcommand(1);
  int pairs = 36;
  int calls = 30'000;
  bool quick = false;
  CLI::App* const run = app.add_subcommand("run", "measure, and print it");
  run->add_option("--pairs", pairs, "blocks with operators, and without")
      ->check(CLI::Range(3, 10'000))
      ->capture_default_str();
  run->add_option("--calls", calls, "calls of a block")
      ->check(CLI::Range(100, 1'000'000))
      ->capture_default_str();
  Operator::Habits habits;
  int64_t every_ms = habits.every.count();
  run->add_option("--watchers", habits.watchers, "of each target")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  run->add_option("--every-ms", every_ms, "between two looks at everything")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  int viewers = 0;
  run->add_option("--viewers", viewers,
                  "of the page of all targets, instead of those operators")
      ->check(CLI::Range(0, 30))
      ->capture_default_str();
  run->add_flag("--quick", quick, "a sixth of the pairs");
  // The program starts itself with these two.
  app.add_subcommand("serve", "the echo server; ends with its standard input");
  std::string echo;
  std::string admin;
  CLI::App* const target =
      app.add_subcommand("target", "one that is looked at");
  target->add_option("--echo", echo);
  target->add_option("--admin", admin);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (app.got_subcommand("serve")) return ServeUntilOrphaned();
  if (app.got_subcommand("target")) return RunTarget(echo, admin);
  habits.every = std::chrono::milliseconds(every_ms);
  return Run(std::filesystem::read_symlink("/proc/self/exe"),
             std::max(quick ? pairs / 6 : pairs, 3), calls, habits, viewers);
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
