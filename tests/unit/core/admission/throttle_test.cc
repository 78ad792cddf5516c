// The share that is turned away, against the book's formula.
#include "src/core/admission/throttle.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

void End(Throttle* throttle, int accepted, int refused, Duration at) {
  for (int i = 0; i < accepted; ++i) throttle->OnEnd(true, At(at));
  for (int i = 0; i < refused; ++i) throttle->OnEnd(false, At(at));
}

double ProbabilityAt(Throttle* throttle, Duration at) {
  return throttle->snapshot(At(at)).rejection_probability;
}

TEST(ThrottleTest, FollowsTheFormula) {
  Throttle throttle({}, 1, At(Sec(0)));
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(0)), 0);
  End(&throttle, 50, 50, Sec(0));
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(0)), 0);
  End(&throttle, 0, 100, Sec(0));
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(0)), 100.0 / 201);
}

TEST(ThrottleTest, ALowerKTurnsMoreAway) {
  ThrottleOptions options;
  options.k = 1.1;
  Throttle throttle(options, 1, At(Sec(0)));
  End(&throttle, 50, 50, Sec(0));
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(0)), 45.0 / 101);
}

TEST(ThrottleTest, CallsUnderWayAreHeldAgainstNobody) {
  Throttle throttle({}, 1, At(Sec(0)));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(throttle.Admit(At(Sec(0))));
}

TEST(ThrottleTest, ForgetsAfterItsWindow) {
  Throttle throttle({}, 1, At(Sec(0)));
  End(&throttle, 0, 10, Sec(0));
  EXPECT_GT(ProbabilityAt(&throttle, Sec(119)), 0);
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(120)), 0);
  End(&throttle, 0, 10, Sec(121));
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(100'000)), 0);
  EXPECT_EQ(throttle.snapshot(At(Sec(100'000))).requests, 0);
}

// A server that takes `capacity` of `offered` a second: how many reach it a
// second once things have settled.
double ReachServer(int offered, int capacity, double k, uint64_t seed) {
  ThrottleOptions options;
  options.k = k;
  Throttle throttle(options, seed, At(Sec(0)));
  int sent_late = 0;
  for (int second = 0; second < 480; ++second) {
    int sent = 0;
    for (int i = 0; i < offered; ++i) {
      const Time now = At(Sec(second) + Sec(1) / offered * i);
      if (!throttle.Admit(now)) continue;
      throttle.OnEnd(++sent <= capacity, now);
    }
    if (second >= 240) sent_late += sent;
  }
  return sent_late / 240.0;
}

TEST(ThrottleTest, AnOverloadedServerSeesKTimesWhatItAccepts) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_NEAR(ReachServer(200, 20, 2, seed), 40, 4);
    EXPECT_NEAR(ReachServer(200, 20, 1.1, seed), 22, 3);
    EXPECT_DOUBLE_EQ(ReachServer(20, 20, 2, seed), 20);
  }
}

TEST(ThrottleTest, AServerThatIsBackIsFoundAgain) {
  Throttle throttle({}, 1, At(Sec(0)));
  End(&throttle, 0, 1000, Sec(0));
  // Some always get through, and their success lets more through: it takes
  // a few windows of 100 calls a second.
  int second = 0;
  for (; ProbabilityAt(&throttle, Sec(second)) > 0.01; ++second) {
    ASSERT_LT(second, 600);
    for (int i = 0; i < 100; ++i) {
      if (throttle.Admit(At(Sec(second)))) {
        throttle.OnEnd(true, At(Sec(second)));
      }
    }
  }
}

TEST(ThrottleTest, CountsWhomItTurnedAway) {
  Throttle throttle({}, 1, At(Sec(0)));
  End(&throttle, 0, 1000, Sec(0));
  int64_t turned_away = 0;
  for (int i = 0; i < 100; ++i) {
    if (!throttle.Admit(At(Sec(0)))) ++turned_away;
  }
  EXPECT_GT(turned_away, 50);
  EXPECT_EQ(throttle.snapshot(At(Sec(0))).rejected, turned_away);
}

TEST(ThrottleTest, SurvivesTimeThatRunsBackAndJumps) {
  ThrottleOptions options;
  options.window = Sec(1);
  Throttle throttle(options, 1, At(Sec(1000)));
  End(&throttle, 1, 1, Sec(1000));
  End(&throttle, 1, 1, Sec(1));
  EXPECT_EQ(throttle.snapshot(At(Sec(1000))).requests, 4);
  EXPECT_EQ(throttle.snapshot(Time::max()).requests, 0);
  EXPECT_EQ(throttle.snapshot(Time::min()).requests, 0);
}

}  // namespace
}  // namespace firebreak::core
