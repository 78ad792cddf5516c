// What a shell needs to complete the command line.
//
//   source <(firebreakctl completion bash)
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>

namespace firebreak::ctl {

// For bash: commands, options, and, from the server, names of methods.
std::string BashCompletion(const CLI::App& app);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_H_
