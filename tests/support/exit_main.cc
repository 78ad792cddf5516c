// A program that ends while calls are in flight. process_exit_test.cc runs it:
//
//   exit_main TARGET PHASE HOW firebreak|plain
//
//   PHASE  inflight   calls of every style hang
//          hedges     calls and their hedges hang
//          backoff    calls have failed, and wait for their retry
//          busy       threads make calls all the time, hedged at once
//          ending     calls hang, and are answered while the program ends
//          idle       there were calls, but they have ended
//   HOW    return     main returns, with engine and channel on its stack
//          static     main returns, with engine and channel in static storage
//          exit       exit() on another thread, while main runs
//          quick_exit, _exit
//          fork       exit() in a forked child, with the engine in static
//                     storage; the parent waits for the child
//
// It starts its calls, waits for a line on stdin (or for the retries to be
// due), and ends with exit code 7.
#include <grpcpp/grpcpp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "tests/support/call_log.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr int kExitCode = 7;
bool g_is_forked = false;

struct Program {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<grpc::Channel> channel;
};

std::string PolicyFor(const std::string& phase) {
  if (phase == "hedges") {
    return "method { name {} hedging { max_attempts: 2 delay: \"1ms\" } }";
  }
  if (phase == "busy") {
    return "method { name {} hedging { max_attempts: 2 delay: \"0s\" } } "
           "channel { budget { ratio: 1 burst: 10000 } }";
  }
  return "method { name {} retry { max_attempts: 3 "
         "backoff { initial: \"1h\" max: \"1h\" jitter: NONE } } }";
}

std::string StepsFor(const std::string& phase) {
  if (phase == "busy" || phase == "idle") return "o o";
  return phase == "backoff" ? "u u u" : "h h h";
}

// Each call has its own thread, stub and queue, which live as long as the call,
// since a program must not destroy those while the call is in flight.
void StartCalls(const std::shared_ptr<grpc::Channel>& channel,
                const std::string& phase) {
  size_t id = 0;
  for (StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
        StubStyle::kCompletionQueueSplit}) {
    std::thread thread(
        [caller = std::make_unique<Caller>(style, channel), phase, id] {
          do {
            UnaryCall call(absl::StrCat(id, " ", StepsFor(phase)));
            call.context.AddMetadata(kCallIdKey, absl::StrCat(id));
            caller->Run(&call);
          } while (phase == "busy");
        });
    if (phase == "idle") {
      thread.join();
    } else {
      thread.detach();
    }
    ++id;
  }
}

void WaitForBackoffs(const Program& program) {
  for (;;) {
    for (const auto& method : program.engine->core()->Methods()) {
      const auto ends = method->stats.counts().attributions;
      if (ends[static_cast<size_t>(core::Attribution::kServerFailure)] == 4) {
        return;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Fill(Program* program, const std::string& target, const std::string& phase,
          const std::string& guard) {
  if (guard == "plain") {
    program->channel =
        grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
    return true;
  }
  auto engine = Engine::FromText(PolicyFor(phase));
  if (!engine.ok()) return false;
  program->engine = *std::move(engine);
  program->channel = program->engine->CreateChannel(
      "test", target, grpc::InsecureChannelCredentials());
  return true;
}

// Exits with the child's exit code, or with 3 if a signal ended the child. The
// channel is destroyed before the fork: in the child its destructor may wait
// for ever for the threads of gRPC's event engine, even without firebreak.
[[noreturn]] void ExitInAChild(Program* program) {
  program->channel.reset();
  const pid_t child = fork();
  if (child == 0) {
    g_is_forked = true;
    std::exit(kExitCode);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    std::cerr << "the child died of signal " << WTERMSIG(status) << std::endl;
    _exit(3);
  }
  _exit(WEXITSTATUS(status));
}

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string target = argv[1];
  const std::string phase = argv[2];
  const std::string how = argv[3];
  Program local;
  static Program lasting;
  Program* const program = how == "static" || how == "fork" ? &lasting : &local;
  if (!Fill(program, target, phase, argv[4])) return 2;
  StartCalls(program->channel, phase);
  std::string line;
  std::getline(std::cin, line);
  if (phase == "backoff") WaitForBackoffs(*program);
  if (how == "_exit") _exit(kExitCode);
  if (how == "quick_exit") std::quick_exit(kExitCode);
  if (how == "fork") ExitInAChild(program);
  if (how == "exit") {
    std::thread([] { std::exit(kExitCode); }).detach();
    for (;;) pause();
  }
  return kExitCode;
}

}  // namespace
}  // namespace firebreak::testing

// The leak checker calls this, if there is one. In a forked process, everything
// that only the parent's threads referred to would count as a leak, with or
// without firebreak.
extern "C" int __lsan_is_turned_off() {  // NOLINT: its name
  return firebreak::testing::g_is_forked ? 1 : 0;
}

int main(int argc, char** argv) { return firebreak::testing::Main(argc, argv); }
