// Replaces serve.cc if cpp-httplib is not found.
#include <iostream>

#include "tools/firebreakctl/live/serve.h"

namespace firebreak::ctl {

int Serve(const Settings& /*settings*/, const ServeOptions& /*options*/) {
  std::cerr << "firebreakctl: serve is not in this build: it was made without "
               "cpp-httplib (Debian: libcpp-httplib-dev). `firebreakctl top` "
               "shows the same in a terminal\n";
  return kExitUsage;
}

}  // namespace firebreak::ctl
