// Makes the scripts with which a shell completes the command line.
//
//   source <(firebreakctl completion bash)
//   source <(firebreakctl completion zsh)
//   firebreakctl completion fish | source
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace firebreak::ctl {

// The shells that have a script.
std::vector<std::string> CompletionShells();

// The script for one of these shells. It completes commands, options, file
// names and, by asking the server, names of methods.
std::string Completion(const CLI::App& app, const std::string& shell);

std::string BashCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_H_
