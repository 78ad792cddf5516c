// A breaker when a server receives calls without answering, or crashes again
// and again: it trips before any caller has reached its deadline, and it always
// recovers.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using core::BreakerState;
using grpc::StatusCode;

// Trips on slow calls only. The four callers have at most four calls in flight,
// so the rule is a count of slow calls, which a long window of fast calls does
// not dilute.
constexpr char kSlowRule[] =
    "breaker { consecutive_failures: 0 failure_rate: 0 slow_call_rate: 0 "
    "slow_call_duration: \"300ms\" leaky_slow_calls: 4 probes: 1 "
    "open_duration: \"200ms\" max_open_duration: \"200ms\" "
    "probe_timeout: \"300ms\" } ";
// The same with a rate, over a window that is short since there are few calls.
constexpr char kSlowRate[] =
    "breaker { consecutive_failures: 0 failure_rate: 0 slow_call_rate: 0.5 "
    "slow_call_duration: \"300ms\" window { calls: 8 } minimum_calls: 8 "
    "probes: 1 open_duration: \"200ms\" max_open_duration: \"200ms\" "
    "probe_timeout: \"300ms\" } ";

class SwallowedCallsTest : public ChaosTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, SwallowedCallsTest, FewShapes(), ShapeName);

TEST_P(SwallowedCallsTest, TripsBeforeTheFirstCallTimesOut) {
  for (const char* rule : {kSlowRule, kSlowRate}) {
    SCOPED_TRACE(rule);
    ServerProcess server;
    ChaosEngine engine(std::string(rule) +
                       (GetParam().driven ? kQuickRetry : ""));
    Load::Options options = Options();
    options.deadline = std::chrono::seconds(2);
    Load load(engine.Channel(server.address()), options);
    ASSERT_TRUE(load.WaitFor(20, IsOk()));
    server.Freeze();
    // No call ends meanwhile, so it is the engine's timer that trips it.
    ASSERT_TRUE(engine.WaitFor(BreakerState::kOpen));
    EXPECT_EQ(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0)
        << Summary(load.ends());
    EXPECT_NE(engine.breaker().cause.find("slow"), std::string::npos)
        << engine.breaker().cause;
    ASSERT_TRUE(load.WaitFor(1, IsRefused()));
    server.Thaw();
    ASSERT_TRUE(load.WaitFor(20, IsAnswerOf(server.pid())));
    EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
    engine.StopAndCheck(&load);
  }
}

class TwentyDeathsTest : public ChaosTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, TwentyDeathsTest,
                         ::testing::Values(Shape{StubStyle::kSync, true},
                                           Shape{StubStyle::kCallback, false}),
                         ShapeName);

TEST_P(TwentyDeathsTest, ItAlwaysClosesAgain) {
  ServerProcess server;
  // With a ramp, so that the breaker goes through every state.
  const std::string breaker =
      "breaker { consecutive_failures: 5 failure_rate: 0 probes: 1 "
      "open_duration: \"100ms\" max_open_duration: \"100ms\" "
      "probe_timeout: \"300ms\" ramp { initial: 0.5 duration: \"50ms\" } } ";
  ChaosEngine engine(breaker + (GetParam().driven ? kQuickRetry : ""));
  Load load(engine.Channel(server.address(), QuickReconnects()), Options());
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    ASSERT_TRUE(load.WaitFor(10, IsOk()));
    server.Kill();
    ASSERT_TRUE(load.WaitFor(2, IsRefused()));
    server.Restart();
    ASSERT_TRUE(load.WaitFor(10, IsAnswerOf(server.pid())));
    ASSERT_TRUE(engine.WaitFor(BreakerState::kClosed));
  }
  // No call is lost, and none is answered twice.
  engine.StopAndCheck(&load);
  EXPECT_GE(engine.breaker().times_opened, 20);
  EXPECT_EQ(engine.breaker().probes_in_flight, 0);
}

}  // namespace
}  // namespace firebreak::testing
