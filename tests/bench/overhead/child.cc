#include "tests/bench/overhead/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace firebreak::bench {

Child::Child(const std::vector<std::string>& command) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0) return;
  if (pipe2(out.data(), O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) !=
      0) {
    pid_ = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
}

Child::~Child() {
  if (to_ != nullptr) std::fclose(to_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  if (from_ != nullptr) std::fclose(from_);
}

void Child::WriteLine(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
}

std::string Child::ReadLine() {
  std::string line;
  for (int c = std::fgetc(from_); c != EOF && c != '\n';
       c = std::fgetc(from_)) {
    line.push_back(static_cast<char>(c));
  }
  return line;
}

std::vector<int64_t> Child::ReadValues(size_t count) {
  std::vector<int64_t> values(count);
  values.resize(std::fread(values.data(), sizeof(int64_t), count, from_));
  return values;
}

}  // namespace firebreak::bench
