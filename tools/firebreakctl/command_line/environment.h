// Reads the environment: defaults of options, and the kind of terminal.
//
// Thread safety: that of getenv().
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ENVIRONMENT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ENVIRONMENT_H_

#include <string>

#include "tools/firebreakctl/ask/commands.h"

namespace firebreak::ctl {

void ReadEnvironment(Settings* settings, std::string* timeout);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ENVIRONMENT_H_
