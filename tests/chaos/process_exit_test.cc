// A process ends while calls are in flight. exit_main.cc is run many times.
// Each run ends in bounded time, with its own exit code and without a report of
// a sanitizer. The same program without firebreak shows what gRPC itself does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <tuple>

#include "absl/base/config.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/fault_server.h"

// <unistd.h> only declares it with _GNU_SOURCE.
extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace firebreak::testing {
namespace {

constexpr int kExitCode = 7;
constexpr int kCalls = 4;  // one of each style
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kRepeats = 3;  // a start takes several times as long with ASan
#else
constexpr int kRepeats = 5;
#endif

struct Ended {
  bool in_time = false;
  int status = -1;  // as waitpid() returns it
  std::string err;
};

class Child {
 public:
  explicit Child(std::vector<std::string> args)
      : err_path_(absl::StrCat(::testing::TempDir(), "firebreak-exit-",
                               getpid(), ".err")) {
    int pipe_ends[2];
    EXPECT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    go_ = pipe_ends[1];
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, pipe_ends[0], 0);
    posix_spawn_file_actions_addopen(&files, 2, err_path_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    // Writing to a process that has crashed must not end this process, which
    // has to report the crash. An ignored signal stays ignored across an exec.
    signal(SIGPIPE, SIG_IGN);
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &pipes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    EXPECT_EQ(
        posix_spawn(&pid_, argv[0], &files, &attributes, argv.data(), environ),
        0);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    close(pipe_ends[0]);
  }
  ~Child() {
    close(go_);
    unlink(err_path_.c_str());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Go() { EXPECT_EQ(write(go_, "\n", 1), 1); }

  Ended Wait() {
    Ended ended;
    ended.in_time = Eventually(
        [&] { return waitpid(pid_, &ended.status, WNOHANG) == pid_; });
    if (!ended.in_time) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &ended.status, 0);
    }
    std::ifstream file(err_path_);
    std::stringstream text;
    text << file.rdbuf();
    ended.err = text.str();
    return ended;
  }

 private:
  const std::string err_path_;
  pid_t pid_ = -1;
  int go_ = -1;
};

struct Run {
  const char* phase;
  const char* how;
  const char* guard;
};

class ProcessExitTest : public ::testing::TestWithParam<Run> {};

TEST_P(ProcessExitTest, EndsInTimeWithItsOwnExitCode) {
  KeepGrpc();
  const std::string phase = GetParam().phase;
  for (int i = 0; i < kRepeats; ++i) {
    CallLog log(kCalls);
    FaultServer server(&log);
    Child child({EXIT_MAIN_PATH, server.address(), phase, GetParam().how,
                 GetParam().guard});
    const int hang = phase == "inflight" || phase == "ending" ? kCalls
                     : phase == "hedges"                      ? 2 * kCalls
                                                              : 0;
    // For "busy", waits until the threads have made many calls.
    const int seen = phase == "busy" ? 200 : kCalls;
    EXPECT_TRUE(Eventually([&] {
      return server.hanging() >= hang && log.total_seen() >= seen;
    })) << "the calls did not come";
    child.Go();
    if (phase == "ending") server.ReleaseHanging();
    const Ended ended = child.Wait();
    EXPECT_TRUE(ended.in_time) << "it hung";
    EXPECT_TRUE(WIFEXITED(ended.status) &&
                WEXITSTATUS(ended.status) == kExitCode)
        << "signal " << WTERMSIG(ended.status) << ", exit code "
        << WEXITSTATUS(ended.status) << "\n"
        << ended.err;
    EXPECT_EQ(ended.err.find("Sanitizer"), std::string::npos) << ended.err;
    EXPECT_EQ(ended.err.find("runtime error"), std::string::npos) << ended.err;
    if (HasFailure()) return;
  }
}

std::vector<Run> Runs() {
  std::vector<Run> runs;
  for (const char* how : {"return", "static", "exit", "quick_exit", "_exit"}) {
    for (const char* phase :
         {"inflight", "hedges", "backoff", "busy", "ending", "idle"}) {
      runs.push_back({phase, how, "firebreak"});
    }
    for (const char* phase : {"inflight", "busy", "ending", "idle"}) {
      runs.push_back({phase, how, "plain"});
    }
  }
  // Not tested with busy threads: locks that they hold at the fork, even those
  // of malloc and gRPC, would be held for ever in the child.
  for (const char* phase : {"inflight", "hedges", "backoff", "idle"}) {
    runs.push_back({phase, "fork", "firebreak"});
  }
  for (const char* phase : {"inflight", "idle"}) {
    runs.push_back({phase, "fork", "plain"});
  }
  return runs;
}

INSTANTIATE_TEST_SUITE_P(Runs, ProcessExitTest, ::testing::ValuesIn(Runs()),
                         [](const ::testing::TestParamInfo<Run>& run) {
                           std::string name = absl::StrCat(run.param.guard, "_",
                                                           run.param.phase, "_",
                                                           run.param.how);
                           return name;
                         });

}  // namespace
}  // namespace firebreak::testing
