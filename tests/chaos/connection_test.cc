// Faults of a connection under load: reset, silent, half-open, refused.
#include <gtest/gtest.h>

#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using core::Attribution;
using core::BreakerState;
using grpc::StatusCode;
using Faults = FaultProxy::Faults;
using Which = FaultProxy::Which;

// The breaker never opens in these tests, which are about retries.
constexpr char kPatientRetry[] =
    "breaker { consecutive_failures: 1000 failure_rate: 0 } "
    "retry { max_attempts: 5 "
    "backoff { initial: \"10ms\" max: \"100ms\" jitter: NONE } } ";

Faults Stalled() {
  Faults faults;
  faults.stalled = true;
  return faults;
}

bool IsSentAndUnavailable(const CallEnd& end) {
  return end.code == StatusCode::UNAVAILABLE && !end.refused;
}

int64_t Attributed(const ChaosEngine& engine, Attribution attribution) {
  return engine.counts().attributions[static_cast<size_t>(attribution)];
}

class ConnectionTest : public ChaosTest {
 protected:
  ServerProcess server_;
  FaultProxy proxy_{server_.port()};
};

class ResetTest : public ConnectionTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, ResetTest, AllShapes(), ShapeName);

TEST_P(ResetTest, InTheMiddleOfAnAnswer) {
  constexpr int kRounds = 3;
  const bool driven = GetParam().driven;
  ChaosEngine engine(driven ? kPatientRetry : GetParam().policy());
  Load::Options options = PatientOptions();
  options.reply_bytes = 16 * 1024;
  Load load(engine.Channel(proxy_.address()), options);
  Faults torn;
  torn.reset_after = 5000;
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(load.WaitFor(10, IsOk()));
    proxy_.Set(torn, Which::kExisting);
    // The next connection works.
    ASSERT_TRUE(Eventually([&] { return proxy_.accepted() == i + 2; }));
  }
  ASSERT_TRUE(load.WaitFor(10, IsOk()));
  engine.StopAndCheck(&load);
  if (driven) {
    ExpectAllOk(load);
    EXPECT_GE(engine.counts().attempts_of(core::AttemptKind::kRetry), kRounds);
    EXPECT_GE(Attributed(engine, Attribution::kTransportFailure), kRounds);
  } else {
    const int torn_calls = load.Count(IsSentAndUnavailable);
    EXPECT_GE(torn_calls, kRounds) << Summary(load.ends());
    EXPECT_EQ(Attributed(engine, Attribution::kTransportFailure), torn_calls)
        << Summary(load.ends());
  }
}

TEST_P(ResetTest, OverAndOver) {
  const bool driven = GetParam().driven;
  ChaosEngine engine(driven ? kPatientRetry : GetParam().policy());
  Load::Options options = PatientOptions();
  options.delay_ms = 10;
  Load load(engine.Channel(proxy_.address()), options);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(load.WaitFor(4, IsOk()));
    proxy_.Reset();
  }
  ASSERT_TRUE(load.WaitFor(4, IsOk()));
  engine.StopAndCheck(&load);
  if (driven) ExpectAllOk(load);
  EXPECT_GE(proxy_.accepted(), 11);
}

class BlackHoleTest : public ConnectionTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, BlackHoleTest, AllShapes(), ShapeName);

TEST_P(BlackHoleTest, CallsEndAtTheirDeadlineUntilTheyAreRefused) {
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), Options());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  proxy_.Set(Stalled());
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_GT(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);
  proxy_.Heal();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
}

class BlackHoleEndTest : public BlackHoleTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, BlackHoleEndTest, FewShapes(), ShapeName);

// Calls that are lost in the black hole must not delay the end of anything.
TEST_P(BlackHoleEndTest, EverythingMayEndInsideIt) {
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), Options());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  proxy_.Set(Stalled());
  ASSERT_TRUE(load.WaitFor(4, IsCode(StatusCode::DEADLINE_EXCEEDED)));
  engine.StopAndCheck(&load);
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
}

TEST_P(BlackHoleEndTest, AConnectionThatIsNeverGreetedIsOneToo) {
  proxy_.Set(Stalled());
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), Options());
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_EQ(load.Count(IsOk()), 0);
  proxy_.Heal();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
}

class HalfOpenConnectionTest : public ConnectionTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, HalfOpenConnectionTest, FewShapes(),
                         ShapeName);

// The client does not notice the fault, so only the end of the connection
// helps. The breaker probes again and again, and does not close because the
// connection seems to be up.
TEST_P(HalfOpenConnectionTest, WithoutKeepaliveTheBreakerStaysOpen) {
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), Options());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  proxy_.LoseServer();
  ASSERT_TRUE(Eventually([&] { return engine.breaker().times_opened >= 2; }))
      << "it was asked again, and did not answer";
  EXPECT_NE(engine.breaker().state, BreakerState::kClosed);
  proxy_.Reset();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_GT(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);
}

TEST_P(HalfOpenConnectionTest, WithKeepaliveItIsLeftForANewConnection) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 100);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 300);
  args.SetInt("grpc.http2.ping_timeout_ms", 300);  // from 1.8x on
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address(), args), Options());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  ASSERT_EQ(proxy_.accepted(), 1);
  proxy_.LoseServer();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_GE(proxy_.accepted(), 2);
}

class RefusedConnectionTest : public ConnectionTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, RefusedConnectionTest, DrivenShapes(),
                         ShapeName);

TEST_P(RefusedConnectionTest, IsUnavailableAtOnceAndFoundAgainWhenItIsNot) {
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), PatientOptions());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  proxy_.Refuse();
  // An existing connection is not affected.
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  ExpectAllOk(load);
  proxy_.Reset();
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_EQ(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);
  proxy_.Heal();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
}

}  // namespace
}  // namespace firebreak::testing
