#include "tools/firebreakctl/command_line/environment.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace firebreak::ctl {
namespace {

// Returns `otherwise` if the variable is not set, or empty.
std::string Get(const char* name, const char* otherwise = "") {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

// COLUMNS, or the width of the terminal; 0 if the output is no terminal.
size_t Width() {
  int columns = 0;
  if (absl::SimpleAtoi(Get("COLUMNS"), &columns) && columns > 0) {
    return static_cast<size_t>(columns);
  }
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

bool IsUtf8() {
  const std::string locale =
      Get("LC_ALL", Get("LC_CTYPE", Get("LANG").c_str()).c_str());
  const std::string lower = absl::AsciiStrToLower(locale);
  return absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
}

}  // namespace

void ReadEnvironment(Settings* settings, std::string* timeout) {
  settings->targets = absl::StrSplit(Get("FIREBREAK_TARGET", "127.0.0.1:50051"),
                                     ',', absl::SkipWhitespace());
  *timeout = Get("FIREBREAK_TIMEOUT", "5s");
  Security& security = settings->security;
  security.tls = Get("FIREBREAK_TLS", "0") != "0";
  security.ca_file = Get("FIREBREAK_CA");
  security.cert_file = Get("FIREBREAK_CERT");
  security.key_file = Get("FIREBREAK_KEY");
  security.server_name = Get("FIREBREAK_SERVER_NAME");
  security.token_file = Get("FIREBREAK_TOKEN_FILE");
  security.token = Get("FIREBREAK_TOKEN");
  // Colours are used in a terminal only, and not with NO_COLOR (no-color.org).
  const bool colours = isatty(STDOUT_FILENO) == 1 && Get("NO_COLOR").empty();
  settings->style = Style(colours, Width(), IsUtf8());
}

}  // namespace firebreak::ctl
