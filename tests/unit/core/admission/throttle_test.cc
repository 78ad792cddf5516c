// The share of calls that is refused, compared with the book's formula.
#include "src/core/admission/throttle.h"

#include <cmath>

#include "absl/strings/str_cat.h"
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

// A server accepts `capacity` of `offered` calls a second. Returns how many
// calls a second reach it in the steady state.
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

// The recovery after an outage that is as long as the window.
struct Comeback {
  int sent_while_out = 0;
  Duration first = kInfiniteDuration;  // from the outage's end to an accept
  Duration nine_of_ten = kInfiniteDuration;
};
Comeback ComeBack(int calls_per_second, Duration window, Duration outage,
                  uint64_t seed) {
  ThrottleOptions options;
  options.window = window;
  Throttle throttle(options, seed, At(Sec(0)));
  Comeback out;
  const Duration step = Sec(1) / calls_per_second;
  int sent_of_ten = 0;
  for (int64_t i = 0; i * step < outage + 5 * window; ++i) {
    const Duration at = i * step;
    const bool is_out = at < outage;
    const bool sent = throttle.Admit(At(at));
    if (sent) throttle.OnEnd(!is_out, At(at));
    if (is_out) {
      out.sent_while_out += sent ? 1 : 0;
      continue;
    }
    if (sent) out.first = std::min(out.first, at - outage);
    sent_of_ten = sent ? sent_of_ten + 1 : 0;
    if (sent_of_ten == 10) {
      out.nine_of_ten = std::min(out.nine_of_ten, at - outage);
    }
  }
  return out;
}

TEST(ThrottleTest, AServerThatIsBackHasItsCallsBackWithinAWindow) {
  for (const Duration window : {Sec(10), Sec(120)}) {
    for (const int rate : {5, 50, 1000}) {
      for (uint64_t seed = 1; seed <= 5; ++seed) {
        const Comeback back = ComeBack(rate, window, window, seed);
        SCOPED_TRACE(absl::StrCat(rate, " calls/s, seed ", seed));
        EXPECT_LE(back.first, window);
        EXPECT_LE(back.nine_of_ten, window + Sec(1));
        // During the outage only a few calls per window are sent.
        EXPECT_LT(back.sent_while_out, 30);
      }
    }
  }
}

// Earlier refusals are no reason to refuse calls if the server has refused
// nothing for a window.
TEST(ThrottleTest, WhatIsRefusedHereProvesNothing) {
  Throttle throttle({}, 1, At(Sec(0)));
  End(&throttle, 0, 10, Sec(0));
  int refused = 0;
  for (int second = 1; second < 120; ++second) {
    for (int i = 0; i < 20; ++i) {
      if (!throttle.Admit(At(Sec(second)))) ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
  EXPECT_EQ(throttle.snapshot(At(Sec(121))).accepts, 0);
  EXPECT_GT(throttle.snapshot(At(Sec(121))).requests, 2000);
  EXPECT_DOUBLE_EQ(ProbabilityAt(&throttle, Sec(121)), 0);
}

TEST(ThrottleTest, CountsWhomItRefused) {
  Throttle throttle({}, 1, At(Sec(0)));
  End(&throttle, 0, 1000, Sec(0));
  int64_t refused = 0;
  for (int i = 0; i < 100; ++i) {
    if (!throttle.Admit(At(Sec(0)))) ++refused;
  }
  EXPECT_GT(refused, 50);
  EXPECT_EQ(throttle.snapshot(At(Sec(0))).rejected, refused);
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
