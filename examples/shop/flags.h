// Parses the command lines of the programs of this example.
//
//   CLI::App app("The user service of the shop example.", "user_server");
//   flags.AddTo(&app);
//   if (const auto exit = shop::ParseFlags(&app, argc, argv)) return *exit;
#ifndef FIREBREAK_EXAMPLES_SHOP_FLAGS_H_
#define FIREBREAK_EXAMPLES_SHOP_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/types/optional.h"

namespace shop {

// Returns the exit code if the program should end now, after it has said why: 0
// for --help, 2 for wrong flags.
absl::optional<int> ParseFlags(CLI::App* app, int argc, char** argv);

// Returns the path of a file in the folder of `program`, which is argv[0]. The
// build puts the policies there.
std::string Beside(const std::string& program, const std::string& file);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_FLAGS_H_
