// Plays the story of the shop example: see story.h. scripts/demo builds and
// runs it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>

#include "absl/time/time.h"
#include "examples/shop/demo_run.h"
#include "examples/shop/facts.h"
#include "examples/shop/flags.h"
#include "examples/shop/report.h"
#include "examples/shop/story.h"

namespace shop {
namespace {

constexpr char kHelp[] =
    "Starts the servers of a shop on loopback ports, lets customers "
    "create orders, freezes payment, kills and restarts it, and shows how "
    "firebreak reacts. It takes about 25 s. The exit code is 0 only if the "
    "story happened as it should.\n";

absl::Status Run(const Story::Options& options) {
  // Files of an earlier run would be counted as part of this one.
  for (const char* file :
       {"ledger", "orders.log.sqlite", "orders.log.sqlite-wal",
        "baseline-orders.log.sqlite", "baseline-orders.log.sqlite-wal"}) {
    std::error_code error;
    std::filesystem::remove(options.folders.logs + "/" + file, error);
  }
  const Report report;
  Story story(options, &report);
  const absl::StatusOr<Facts> facts = story.Play();
  if (!facts.ok()) return facts.status();
  if (absl::Status s = Judge(*facts); !s.ok()) return s;
  if (const std::string slow = TooSlow(*facts); !slow.empty()) {
    std::cout << "\nslow: " << slow
              << ". Other work on this machine does that; try it on a quiet "
                 "one.\n";
  }
  std::cout << "\n" << FinalLine(*facts) << std::endl;
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app(kHelp, "shop_demo");
  double seconds = 3;
  app.add_option("--seconds-per-phase", seconds,
                 "length of the phases that the breaker does not determine")
      ->check(CLI::Range(1.0, 600.0))
      ->capture_default_str();
  DemoFlags flags;
  flags.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  return RunDemo("demo", flags, [&](const Folders& folders) {
    Story::Options options;
    options.phase = absl::Seconds(seconds);
    options.folders = folders;
    return Run(options);
  });
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
