// Plays the story of the shop example: see story.h. scripts/demo builds and
// runs it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "absl/time/time.h"
#include "examples/shop/facts.h"
#include "examples/shop/priority.h"
#include "examples/shop/report.h"
#include "examples/shop/story.h"
#include "examples/shop/wait.h"

namespace shop {
namespace {

namespace fs = std::filesystem;

constexpr char kHelp[] =
    "Starts the servers of a shop on loopback ports, lets customers "
    "create orders, freezes payment, kills and restarts it, and shows how "
    "firebreak reacts. It takes about 25 s. The exit code is 0 only if the "
    "story happened as it should.\n";

absl::Status Run(const Story::Options& options) {
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
  std::string keep_logs;
  app.add_option("--keep-logs", keep_logs,
                 "folder for the servers' logs; without it they are removed "
                 "unless the demo fails");
  bool normal_priority = false;
  app.add_flag("--normal-priority", normal_priority,
               "share the cores with other programs on equal terms; otherwise "
               "the demo goes first, when run by root");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  if (!normal_priority) GoFirst();
  CatchInterrupts();
  std::error_code error;
  Story::Options options;
  options.phase = absl::Seconds(seconds);
  options.folders.programs =
      fs::read_symlink("/proc/self/exe", error).parent_path().string();
  options.folders.logs = keep_logs.empty() ? MakeLogFolder() : keep_logs;
  if (!keep_logs.empty()) fs::create_directories(keep_logs, error);
  if (options.folders.logs.empty() || error) {
    std::cerr << "demo: failed: cannot create a folder for logs: "
              << error.message() << "\n";
    return 1;
  }
  // Books from an earlier run would count as this one's.
  for (const char* file :
       {"ledger", "orders.log.sqlite", "orders.log.sqlite-wal",
        "baseline-orders.log.sqlite", "baseline-orders.log.sqlite-wal"}) {
    fs::remove(options.folders.logs + "/" + file, error);
  }

  const absl::Status status = Run(options);
  if (status.ok()) {
    if (keep_logs.empty()) fs::remove_all(options.folders.logs, error);
    return 0;
  }
  std::cout.flush();
  std::cerr << "\nlogs: " << options.folders.logs
            << "\ndemo: failed: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
