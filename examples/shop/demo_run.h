// The common parts of all programs that play a story.
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

// Plays `story` with the programs in the folder of this one, and a folder for
// logs and databases, which is removed after success unless it is to be kept.
// To be called before there are threads: the program raises its priority and
// that of its servers, where that is permitted. Otherwise, on a machine that
// builds something else meanwhile, a demo of answers in under a millisecond
// would mostly show how long other programs keep the cores.
//
// Returns the exit code: 1 if the story failed, after "NAME: failed: ...".
int RunDemo(const std::string& name, const DemoFlags& flags,
            absl::FunctionRef<absl::Status(const Folders&)> story);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_DEMO_RUN_H_
