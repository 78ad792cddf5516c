#include "examples/shop/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "examples/shop/wait.h"

namespace shop {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(20);
constexpr absl::Duration kStopLimit = absl::Seconds(5);

// Runs between fork and exec in a process with threads, so it only makes system
// calls.
[[noreturn]] void Become(char* const* argv, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // it ended before the prctl()
  // Ctrl-C in a terminal goes to the parent only, which then ends its children.
  setpgid(0, 0);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(
    const std::vector<std::string>& command, const std::string& log_path) {
  if (access(command[0].c_str(), X_OK) != 0) {
    return absl::ErrnoToStatus(errno, command[0]);
  }
  const int log =
      open(log_path.c_str(),
           O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return absl::ErrnoToStatus(errno, log_path);
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);

  ChildProcess child;
  child.log_path_ = log_path;
  const pid_t parent = getpid();
  child.pid_ = fork();
  if (child.pid_ == 0) Become(argv.data(), log, parent);
  const int fork_error = errno;
  close(log);
  if (child.pid_ < 0) return absl::ErrnoToStatus(fork_error, "fork");
  return child;
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  pid_ = std::exchange(other.pid_, -1);
  end_status_ = other.end_status_;
  log_path_ = std::move(other.log_path_);
  return *this;
}

ChildProcess::~ChildProcess() { Kill(); }

absl::StatusOr<std::string> ChildProcess::WaitForAddress() {
  std::string address;
  bool ended = false;
  absl::Status status = WaitUntil(
      absl::StrCat("a server to listen; see ", log_path_), kStartLimit, [&] {
        ended = HasEnded();
        std::ifstream in(log_path_);
        for (std::string line; std::getline(in, line);) {
          absl::string_view rest = line;
          // The last line of the file may be incomplete.
          if (!in.eof() && absl::ConsumePrefix(&rest, "listening on ")) {
            address = std::string(rest);
          }
        }
        return ended || !address.empty();
      });
  if (!status.ok()) return status;
  if (ended) {
    return absl::InternalError(
        absl::StrCat("a server ended at once: ", ReadFile(log_path_)));
  }
  return address;
}

absl::Status ChildProcess::Freeze() {
  if (HasEnded()) return absl::InternalError("the process to freeze has ended");
  kill(pid_, SIGSTOP);
  int status = 0;
  // Waits until the process has stopped, not only until the signal is sent.
  while (waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (WIFSTOPPED(status)) return absl::OkStatus();
  pid_ = -1;
  return absl::InternalError("the process ended instead of freezing");
}

void ChildProcess::Kill() {
  if (HasEnded()) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, &end_status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

bool ChildProcess::Terminate() {
  if (!HasEnded()) {
    kill(pid_, SIGTERM);
    if (!WaitUntil("", kStopLimit, [this] { return HasEnded(); }).ok()) Kill();
  }
  return WIFEXITED(end_status_) && WEXITSTATUS(end_status_) == 0;
}

bool ChildProcess::HasEnded() {
  if (pid_ < 0) return true;
  if (waitpid(pid_, &end_status_, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

}  // namespace shop
