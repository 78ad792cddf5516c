// What a shell needs to complete the command line.
//
//   source <(firebreakctl completion bash)
//   source <(firebreakctl completion zsh)
//   firebreakctl completion fish | source
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace firebreak::ctl {

// The shells there is a script for.
std::vector<std::string> CompletionShells();

// The script for one of them. It completes commands, options, names of files
// and, from the server, of methods.
std::string Completion(const CLI::App& app, const std::string& shell);

std::string BashCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_
