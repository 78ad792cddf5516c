// The budget for retries and hedges: its arithmetic, and its bound.
#include "src/core/attempts/attempt_budget.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

BudgetOptions With(double ratio, double floor, double burst) {
  BudgetOptions options;
  options.ratio = ratio;
  options.floor = floor;
  options.burst = burst;
  options.initial.reset();
  return options;
}

int AcquireAll(AttemptBudget* budget, Time now) {
  int n = 0;
  while (budget->TryAcquire(now)) ++n;
  return n;
}

TEST(AttemptBudgetTest, AReserveIsLeftToOthers) {
  BudgetOptions options;
  options.ratio = options.floor = 0;
  options.burst = 3;
  AttemptBudget budget(options, Time{});
  EXPECT_TRUE(budget.TryAcquire(Time{}, 2));
  EXPECT_FALSE(budget.TryAcquire(Time{}, 1.5));
  EXPECT_DOUBLE_EQ(budget.tokens(Time{}), 2);
  EXPECT_TRUE(budget.TryAcquire(Time{}, 1));
  EXPECT_FALSE(budget.TryAcquire(Time{}, 1));
  EXPECT_TRUE(budget.TryAcquire(Time{}));
}

TEST(AttemptBudgetTest, StartsFull) {
  AttemptBudget budget(With(0.1, 1, 10), At(Sec(5)));
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(5))), 10);
  EXPECT_EQ(AcquireAll(&budget, At(Sec(5))), 10);
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(5))), 0);
}

TEST(AttemptBudgetTest, StartsWithWhatItIsToStartWith) {
  BudgetOptions options = With(0.1, 0, 10);
  options.initial = 6.5;
  EXPECT_DOUBLE_EQ(AttemptBudget(options, Time{}).tokens(Time{}), 6.5);
  options.burst = 2;
  EXPECT_DOUBLE_EQ(AttemptBudget(options, Time{}).tokens(Time{}), 2);
}

// There are at most 1.11 attempts per call, whatever fails and at any rate of
// calls.
TEST(AttemptBudgetTest, TheDefaultsAddATenthAndNoFloor) {
  for (const Duration gap : {Duration(100'000), Ms(100), Sec(10)}) {
    AttemptBudget budget(BudgetOptions{}, Time{});
    int extra = 0;
    for (int i = 0; i < 1'000; ++i) {
      budget.OnCallAdmitted();
      extra += AcquireAll(&budget, At(gap * i));
    }
    EXPECT_LE(extra, 110);
    EXPECT_GE(extra, 105);
  }
}

TEST(AttemptBudgetTest, EveryCallAddsItsShare) {
  AttemptBudget budget(With(0.1, 0, 10), At(Sec(0)));
  AcquireAll(&budget, At(Sec(0)));
  for (int i = 0; i < 9; ++i) budget.OnCallAdmitted();
  EXPECT_FALSE(budget.TryAcquire(At(Sec(0))));
  budget.OnCallAdmitted();
  // Ten times 0.1 is a token, in spite of the rounding of binary fractions.
  EXPECT_TRUE(budget.TryAcquire(At(Sec(0))));
  EXPECT_GE(budget.tokens(At(Sec(0))), 0.0);
  EXPECT_FALSE(budget.TryAcquire(At(Sec(0))));
}

TEST(AttemptBudgetTest, TimeAddsTheFloor) {
  AttemptBudget budget(With(0, 2, 10), At(Sec(0)));
  AcquireAll(&budget, At(Sec(0)));
  EXPECT_FALSE(budget.TryAcquire(At(Ms(499))));
  EXPECT_TRUE(budget.TryAcquire(At(Ms(500))));
  EXPECT_FALSE(budget.TryAcquire(At(Ms(500))));
  EXPECT_DOUBLE_EQ(budget.tokens(At(Ms(1750))), 2.5);
}

TEST(AttemptBudgetTest, NeverHoldsMoreThanTheBurst) {
  AttemptBudget budget(With(1, 1000, 3), At(Sec(0)));
  budget.OnCallAdmitted();
  budget.Refund();
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(3600))), 3);
  EXPECT_EQ(AcquireAll(&budget, At(Sec(3600))), 3);
}

TEST(AttemptBudgetTest, LessThanATokenBuysNothingAndStays) {
  AttemptBudget budget(With(0.5, 0, 1), At(Sec(0)));
  EXPECT_TRUE(budget.TryAcquire(At(Sec(0))));
  budget.OnCallAdmitted();
  EXPECT_FALSE(budget.TryAcquire(At(Sec(0))));
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(0))), 0.5);
}

TEST(AttemptBudgetTest, ARefundCanBeSpentAgain) {
  AttemptBudget budget(With(0, 0, 2), At(Sec(0)));
  EXPECT_EQ(AcquireAll(&budget, At(Sec(0))), 2);
  budget.Refund();
  EXPECT_EQ(AcquireAll(&budget, At(Sec(0))), 1);
}

TEST(AttemptBudgetTest, TimeThatRunsBackNeitherPaysTwiceNorTakesAway) {
  AttemptBudget budget(With(0, 1, 10), At(Sec(10)));
  AcquireAll(&budget, At(Sec(10)));
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(12))), 2);
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(9))), 2);
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(12))), 2);
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(13))), 3);
}

TEST(AttemptBudgetTest, DepositsCountByTheNumbersThatHeldThen) {
  AttemptBudget budget(With(0.5, 0, 10), At(Sec(0)));
  AcquireAll(&budget, At(Sec(0)));
  for (int i = 0; i < 4; ++i) budget.OnCallAdmitted();
  budget.SetOptions(With(0, 0, 10), At(Sec(0)));
  for (int i = 0; i < 100; ++i) budget.OnCallAdmitted();
  EXPECT_DOUBLE_EQ(budget.tokens(At(Sec(0))), 2);
}

TEST(AttemptBudgetTest, WhatIsOverTheBurstIsNotThereLater) {
  AttemptBudget budget(With(1, 0, 3), At(Sec(0)));
  for (int i = 0; i < 100; ++i) budget.OnCallAdmitted();
  EXPECT_EQ(AcquireAll(&budget, At(Sec(0))), 3);
  for (int i = 0; i < 100; ++i) budget.OnCallAdmitted();
  budget.Refund();
  EXPECT_EQ(AcquireAll(&budget, At(Sec(0))), 3);
}

TEST(AttemptBudgetTest, LaunchedStaysWithinItsBound) {
  const BudgetOptions kCases[] = {With(0.1, 1, 10), With(0, 0, 1),
                                  With(1, 0, 10), With(0.25, 7.5, 2.5),
                                  With(0, 1000, 5)};
  for (const BudgetOptions& options : kCases) {
    Rng rng(99);
    AttemptBudget budget(options, Time{});
    Time now{};
    int64_t calls = 0;
    int64_t launched = 0;
    int64_t scheduled = 0;
    for (int i = 0; i < 50'000; ++i) {
      const double what = rng.Uniform();
      if (what < 0.3) {
        now += Duration(static_cast<int64_t>(rng.Uniform() * 1e7));
      } else if (what < 0.5) {
        budget.OnCallAdmitted();
        ++calls;
      } else if (what < 0.85) {
        if (budget.TryAcquire(now)) ++scheduled;
      } else if (scheduled > 0) {
        --scheduled;
        if (what < 0.95) {
          ++launched;
        } else {
          budget.Refund();
        }
      }
      const double tokens = budget.tokens(now);
      ASSERT_GE(tokens, 0.0);
      ASSERT_LE(tokens, options.burst);
      ASSERT_LE(static_cast<double>(launched + scheduled),
                options.ratio * static_cast<double>(calls) +
                    options.floor * ToSeconds(now - Time{}) + options.burst +
                    1e-6);
    }
    EXPECT_GT(launched, 0);
  }
}

// --- gRFC A6's throttling ---------------------------------------------------

BudgetOptions Throttled(double max_tokens, double ratio) {
  BudgetOptions options;
  options.throttling = ThrottlingOptions{max_tokens, ratio};
  return options;
}

TEST(ThrottlingTest, StopsAtHalfAndNotAbove) {
  AttemptBudget budget(Throttled(10, 0.1), Time{});
  for (int i = 0; i < 4; ++i) budget.OnAttemptEnd(/*success=*/false);
  EXPECT_FALSE(budget.IsThrottled()) << "6 of 10";
  budget.OnAttemptEnd(false);
  EXPECT_TRUE(budget.IsThrottled()) << "5 of 10";
  budget.OnAttemptEnd(true);
  EXPECT_FALSE(budget.IsThrottled()) << "5.1 of 10";
}

TEST(ThrottlingTest, StaysWithinZeroAndItsMaximum) {
  AttemptBudget budget(Throttled(3, 0.5), Time{});
  for (int i = 0; i < 100; ++i) budget.OnAttemptEnd(true);
  EXPECT_EQ(budget.throttle_tokens(), 3);
  for (int i = 0; i < 100; ++i) budget.OnAttemptEnd(false);
  EXPECT_EQ(budget.throttle_tokens(), 0);
  for (int i = 0; i < 3; ++i) budget.OnAttemptEnd(true);
  EXPECT_TRUE(budget.IsThrottled()) << "1.5 of 3";
  budget.OnAttemptEnd(true);
  EXPECT_FALSE(budget.IsThrottled());
}

TEST(ThrottlingTest, CountsThousandths) {
  AttemptBudget budget(Throttled(0.001, 0.001), Time{});
  budget.OnAttemptEnd(false);
  EXPECT_TRUE(budget.IsThrottled());
  budget.OnAttemptEnd(true);
  EXPECT_FALSE(budget.IsThrottled());
}

TEST(ThrottlingTest, CutsOffWhatIsLess) {
  AttemptBudget budget(Throttled(1.9999, 0.5466), Time{});
  EXPECT_EQ(budget.throttle_tokens(), 1.999);
  budget.OnAttemptEnd(false);
  budget.OnAttemptEnd(true);
  EXPECT_EQ(budget.throttle_tokens(), 1.545);
  // Rounding errors of binary fractions have no effect.
  for (int n = 1; n <= 1000; ++n) {
    const double tokens = n / 1000.0;
    EXPECT_EQ(AttemptBudget(Throttled(tokens, 1), Time{}).throttle_tokens(),
              tokens);
  }
}

TEST(ThrottlingTest, OffUnlessSet) {
  AttemptBudget budget(BudgetOptions{}, Time{});
  for (int i = 0; i < 1000; ++i) budget.OnAttemptEnd(false);
  EXPECT_FALSE(budget.IsThrottled());
}

}  // namespace
}  // namespace firebreak::core
