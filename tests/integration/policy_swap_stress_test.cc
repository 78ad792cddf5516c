// Many threads make calls, while the method has in turn no policy, one that
// guards calls and one that drives them. Each call is answered, and each one
// that was counted at its start is counted at its end.
// chaos/policy_swap_chaos_test.cc does this with each stub style separately.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr int kThreads = 10;  // more than stripes

std::string Policy(int n) {
  switch (n % 4) {
    case 0:
      return "method { name {} breaker {} }";
    case 1:
      return "method { name { service: \"p.Nothing\" } breaker {} }";
    case 2:
      return "method { name {} breaker {} retry {} }";
    default:
      return "method { name {} retry {} hedging { delay: \"10s\" } } "
             "channel { budget { burst: 50 } }";
  }
}

TEST(PolicySwapStressTest, EachCallIsAnsweredAndCountedWhole) {
  EchoServer server;
  auto engine = Engine::FromText(Policy(0));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
  std::atomic<bool> is_over{false};
  std::atomic<int64_t> calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Caller caller(static_cast<StubStyle>(t % 4), channel);
      while (!is_over) {
        UnaryCall call("hello");
        caller.Run(&call);
        EXPECT_TRUE(call.status.ok()) << call.status.error_message();
        ++calls;
      }
    });
  }
  for (int n = 1; n <= 200; ++n) {
    ASSERT_TRUE((*engine)->SetPolicyText(Policy(n)).ok());
    EXPECT_TRUE(Eventually([&, seen = calls + 5] { return calls >= seen; }));
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  const auto methods = (*engine)->core()->Methods();
  ASSERT_EQ(methods.size(), 1u);
  EXPECT_TRUE(
      Eventually([&] { return methods[0]->stats.counts().in_flight == 0; }));
  const core::MethodCounts counts = methods[0]->stats.counts();
  EXPECT_EQ(counts.end(core::CallEnd::kSuccess), counts.calls);
  EXPECT_EQ(methods[0]->stats.latency().count(), counts.calls);
  EXPECT_GT(counts.calls, 0);
  EXPECT_LT(counts.calls, calls) << "some had no policy";
}

}  // namespace
}  // namespace firebreak::testing
