// `firebreakctl serve`: a page of a fleet, for a browser.
//
//   return Serve(settings, options);            // until it is interrupted
//
// Where cpp-httplib was not found at build time there is none, and it says so.
//
// Who may: the page listens on the loopback interface, and answers to no other
// name than its own, so that no other page can reach it by a name that it has
// pointed here (DNS rebinding). It only shows. With `allow_changes` it also
// overrides, clears and resets, for who has the token, and from its own page
// alone: a request of another site carries no token, has another Origin, and is
// no JSON. What the admin services make of such a change is theirs to say.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_SERVE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_SERVE_H_

#include <string>
#include <vector>

#include "tools/firebreakctl/commands.h"

namespace firebreak::ctl {

struct ServeOptions {
  std::string listen = "127.0.0.1:8090";  // port 0: any
  // Further names that a browser may call it by, without a port.
  std::vector<std::string> hosts;
  bool allow_changes = false;
  // Of a file, or empty: one that is drawn, and printed.
  std::string change_token_file;
};

// The exit code: 2 where it cannot begin, after a line on standard error.
int Serve(const Settings& settings, const ServeOptions& options);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_SERVE_H_
