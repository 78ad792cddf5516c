// The page for a browser without JavaScript: a table.
//
//   response.set_content(PlainPage(fleet.Last()), "text/html");
//
// Thread safety: a pure function.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PLAIN_PAGE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PLAIN_PAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/firebreakctl/show/render.h"

namespace firebreak::ctl {

// Escapes `text` for HTML: no tags, no control characters, no change of the
// text direction.
std::string HtmlText(absl::string_view text);

// The methods, worst first; of more than 500 only the worst.
std::string PlainPage(const Answers<v1::ListMethodsResponse>& answers);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_PLAIN_PAGE_H_
