// Every kind of thread that a program with firebreak has, to run something on.
//
//   ThreadKinds threads(plain_channel);
//   threads.Run(ThreadKind::kPoller, engine->core(), [&] { engine.reset(); });
//
// Run() returns when the closure has run. On the engine's own threads nothing
// but what the closure can drop keeps the engine alive by then, so it may well
// end there.
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
  kCaller,        // the one that asks
  kGrpcCallback,  // where gRPC runs completion callbacks
  kAppQueue,      // polls a completion queue of the application's
  kPoller,        // the engine's three
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

// Threads of this process that are not gRPC's, the caller's included: those
// that bear the program's name. gRPC names its own, in their first
// instructions, and makes and ends them as it likes; so one may be counted for
// a moment.
int OwnThreads();

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_THREAD_KINDS_H_
