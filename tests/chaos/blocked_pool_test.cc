// Fallbacks that never return: every thread of the callback pool is blocked in
// the application's code, and the queue is full. Calls then get no fallback,
// but are not affected in any other way.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/admin_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/flight.h"
#include "tests/support/gate.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;
using Ms = std::chrono::milliseconds;

constexpr int kThreads = 2;
constexpr int kQueue = 3;

std::chrono::system_clock::time_point In(Ms ms) {
  return std::chrono::system_clock::now() + ms;
}

class BlockedPoolTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  struct Blocked {
    explicit Blocked(StubStyle style) : flight(style) {}
    UnaryCall call{"blocked"};
    Flight flight;
  };

  BlockedPoolTest() {
    KeepGrpc();
    EngineOptions options;
    options.callback_threads = kThreads;
    options.callback_queue = kQueue;
    // There is only one attempt, so each failure leads to the fallback.
    auto engine = Engine::FromText(
        "method { name {} timeout: \"1h\" breaker {"
        "  consecutive_failures: 1000 failure_rate: 0 } }",
        options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    core_ = engine_->core();
    EXPECT_TRUE(
        engine_
            ->SetFallback("test", kUnaryMethod,
                          [this](const grpc::ByteBuffer&, const grpc::Status&,
                                 grpc::ByteBuffer*) {
                            ++fallbacks_;
                            gate_.Pass();
                            return grpc::Status(StatusCode::ABORTED, "late");
                          })
            .ok());
    channel_ = NewChannel("test");
    server_.Script(std::vector<Step>(
        100, Step::Fail(StatusCode::NOT_FOUND, "nothing", "details")));
    stub_ = Echo::NewStub(channel_);
    // One more call than there is room for.
    for (int i = 0; i <= kThreads + kQueue; ++i) {
      blocked_.push_back(std::make_unique<Blocked>(GetParam()));
      Blocked* const each = blocked_.back().get();
      if (i == 0) each->call.context.set_deadline(In(Ms(300)));
      each->flight.Start(stub_.get(), &each->call);
      // They start one by one, and occupy first the threads and then the queue.
      if (i < kThreads) {
        EXPECT_TRUE(gate_.WaitForArrival(i + 1));
      }
      EXPECT_TRUE(server_.WaitForCalls(i + 1));
    }
    // The last one to come was refused, so now the pool is full.
    auto refused = blocked_.end();
    EXPECT_TRUE(Eventually([&] {
      refused = std::find_if(
          blocked_.begin() + kThreads, blocked_.end(),
          [](const auto& each) { return each->flight.ends() == 1; });
      return refused != blocked_.end();
    }));
    if (refused == blocked_.end()) return;
    (*refused)->flight.Wait();
    EXPECT_EQ(Trailing((*refused)->call.context, "firebreak-reason"),
              "fallback_failed");
    blocked_.erase(refused);
  }

  ~BlockedPoolTest() override {
    gate_.Open([] {});
    for (auto& each : blocked_) each->flight.Wait();
    blocked_.clear();
    stub_.reset();
    channel_.reset();
    engine_.reset();
    EXPECT_TRUE(Eventually([this] { return core_.expired(); }));
  }

  std::shared_ptr<grpc::Channel> NewChannel(const std::string& name) {
    return engine_->CreateChannel(name, server_.address(),
                                  grpc::InsecureChannelCredentials());
  }

  Gate gate_;
  std::atomic<int> fallbacks_{0};
  EchoServer server_;
  std::shared_ptr<Engine> engine_;
  std::weak_ptr<engine::EngineCore> core_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Echo::Stub> stub_;
  std::vector<std::unique_ptr<Blocked>> blocked_;
};
INSTANTIATE_TEST_SUITE_P(Styles, BlockedPoolTest, AllStyles(), StyleName);

TEST_P(BlockedPoolTest, FurtherCallsEndWithTheFailureItself) {
  const Caller caller(GetParam(), channel_);
  for (int i = 0; i < 20; ++i) {
    UnaryCall call("further");
    call.context.set_deadline(In(Ms(30'000)));
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(call.status.error_message(), "nothing");
    EXPECT_EQ(call.status.error_details(), "details");
    ASSERT_EQ(Trailing(call.context, "firebreak-reason"), "fallback_failed");
  }
}

TEST_P(BlockedPoolTest, ARefusalKeepsItsReason) {
  for (auto& runtime : engine_->core()->Methods()) {
    runtime->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
  }
  UnaryCall call("refused");
  Caller(GetParam(), channel_).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "forced_open");
}

// The first blocked call has a deadline, and its thread never returns.
TEST_P(BlockedPoolTest, ADeadlineEndsACallWhoseFallbackDoesNot) {
  Blocked* const first = blocked_.front().get();
  first->flight.Wait();
  EXPECT_EQ(first->flight.ends(), 1);
  EXPECT_EQ(first->flight.status().error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(first->flight.status().error_message(), "nothing");
  // The others have no deadline. Calls whose fallback has begun still wait.
  // Those in the queue wait for CallDriver::kFallbackPatience, which may have
  // passed by now.
  for (size_t i = 1; i < kThreads; ++i) {
    EXPECT_EQ(blocked_[i]->flight.ends(), 0) << i;
  }
}

TEST_P(BlockedPoolTest, ACancelEndsBlockedAndQueuedCallsAlike) {
  for (size_t i = 1; i < blocked_.size(); ++i) {
    blocked_[i]->call.context.TryCancel();
  }
  for (size_t i = 1; i < blocked_.size(); ++i) {
    blocked_[i]->flight.Wait();
    EXPECT_EQ(blocked_[i]->flight.status().error_code(), StatusCode::CANCELLED);
  }
}

// A fallback whose call has ended while it was queued would work for nothing.
TEST_P(BlockedPoolTest, AFallbackWhoseCallIsOverIsNotBegun) {
  for (size_t i = 1; i < blocked_.size(); ++i) {
    blocked_[i]->call.context.TryCancel();
  }
  for (auto& each : blocked_) each->flight.Wait();
  gate_.Open([] {});
  blocked_.clear();
  stub_.reset();
  channel_.reset();
  engine_.reset();
  ASSERT_TRUE(Eventually([this] { return core_.expired(); }));
  EXPECT_EQ(fallbacks_, kThreads);
}

TEST_P(BlockedPoolTest, OtherMethodsDoNotNotice) {
  server_.Script({});
  const Caller other(GetParam(), NewChannel("other"));
  for (int i = 0; i < 20; ++i) {
    UnaryCall call("other");
    call.context.set_deadline(In(Ms(30'000)));
    other.Run(&call);
    ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  }
}

TEST_P(BlockedPoolTest, ASuccessNeedsNoPool) {
  server_.Script({});
  UnaryCall call("fine");
  Caller(GetParam(), channel_).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "fine");
}

// The engine's destructor does not wait for fallbacks that never return. The
// blocked threads keep the engine's core until they end, in the destructor
// above.
TEST_P(BlockedPoolTest, TheEngineMayGoMeanwhile) {
  for (size_t i = 1; i < blocked_.size(); ++i) {
    blocked_[i]->call.context.TryCancel();
  }
  for (auto& each : blocked_) each->flight.Wait();
  blocked_.clear();
  std::promise<void> dropped;
  std::thread drops([&] {
    stub_.reset();
    channel_.reset();
    engine_.reset();
    dropped.set_value();
  });
  EXPECT_EQ(dropped.get_future().wait_for(std::chrono::seconds(30)),
            std::future_status::ready);
  EXPECT_FALSE(core_.expired()) << "then nothing was blocked";
  gate_.Open([] {});  // otherwise a failed test would hang here
  drops.join();
}

}  // namespace
}  // namespace firebreak::testing
