#include "tests/bench/overhead/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firebreak::bench {
namespace {

std::string NameOf(const std::vector<std::string>& command) {
  if (command.size() < 2) return command.front();
  return absl::StrJoin(command.begin() + 1, command.end(), " ");
}

}  // namespace

Child::Child(const std::vector<std::string>& command) : name_(NameOf(command)) {
  signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0) return;
  if (pipe2(out.data(), O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    return;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  // An exec would keep SIGPIPE ignored.
  sigset_t pipes;
  sigemptyset(&pipes);
  sigaddset(&pipes, SIGPIPE);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &pipes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(),
                   environ) != 0) {
    pid_ = -1;
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
}

Child::~Child() {
  Wait().IgnoreError();
  if (from_ != nullptr) std::fclose(from_);
}

void Child::WriteLine(const std::string& line) {
  if (to_ == nullptr) return;
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
}

std::string Child::ReadLine() {
  std::string line;
  if (from_ == nullptr) return line;
  for (int c = std::fgetc(from_); c != EOF && c != '\n';
       c = std::fgetc(from_)) {
    line.push_back(static_cast<char>(c));
  }
  return line;
}

std::vector<int64_t> Child::ReadValues(size_t count) {
  std::vector<int64_t> values(count);
  if (from_ == nullptr) return {};
  values.resize(std::fread(values.data(), sizeof(int64_t), count, from_));
  return values;
}

absl::Status Child::Wait() {
  if (to_ != nullptr) std::fclose(to_);
  to_ = nullptr;
  const std::string who = absl::StrCat("`", name_, "` ");
  if (pid_ < 0) return absl::InternalError(who + "could not be started");
  if (!ended_) {
    ended_ = 0;
    while (waitpid(pid_, &*ended_, 0) < 0 && errno == EINTR) {
    }
  }
  if (WIFSIGNALED(*ended_)) {
    const int number = WTERMSIG(*ended_);
    return absl::InternalError(absl::StrCat(
        who, "was killed by signal ", number, " (", strsignal(number), ")"));
  }
  if (WEXITSTATUS(*ended_) == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(who, "ended with exit status ", WEXITSTATUS(*ended_)));
}

absl::Status Child::WhyGone() {
  absl::Status status = Wait();
  if (!status.ok()) return status;
  return absl::InternalError(
      absl::StrCat("`", name_, "` ended before it had said everything"));
}

}  // namespace firebreak::bench
