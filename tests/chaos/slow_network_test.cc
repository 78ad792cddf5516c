// A network that is slow but works: a low rate, and a long delay.
#include <gtest/gtest.h>

#include "tests/chaos/chaos_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using core::BreakerState;
using grpc::StatusCode;
using Faults = FaultProxy::Faults;
using Ms = std::chrono::milliseconds;

constexpr int kBigReply = 16 * 1024;

class SlowNetworkTest : public ChaosTest {
 protected:
  ServerProcess server_;
  FaultProxy proxy_{server_.port()};
};
INSTANTIATE_TEST_SUITE_P(Shapes, SlowNetworkTest, FewShapes(), ShapeName);

TEST_P(SlowNetworkTest, ADripEndsAtAShortDeadline) {
  ChaosEngine engine(GetParam().policy());
  Load::Options options = Options();
  options.reply_bytes = kBigReply;
  Load load(engine.Channel(proxy_.address()), options);
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  Faults drip;
  drip.to_client.bytes_per_second = 1000;
  proxy_.Set(drip);
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_GT(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);
  proxy_.Heal();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
}

TEST_P(SlowNetworkTest, DelayBringsHedgesAndStillOneAnswer) {
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(proxy_.address()), PatientOptions());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  Faults delay;
  delay.to_server.delay = delay.to_client.delay = Ms(50);
  proxy_.Set(delay);
  const auto is_slow = [](const CallEnd& end) {
    return end.code == StatusCode::OK && end.took >= Ms(100);
  };
  ASSERT_TRUE(load.WaitFor(10, is_slow));
  EXPECT_EQ(engine.counts().attempts_of(core::AttemptKind::kHedge) > 0,
            GetParam().driven);
  engine.StopAndCheck(&load);
  ExpectAllOk(load);
}

TEST_P(SlowNetworkTest, DelayBeyondTheDeadlineIsABlackHole) {
  ChaosEngine engine(GetParam().policy());
  const Load::Options options = Options();
  Load load(engine.Channel(proxy_.address()), options);
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  Faults delay;
  delay.to_client.delay = 2 * options.deadline;
  proxy_.Set(delay);
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_GT(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);
  proxy_.Heal();
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
}

class LongDripTest : public SlowNetworkTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, LongDripTest,
                         ::testing::Values(Shape{StubStyle::kCallback, true},
                                           Shape{StubStyle::kCompletionQueue,
                                                 false}),
                         ShapeName);

TEST_P(LongDripTest, ADripCompletesWithinALongDeadline) {
  // There are no hedges, since they would share the low rate.
  ChaosEngine engine(GetParam().driven
                         ? std::string(kQuickBreaker) + kQuickRetry
                         : kQuickBreaker);
  Faults drip;
  drip.to_client.bytes_per_second = 8000;
  proxy_.Set(drip);
  Load::Options options = Options();
  options.callers = 1;
  options.reply_bytes = kBigReply;
  options.deadline = std::chrono::seconds(60);
  Load load(engine.Channel(proxy_.address()), options);
  ASSERT_TRUE(load.WaitFor(1, IsOk()));
  proxy_.Heal();
  engine.StopAndCheck(&load);
  // The rate was low indeed.
  EXPECT_GE(load.ends().front().took, std::chrono::seconds(1));
  ExpectAllOk(load);
}

}  // namespace
}  // namespace firebreak::testing
