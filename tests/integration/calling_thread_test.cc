// The thread of a synchronous stub runs the attempts of its driven calls
// itself.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/base/config.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/gate.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kDriven[] = R"pb(retry {
                                  max_attempts: 3
                                  backoff { initial: "1ms" }
                                })pb";

TEST(CallingThreadTest, ASyncCallWakesNoPoller) {
  EngineFixture f(kDriven);
  engine::Io* const io = f.engine()->core()->io();
  const Caller caller(StubStyle::kSync, f.channel());
  ASSERT_TRUE(Eventually([&] { return io->parked_pollers() == 2; }));
  for (int i = 0; i < 50; ++i) {
    f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    UnaryCall call("x");
    caller.Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(io->parked_pollers(), 2);
  }
  EXPECT_EQ(f.server().calls(), 100) << "each call was retried once";
}

TEST(CallingThreadTest, ALoserIsSeenToByAPoller) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  f.server().Script({Step::Hang(), Step::Ok()});
  UnaryCall call("x");
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  engine::Io* const io = f.engine()->core()->io();
  EXPECT_TRUE(Eventually([&] { return io->parked_pollers() == 2; }));
}

TEST(CallingThreadTest, CanBeTurnedOff) {
  EchoServer server;
  EngineOptions options;
  options.drive_on_calling_thread = false;
  auto engine = Engine::FromText(
      absl::StrCat("method { name {} ", kDriven, " }"), options);
  ASSERT_TRUE(engine.ok());
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  server.Script({Step::Hang()});
  engine::Io* const io = (*engine)->core()->io();
  UnaryCall call("x");
  std::thread caller([&] { Caller(StubStyle::kSync, channel).Run(&call); });
  ASSERT_TRUE(server.WaitForCalls(1));
  EXPECT_LT(io->parked_pollers(), 2) << "a poller waits for the attempt";
  server.Release();
  caller.join();
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
}

TEST(CallingThreadTest, ManySyncCallersNeedNoPollers) {
  EngineFixture f(kDriven);
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&] {
      const Caller caller(StubStyle::kSync, f.channel());
      for (int n = 0; n < 20; ++n) {
        UnaryCall call("x");
        caller.Run(&call);
        if (call.status.ok()) ++answered;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(answered, 320);
  EXPECT_EQ(f.counts().in_flight, 0);
}

// The kind of load for which hedging is made. It found a bug: a caller queue
// accessed itself after it had been deleted (ASan reported that in each of
// three runs).
TEST(CallingThreadTest, AStormOfHedgedCallsLeavesNothingBehind) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  constexpr int kEach = 150;
#else
  constexpr int kEach = 50;
#endif
  constexpr int kThreads = 64;
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&] {
      const Caller caller(StubStyle::kSync, f.channel());
      for (int n = 0; n < kEach; ++n) {
        UnaryCall call("x");
        caller.Run(&call);
        if (call.status.ok()) ++answered;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(answered, kThreads * kEach);
  EXPECT_EQ(f.counts().in_flight, 0);
  engine::Io* const io = f.engine()->core()->io();
  EXPECT_TRUE(Eventually([&] { return io->parked_pollers() >= 2; }));
  EXPECT_TRUE(Eventually([&] { return io->armed_timers() == 0; }));
}

// The bug was: if a call ended at its deadline before the timer of its retry
// fired, it did not remove that timer, and was destroyed with it in the queue.
TEST(CallingThreadTest, ACallThatEndsBeforeItsTimerRingsTakesItAlong) {
  struct Blocker : engine::TimerClient {
    void OnTimer() override { gate.Pass(); }
    Gate gate;
  };
  EngineFixture f("retry { backoff { initial: \"20ms\" jitter: NONE } }");
  engine::Io* const io = f.engine()->core()->io();
  // One timer for each thread that timers may ever have.
  auto blocker = std::make_shared<Blocker>();
  std::vector<engine::Timer> late(engine::Io::kMaxTimerThreads);
  for (engine::Timer& each : late) {
    each.client = blocker;
    io->Arm(&each, engine::Now());
  }
  ASSERT_TRUE(blocker->gate.WaitForArrival(engine::Io::kMaxTimerThreads))
      << "all threads of the timers are ours";
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  {
    UnaryCall call("x");
    call.context.set_deadline(std::chrono::system_clock::now() +
                              std::chrono::milliseconds(200));
    Caller(StubStyle::kSync, f.channel()).Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_EQ(f.server().calls(), 1) << "the retry's timer has not rung";
  EXPECT_EQ(io->armed_timers(), 0u);
  blocker->gate.Open([] {});
}

}  // namespace
}  // namespace firebreak::testing
