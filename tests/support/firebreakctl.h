// Runs the real firebreakctl, as a shell does.
//
//   Output output = Invoke("list --target " + address);
//   EXPECT_EQ(output.exit_code, 0) << output.err;
//
// For test programs that are built with FIREBREAKCTL_PATH.
#ifndef FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_
#define FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

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

// Runs `command` in a shell. Its environment has no variables of firebreak
// except `environment`. Its output goes to files that begin with `stem`, so
// that a test can read it while it runs.
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

// `prefix` is a command that runs it, such as "nsenter --net ...".
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

inline int64_t Lines(const std::string& text);

// A firebreakctl that runs until Stop().
class Follower {
 public:
  explicit Follower(const std::string& args)
      : stem_(NewStem()), thread_([this, args] {
          output_ = InvokeAt(
              stem_, "", args,
              absl::StrCat("sh -c 'echo $$ >", stem_, ".pid; exec \"$@\"' sh"));
        }) {}
  ~Follower() {
    Stop();
    for (const char* ext : {".out", ".err", ".pid"}) {
      unlink((stem_ + ext).c_str());
    }
  }
  // Ends it, and returns its output.
  const Output& Stop() {
    if (!thread_.joinable()) return output_;
    Wait(".pid", 1);
    kill(static_cast<pid_t>(std::atoi(ReadFile(stem_ + ".pid").c_str())),
         SIGTERM);
    thread_.join();
    return output_;
  }
  // Waits for so many lines; false after a long time.
  bool WaitForOut(int64_t lines) const { return Wait(".out", lines); }
  bool WaitForErr(int64_t lines) const { return Wait(".err", lines); }
  std::string out() const { return ReadFile(stem_ + ".out"); }
  std::string err() const { return ReadFile(stem_ + ".err"); }

 private:
  bool Wait(const char* ext, int64_t lines) const {
    for (int i = 0; i < 3000; ++i) {
      if (Lines(ReadFile(stem_ + ext)) >= lines) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  const std::string stem_;
  Output output_;
  std::thread thread_;  // last: it uses the others
};

inline int64_t Lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FIREBREAKCTL_H_
