// Runs the real firebreakctl, as a shell does.
//
//   Output output = Invoke("list --target " + address);
//   EXPECT_EQ(output.exit_code, 0) << output.err;
//
// For programs that are built with FIREBREAKCTL_PATH.
#ifndef FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_
#define FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace firebreak::testing {

struct Output {
  int exit_code = -1;
  std::string out;
  std::string err;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string NewStem() {
  static int serial = 0;
  return absl::StrCat(::testing::TempDir(), "firebreakctl-", getpid(), "-",
                      ++serial);
}

// `command` as a shell has it, with nothing of firebreak's in its environment
// but `environment`. `stem` is where its output goes, so that a test can look
// at it while it runs.
inline Output RunShell(const std::string& stem, const std::string& environment,
                       const std::string& command) {
  const std::string line = absl::StrCat(
      "env -u COLUMNS -u FIREBREAK_TARGET -u FIREBREAK_TOKEN ", environment,
      " ", command, " >'", stem, ".out' 2>'", stem, ".err' </dev/null");
  const int status = std::system(line.c_str());
  Output output;
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  output.out = ReadFile(stem + ".out");
  output.err = ReadFile(stem + ".err");
  return output;
}

// `prefix`: what runs it, in front of it: "nsenter --net ...".
inline Output InvokeAt(const std::string& stem, const std::string& environment,
                       const std::string& args,
                       const std::string& prefix = "") {
  return RunShell(stem, environment,
                  absl::StrCat(prefix, " '", FIREBREAKCTL_PATH, "' ", args));
}

inline Output Invoke(const std::string& args,
                     const std::string& environment = "",
                     const std::string& prefix = "") {
  const std::string stem = NewStem();
  Output output = InvokeAt(stem, environment, args, prefix);
  unlink((stem + ".out").c_str());
  unlink((stem + ".err").c_str());
  return output;
}

inline int64_t Lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_
