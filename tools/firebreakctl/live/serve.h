// `firebreakctl serve`: a web page that shows a fleet.
//
//   return Serve(settings, options);            // until it is interrupted
//
// If cpp-httplib was not found at build time, Serve() only reports that.
//
// Access: the page listens on the loopback interface, and only answers requests
// for its own name, so that no other page can reach it by a name that resolves
// to this address (DNS rebinding). It is read-only. With `allow_changes` it can
// also override, clear and reset breakers, for a user who has the token, and
// from its own page only: a request of another site carries no token, has
// another Origin, and is no JSON. The admin services decide whether to accept
// such a change.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_SERVE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_SERVE_H_

#include <string>
#include <vector>

#include "tools/firebreakctl/ask/commands.h"

namespace firebreak::ctl {

struct ServeOptions {
  std::string listen = "127.0.0.1:8090";  // port 0: any
  // Further host names that are accepted, without a port.
  std::vector<std::string> hosts;
  bool allow_changes = false;
  // A file with the token. If empty, a random token is printed.
  std::string change_token_file;
};

// Returns the exit code: 2 after an error message if it cannot start.
int Serve(const Settings& settings, const ServeOptions& options);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_SERVE_H_
