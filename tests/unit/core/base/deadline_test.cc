// A deadline never moves later, and nothing starts for which too little time is
// left.
#include "src/core/base/deadline.h"

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

TEST(DeadlineTest, TheEarlierOfCallerAndPolicyWins) {
  const Time now = At(Sec(100));
  EXPECT_EQ(CallDeadline(At(Sec(101)), Sec(5), now), At(Sec(101)));
  EXPECT_EQ(CallDeadline(At(Sec(109)), Sec(5), now), At(Sec(105)));
  EXPECT_EQ(CallDeadline(kInfiniteFuture, Sec(5), now), At(Sec(105)));
}

TEST(DeadlineTest, TimeoutOfZeroIsNone) {
  const Time now = At(Sec(100));
  EXPECT_EQ(CallDeadline(At(Sec(101)), Duration::zero(), now), At(Sec(101)));
  EXPECT_EQ(CallDeadline(kInfiniteFuture, Duration::zero(), now),
            kInfiniteFuture);
}

TEST(DeadlineTest, NoAttemptOutlivesItsCall) {
  const Time call = At(Ms(300));
  EXPECT_EQ(AttemptDeadline(call, Ms(100), At(Ms(0))), At(Ms(100)));
  EXPECT_EQ(AttemptDeadline(call, Ms(100), At(Ms(250))), call);
  EXPECT_EQ(AttemptDeadline(call, Duration::zero(), At(Ms(250))), call);
  EXPECT_EQ(AttemptDeadline(kInfiniteFuture, Ms(100), At(Ms(250))),
            At(Ms(350)));
}

TEST(DeadlineTest, AStartAtTheDeadlineIsTooLate) {
  EXPECT_TRUE(CanPayFor(At(Ms(80)), At(Ms(80)) - Duration(1)));
  EXPECT_FALSE(CanPayFor(At(Ms(80)), At(Ms(80))));
  EXPECT_FALSE(CanPayFor(At(Ms(80)), At(Ms(81))));
  EXPECT_TRUE(CanPayFor(kInfiniteFuture, At(Sec(1'000'000))));
  EXPECT_FALSE(CanPayFor(kInfiniteFuture, kInfiniteFuture));
}

TEST(TimeTest, AdditionSaturates) {
  EXPECT_EQ(SaturatingAdd(kInfiniteFuture, Duration(1)), kInfiniteFuture);
  EXPECT_EQ(SaturatingAdd(At(Sec(1)), kInfiniteDuration), kInfiniteFuture);
  EXPECT_EQ(SaturatingAdd(Time::min(), Duration(-1)), Time::min());
  EXPECT_EQ(SaturatingAdd(At(Sec(1)), Sec(2)), At(Sec(3)));
  EXPECT_EQ(SaturatingAdd(At(Sec(1)), -Sec(2)), At(-Sec(1)));
}

TEST(TimeTest, RemainingIsNeverNegative) {
  EXPECT_EQ(Remaining(At(Sec(1)), At(Sec(3))), Sec(2));
  EXPECT_EQ(Remaining(At(Sec(3)), At(Sec(3))), Duration::zero());
  EXPECT_EQ(Remaining(At(Sec(3)), At(Sec(1))), Duration::zero());
  EXPECT_EQ(Remaining(At(Sec(3)), kInfiniteFuture), kInfiniteDuration);
}

TEST(TimeTest, ScalingSaturates) {
  EXPECT_EQ(Scale(Ms(10), 1.5), Ms(15));
  EXPECT_EQ(Scale(Ms(10), 0), Duration::zero());
  EXPECT_EQ(Scale(Sec(3600), 1e30), Duration::max());
  EXPECT_EQ(Scale(kInfiniteDuration, 1.0), kInfiniteDuration);
}

TEST(TimeTest, SecondsAreFractions) {
  EXPECT_DOUBLE_EQ(ToSeconds(Ms(1500)), 1.5);
}

}  // namespace
}  // namespace firebreak::core
