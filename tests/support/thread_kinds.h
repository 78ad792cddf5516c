// Runs a function on each kind of thread that a program with firebreak has.
//
//   ThreadKinds threads(plain_channel);
//   threads.Run(ThreadKind::kPoller, engine->core(), [&] { engine.reset(); });
//
// Run() returns when the function has run. On the engine's own threads only
// objects that the function can drop keep the engine alive then, so the engine
// may end there.
//
// Thread safety: Run() from one thread at a time.
#ifndef FIREBREAK_TESTS_SUPPORT_THREAD_KINDS_H_
#define FIREBREAK_TESTS_SUPPORT_THREAD_KINDS_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>

#include "firebreak/testing/echo.grpc.pb.h"
#include "src/engine/engine_core.h"

namespace firebreak::testing {

enum class ThreadKind {
  kCaller,        // the thread that calls Run()
  kGrpcCallback,  // a thread on which gRPC runs callbacks
  kAppQueue,      // polls a completion queue of the application
  kPoller,        // this one and the next two are the engine's
  kTimer,
  kPool,
};
inline constexpr ThreadKind kThreadKinds[] = {
    ThreadKind::kCaller, ThreadKind::kGrpcCallback, ThreadKind::kAppQueue,
    ThreadKind::kPoller, ThreadKind::kTimer,        ThreadKind::kPool};
std::string ThreadKindName(ThreadKind kind);

class ThreadKinds {
 public:
  // `plain` is a channel without firebreak to a server that answers.
  explicit ThreadKinds(const std::shared_ptr<grpc::Channel>& plain)
      : plain_(Echo::NewStub(plain)) {}

  void Run(ThreadKind kind, std::shared_ptr<engine::EngineCore> core,
           std::function<void()> what);

 private:
  void RunInCallback(const std::function<void()>& what);
  void RunOnQueue(const std::function<void()>& what);
  void RunOnEngine(ThreadKind kind, std::shared_ptr<engine::EngineCore> core,
                   std::function<void()> what);

  const std::unique_ptr<Echo::Stub> plain_;
};

// The number of threads of this process that are not gRPC's, the caller
// included: those with the program's name. gRPC gives its threads names of
// their own as soon as they run, and starts and ends them as it likes, so one
// of them may be counted for a moment.
int OwnThreads();

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_THREAD_KINDS_H_
