#include "tests/support/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

constexpr int kGenerousMs = 30'000;

// Ends the program: without its server, the test cannot go on.
[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "ServerProcess: " << what << " (errno " << errno << ")\n";
  std::abort();
}

// `out` becomes the child's standard output; -1: it shares this process's.
pid_t Spawn(const std::vector<std::string>& words, int out) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  // If the child inherited sockets, connections that this process closes would
  // stay open.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  errno = error;
  return error == 0 ? pid : -1;
}

int WaitFor(pid_t pid, int options) {
  int status = 0;
  while (waitpid(pid, &status, options) < 0 && errno == EINTR) {
  }
  return status;
}

std::string ReadLine(int fd) {
  std::string line;
  for (;;) {
    pollfd entry = {fd, POLLIN, 0};
    char c = 0;
    if (poll(&entry, 1, kGenerousMs) <= 0 || read(fd, &c, 1) != 1) return "";
    if (c == '\n') return line;
    line += c;
  }
}

}  // namespace

ServerProcess::ServerProcess(const Options& options)
    : options_(options), guard_(tcp::NewSocket()) {
  const int on = 1;
  // gRPC's own sockets have this option, too.
  setsockopt(guard_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  port_ = tcp::Bind(guard_, 0);
  Start();
}

ServerProcess::~ServerProcess() {
  Kill();
  tcp::Close(&guard_);
}

void ServerProcess::Start() {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) Fail("pipe");
  std::vector<std::string> words = {options_.program,
                                    absl::StrCat("--parent=", getpid()),
                                    absl::StrCat("--port=", port_)};
  if (options_.program.empty()) {
    words.front() = FIREBREAK_ECHO_SERVER_PATH;
    words.push_back(absl::StrCat("--delay_ms=", options_.delay_ms));
    words.push_back(absl::StrCat("--max_connection_age_ms=",
                                 options_.max_connection_age_ms));
    words.push_back(
        absl::StrCat("--own_network=", options_.own_network ? 1 : 0));
  }
  words.insert(words.end(), options_.arguments.begin(),
               options_.arguments.end());
  pid_ = Spawn(words, out[1]);
  close(out[1]);
  if (pid_ < 0) Fail(absl::StrCat("cannot start ", words.front()));
  const std::string line = ReadLine(out[0]);
  close(out[0]);
  if (line != absl::StrCat("listening on ", port_)) {
    Fail(absl::StrCat("the server does not listen; it said '", line, "'"));
  }
}

void ServerProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  WaitFor(pid_, 0);
  pid_ = -1;
}

void ServerProcess::Freeze() {
  kill(pid_, SIGSTOP);
  // Waits until the process has stopped, not only until the signal is sent.
  if (!WIFSTOPPED(WaitFor(pid_, WUNTRACED))) Fail("it did not freeze");
}

void ServerProcess::Thaw() {
  kill(pid_, SIGCONT);
  if (!WIFCONTINUED(WaitFor(pid_, WCONTINUED))) Fail("it did not thaw");
}

void ServerProcess::Restart() {
  Kill();
  Start();
}

void ServerProcess::Drain() { kill(pid_, SIGTERM); }

bool ServerProcess::WaitForExit() {
  for (int ms = 0; ms < kGenerousMs; ++ms) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

int RunProgram(const std::vector<std::string>& argv) {
  const pid_t pid = Spawn(argv, -1);
  if (pid < 0) return -1;
  const int status = WaitFor(pid, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace firebreak::testing
