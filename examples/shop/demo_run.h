// What the programs that play a story do around it.
//
//   DemoFlags flags;
//   flags.AddTo(&app);
//   if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
//   return RunDemo("demo", flags, [&](const Folders& folders) {
//     return Story(folders).Play();
//   });
#ifndef FIREBREAK_EXAMPLES_SHOP_DEMO_RUN_H_
#define FIREBREAK_EXAMPLES_SHOP_DEMO_RUN_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "examples/shop/servers.h"

namespace shop {

struct DemoFlags {
  bool normal_priority = false;
  std::string keep_logs;

  void AddTo(CLI::App* app);
};

// Plays `story` with the programs beside this one and a folder for logs and
// books, which goes when all went well, unless it is to be kept. Before there
// are threads: a demo of answers in under a millisecond would, on a machine
// that builds something else meanwhile, mostly show for how long others keep
// the cores. So it and the servers it starts go first, where that is permitted.
//
// Returns the exit code: 1 when the story failed, after "NAME: failed: ...".
int RunDemo(const std::string& name, const DemoFlags& flags,
            absl::FunctionRef<absl::Status(const Folders&)> story);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_DEMO_RUN_H_
