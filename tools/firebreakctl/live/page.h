// The files of the web page, from tools/firebreakctl/page. They are compiled
// into the program.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PAGE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PAGE_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::ctl {

struct PageFile {
  absl::string_view name;  // "index.html"
  absl::string_view text;
};
// In the order of their names.
std::vector<PageFile> PageFiles();

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PAGE_H_
