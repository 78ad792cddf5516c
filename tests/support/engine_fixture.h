// An engine with a policy, a server, and channels between them.
//
//   EngineFixture f(R"pb(retry { max_attempts: 3 })pb");
//   Caller caller(GetParam(), f.channel());
//   EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kRetry), 2);
#ifndef FIREBREAK_TESTS_SUPPORT_ENGINE_FIXTURE_H_
#define FIREBREAK_TESTS_SUPPORT_ENGINE_FIXTURE_H_

#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/call_options.h"
#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/support/echo_server.h"

namespace firebreak::testing {

inline constexpr char kUnaryMethod[] = "/firebreak.testing.Echo/Unary";

// Waits for a condition that another thread causes; false after a long time.
// For states without a notification.
template <class Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 30'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// gRPC shuts down with its last object, and then waits up to 10 s for a poller
// that a large message has left behind. This reference prevents the shutdown.
inline void KeepGrpc() {
  static const bool kept = (grpc_init(), true);
  (void)kept;
}

// An engine with `method_policy` for every method, and a budget that never runs
// out, which has tests of its own.
inline std::shared_ptr<Engine> MakeEngine(const std::string& method_policy) {
  auto engine = Engine::FromText(
      absl::StrCat("method { name {} ", method_policy, " }",
                   "channel { budget { ratio: 1 burst: 10000 } }"));
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// To be called before the call that is made with `context`, and once only.
inline void AskForReport(grpc::ClientContext* context) {
  CallOptions options;
  options.report = true;
  EXPECT_TRUE(options.Set(context).ok());
}

class EngineFixture {
 public:
  explicit EngineFixture(const std::string& method_policy)
      : engine_(MakeEngine(method_policy)), channel_(NewChannel()) {}

  EchoServer& server() { return server_; }
  const std::shared_ptr<Engine>& engine() { return engine_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  std::shared_ptr<grpc::Channel> NewChannel(ChannelOptions options = {}) {
    return engine_->CreateChannel("test", server_.address(),
                                  grpc::InsecureChannelCredentials(),
                                  std::move(options));
  }

  // Connects channel(). It is for calls whose time is short, since all of it
  // may pass before the server hears of them.
  void Connect() {
    ASSERT_TRUE(channel_->WaitForConnected(std::chrono::system_clock::now() +
                                           std::chrono::seconds(20)));
  }

  // A channel without gRPC's own retry filter, which removes the metadata that
  // says how many attempts came before.
  std::shared_ptr<grpc::Channel> NewNumberingChannel() {
    ChannelOptions options;
    options.args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    return NewChannel(std::move(options));
  }

  std::shared_ptr<engine::MethodRuntime> runtime(
      const std::string& method = kUnaryMethod) {
    for (auto& runtime : engine_->core()->Methods()) {
      if (runtime->method == method) return runtime;
    }
    return nullptr;
  }
  core::MethodCounts counts(const std::string& method = kUnaryMethod) {
    auto found = runtime(method);
    return found == nullptr ? core::MethodCounts{} : found->stats.counts();
  }
  core::BreakerSnapshot breaker(const std::string& method = kUnaryMethod) {
    return runtime(method)->breakers().front()->Snapshot(engine::Now());
  }

 private:
  EchoServer server_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<grpc::Channel> channel_;
};

inline std::string Trailing(const grpc::ClientContext& context,
                            const std::string& key) {
  const auto& all = context.GetServerTrailingMetadata();
  auto found = all.find(key);
  return found == all.end()
             ? ""
             : std::string(found->second.data(), found->second.size());
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_ENGINE_FIXTURE_H_
