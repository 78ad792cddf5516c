// `firebreakctl top`: shows a fleet live in a terminal.
//
//   return Top(settings, options);       // until q, or it is interrupted
//
// If the output is no terminal, it prints one plain frame and ends.
//
// Keys: s next order, r reverse, / filter, up and down, q quit.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_TOP_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_TOP_H_

#include <string>
#include <vector>

#include "src/core/base/time.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/show/render.h"

namespace firebreak::ctl {

struct TopOptions {
  core::Duration interval = std::chrono::seconds(1);
  std::string sort = "worst";  // one of TopOrders()
  bool reverse = false;
  std::string filter;  // part of a name, of a target, or of a state
  bool once = false;   // also in a terminal
};

// "worst", "calls", "failed", "p99", "name".
std::vector<std::string> TopOrders();

// The frame to print, with at most `height` lines (0 = all), from the method
// `first` on. Columns that do not fit into the terminal are left out, the least
// important first.
std::string RenderTop(const Answers<v1::ListMethodsResponse>& answers,
                      const TopOptions& options, const Style& style,
                      size_t height = 0, size_t first = 0);

// Returns the exit code: 1 if it printed one frame and no target answered.
int Top(const Settings& settings, const TopOptions& options);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_TOP_H_
