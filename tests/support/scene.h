// The objects of a program for one call, which it may drop in any order.
//
//   SceneWorld world;                    // a server, and numbers for calls
//   Scene scene;
//   scene.engine = MakeEngine(policy);
//   ...
//   scene.Drop({kChannel, kEngine});
//
// Thread safety: a Scene has none. Threads share a SceneWorld, except for its
// ThreadKinds.
#ifndef FIREBREAK_TESTS_SUPPORT_SCENE_H_
#define FIREBREAK_TESTS_SUPPORT_SCENE_H_

#include <atomic>
#include <memory>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/fault_server.h"
#include "tests/support/stub_styles.h"
#include "tests/support/thread_kinds.h"

namespace firebreak::testing {

enum Object { kEngine, kChannel, kStub, kContext };
inline constexpr const char* kObjectNames[] = {"engine", "channel", "stub",
                                               "context"};

// The objects of a program for one call.
struct Scene {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Echo::Stub> stub;
  std::unique_ptr<UnaryCall> call;

  void Drop(const std::vector<Object>& objects) {
    for (Object object : objects) {
      switch (object) {
        case kEngine:
          engine.reset();
          break;
        case kChannel:
          channel.reset();
          break;
        case kStub:
          stub.reset();
          break;
        case kContext:
          call.reset();
          break;
      }
    }
  }
};

// Shared by all scenes: a server, and the numbers of calls.
struct SceneWorld {
  SceneWorld() : log(100'000), server(&log) { KeepGrpc(); }

  CallLog log;
  FaultServer server;
  ThreadKinds threads{grpc::CreateChannel(server.address(),
                                          grpc::InsecureChannelCredentials())};
  std::atomic<size_t> next_id{0};
};

// The objects that gRPC lets a program drop while a call of this style runs.
inline std::vector<Object> MayGoInFlight(StubStyle style) {
  if (style == StubStyle::kSync) return {kEngine, kChannel};
  return {kEngine, kChannel, kStub};
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_SCENE_H_
