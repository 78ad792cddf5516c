// Recovery after an outage: the engine reconnects before a probe needs the
// connection, and a new connection ends the wait for one.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/core/base/duration.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kOpensQuickly[] =
    "breaker { consecutive_failures: 2 probes: 1 open_duration: \"300ms\" "
    "max_open_duration: \"300ms\" open_jitter: 0 }";

class RecoveryTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Makes calls until the breaker is open.
  void Trip(const Caller& caller, EngineFixture* f) {
    for (int i = 0; i < 2; ++i) {
      UnaryCall call;
      caller.Run(&call);
      EXPECT_FALSE(call.status.ok());
    }
    EXPECT_EQ(f->breaker().state, core::BreakerState::kOpen);
  }
  // Makes calls until the condition holds. Returns false if it never does.
  static bool CallsUntil(const Caller& caller,
                         const std::function<bool()>& condition) {
    return Eventually([&] {
      UnaryCall call;
      caller.Run(&call);
      return condition();
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, RecoveryTest, AllStyles(), StyleName);

TEST_P(RecoveryTest, AServerThatIsBackIsFoundWithoutWaitingOutGrpcsBackoff) {
  // gRPC's own backoff is so long that only firebreak's reset of it can bring
  // the connection back within this test.
  ChannelOptions options;
  options.args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 600'000);
  options.args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 600'000);
  options.args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 600'000);
  EngineFixture f(kOpensQuickly);
  const std::string address = f.server().address();
  auto channel = f.NewChannel(std::move(options));
  const Caller caller(GetParam(), channel);
  UnaryCall healthy;
  caller.Run(&healthy);
  ASSERT_TRUE(healthy.status.ok());
  f.server().Stop();
  Trip(caller, &f);
  EchoServer back(address);
  ASSERT_EQ(back.address(), address);
  // There are no calls: the engine itself reconnects shortly before the probe.
  ASSERT_TRUE(Eventually([&] {
    return channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
  }));
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() >= *f.breaker().probe_due; }));
  UnaryCall probe;
  caller.Run(&probe);
  EXPECT_TRUE(probe.status.ok()) << probe.status.error_message();
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
}

// If the breaker stayed half-open, every call would be a failing probe as long
// as there is no server.
TEST_P(RecoveryTest, AProbeThatFindsNoConnectionReopensUntilThereIsOne) {
  EngineFixture f(
      "breaker { consecutive_failures: 2 probes: 1 open_duration: \"1s\" "
      "max_open_duration: \"1h\" open_growth: 10 open_jitter: 0 }");
  const std::string address = f.server().address();
  const Caller caller(GetParam(), f.channel());
  UnaryCall healthy;
  caller.Run(&healthy);
  f.server().Stop();
  Trip(caller, &f);
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() >= *f.breaker().probe_due; }));
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    const core::BreakerSnapshot breaker = f.breaker();
    EXPECT_EQ(breaker.state, core::BreakerState::kOpen);
    EXPECT_EQ(breaker.cause, "there is no connection for a probe");
    EXPECT_EQ(breaker.times_opened, 2) << "by the first, which was the probe";
  }
  // The connection ends the wait.
  const core::Time due = *f.breaker().probe_due;
  EchoServer back(address);
  ASSERT_TRUE(CallsUntil(caller, [&] {
    return f.breaker().state == core::BreakerState::kClosed;
  }));
  EXPECT_LT(engine::Now(), due);
  EXPECT_EQ(f.breaker().times_opened, 2);
}

TEST_P(RecoveryTest, KilledAndRestartedUnderLoadItAlwaysComesBack) {
  EngineFixture f(kOpensQuickly);
  const std::string address = f.server().address();
  const Caller caller(GetParam(), f.channel());
  f.server().Stop();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(CallsUntil(caller, [&] {
      return f.breaker().state != core::BreakerState::kClosed;
    })) << round;
    EchoServer server(address);
    ASSERT_TRUE(CallsUntil(caller, [&] {
      return f.breaker().state == core::BreakerState::kClosed;
    })) << round;
  }
  EXPECT_EQ(f.counts().in_flight, 0);
}

// With the default policy there is one trip per outage, whatever the number of
// probes.
TEST_P(RecoveryTest, WithTheDefaultsItIsBackSoonAfterTheServerListens) {
  EngineFixture f("breaker {}");
  const std::string address = f.server().address();
  const Caller caller(GetParam(), f.channel());
  UnaryCall healthy;
  caller.Run(&healthy);
  ASSERT_TRUE(healthy.status.ok());
  f.server().Stop();
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(CallsUntil(caller, [&] {
      return f.breaker().state == core::BreakerState::kOpen;
    })) << round;
    // Waits until after the breaker's first probe.
    ASSERT_TRUE(CallsUntil(caller, [&] {
      return f.breaker().waits_for_connection;
    })) << round;
    EchoServer server(address);
    ASSERT_TRUE(CallsUntil(caller, [&] {
      return f.breaker().state == core::BreakerState::kClosed;
    })) << round;
  }
  // Once more for each at most: a server may fail right after its start.
  EXPECT_LE(f.breaker().times_opened, 2 * kRounds);
}

// Twenty rounds, five in each style. The time is measured from when the port
// listens to the event that the breaker is closed. If this process stalls, one
// round of each style is useless. So only the best quarter is judged, and the
// median is printed.
TEST(KillAndRestartTest, ItIsClosedAgainWithinAProbeIntervalAndAHalf) {
  constexpr int kRounds = 5;
  std::mutex mu;
  std::vector<core::Duration> took;
  const auto run = [&](StubStyle style) {
    EngineFixture f("breaker {}");
    const std::string address = f.server().address();
    const Caller caller(style, f.channel());
    const auto calls_until = [&](core::BreakerState state) {
      return Eventually([&] {
        UnaryCall call;
        caller.Run(&call);
        return f.breaker().state == state;
      });
    };
    ASSERT_TRUE(calls_until(core::BreakerState::kClosed));
    f.server().Stop();
    for (int round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(calls_until(core::BreakerState::kOpen));
      EchoServer server(address);
      ASSERT_EQ(server.address(), address);
      const core::Time listens = engine::Now();
      ASSERT_TRUE(calls_until(core::BreakerState::kClosed));
      core::Time closed = listens;
      for (const core::Event& event :
           f.engine()->core()->events().Since(0, 1000).events) {
        if (event.to == "closed") closed = event.at;
      }
      std::lock_guard<std::mutex> lock(mu);
      took.push_back(closed - listens);
    }
    // Once more for each at most: a server may fail right after its start.
    EXPECT_LE(f.breaker().times_opened, 2 * kRounds);
  };
  std::vector<std::thread> threads;
  for (const StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
        StubStyle::kCompletionQueueSplit}) {
    threads.emplace_back(run, style);
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(took.size(), 4u * kRounds);
  std::sort(took.begin(), took.end());
  std::printf("closed again after %s (median), %s (longest)\n",
              core::FormatDuration(took[took.size() / 2]).c_str(),
              core::FormatDuration(took.back()).c_str());
  EXPECT_LE(took[took.size() / 4],
            3 * core::BreakerOptions().probe_interval / 2);
}

// Streams whose first message comes when something happens. The only sign of
// success is that they stay open.
TEST(SilentStreamsTest, CloseABreakerOnceTheServerIsBack) {
  constexpr char kMethod[] = "/firebreak.testing.Echo/BidiStream";
  EngineFixture f("breaker {}");
  const std::string address = f.server().address();
  const auto stub = Echo::NewStub(f.channel());
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<EchoRequest, EchoReply>> stream;
  };
  std::vector<std::unique_ptr<Watcher>> watchers;
  const auto watch = [&] {
    watchers.push_back(std::make_unique<Watcher>());
    watchers.back()->stream = stub->BidiStream(&watchers.back()->context);
  };
  watch();  // connects
  watchers.back()->stream->WritesDone();
  EXPECT_TRUE(watchers.back()->stream->Finish().ok());
  watchers.pop_back();
  f.server().Stop();
  ASSERT_TRUE(Eventually([&] {
    watch();
    watchers.back()->stream->Finish();
    watchers.pop_back();
    return f.breaker(kMethod).state == core::BreakerState::kOpen;
  }));
  EchoServer back(address);
  ASSERT_TRUE(Eventually([&] {
    if (watchers.size() < 500) watch();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return f.breaker(kMethod).state == core::BreakerState::kClosed;
  }));
  for (const auto& watcher : watchers) watcher->context.TryCancel();
  for (const auto& watcher : watchers) watcher->stream->Finish();
}

// The engine is destroyed while a breaker is open and its channel is watched.
TEST(RecoveryLifetimeTest, EngineAndChannelMayGoWhileTheyAreLookedAfter) {
  for (int i = 0; i < 20; ++i) {
    auto engine = MakeEngine(
        "breaker { consecutive_failures: 1 open_duration: \"1ms\" "
        "max_open_duration: \"1ms\" }");
    auto channel = engine->CreateChannel("test", "127.0.0.1:1",
                                         grpc::InsecureChannelCredentials());
    UnaryCall call;
    Caller(StubStyle::kSync, channel).Run(&call);
    if (i % 2 == 0) {
      engine.reset();
      channel.reset();
    } else {
      channel.reset();
      engine.reset();
    }
  }
}

TEST(RecoveryPeriodTest, GrowsWithTheTroubleAndHasAnEnd) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  EXPECT_EQ(engine::RecoveryPeriod(-seconds(1)), milliseconds(200));
  EXPECT_EQ(engine::RecoveryPeriod(seconds(2)), milliseconds(200));
  EXPECT_EQ(engine::RecoveryPeriod(seconds(12)), milliseconds(200));
  EXPECT_EQ(engine::RecoveryPeriod(seconds(120)), seconds(2));
  EXPECT_EQ(engine::RecoveryPeriod(hours(1)), seconds(5));
}

}  // namespace
}  // namespace firebreak::testing
