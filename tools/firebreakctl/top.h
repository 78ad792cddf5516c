// `firebreakctl top`: a fleet in a terminal, live.
//
//   return Top(settings, options);       // until q, or it is interrupted
//
// Where output is no terminal it prints one frame, plain, and ends.
//
// Keys: s the next order, r turned round, / a filter, up and down, q the end.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_TOP_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_TOP_H_

#include <string>
#include <vector>

#include "src/core/base/time.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/render.h"

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

// The frame as it is printed, `height` lines at most (0 = all), from the method
// `first` on. Whatever is too wide for the terminal is left out, the least
// important column first.
std::string RenderTop(const Answers<v1::ListMethodsResponse>& answers,
                      const TopOptions& options, const Style& style,
                      size_t height = 0, size_t first = 0);

// The exit code: 1 where no target answers, and it was one frame.
int Top(const Settings& settings, const TopOptions& options);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_TOP_H_
