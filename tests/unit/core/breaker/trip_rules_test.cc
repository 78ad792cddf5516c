// When the rules trip: each rule alone, and slow calls that have not ended.
#include "src/core/breaker/trip_rules.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/breaker/slow_watch.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Rule = TripRules::Rule;

// All rules off.
BreakerOptions NoRules() {
  BreakerOptions options;
  options.confidence = 0;
  options.consecutive_failures = 0;
  options.failure_rate = 0;
  return options;
}

class TripRulesTest : public ::testing::Test {
 protected:
  void Make(const BreakerOptions& options) {
    options_ = options;
    rules_ = std::make_unique<TripRules>(options_, now_);
  }
  void Call(Verdict verdict, Duration took = Duration::zero(),
            CallKind kind = CallKind::kUnary) {
    const TripRules::Ticket ticket = rules_->Begin(now_, kind);
    Pass(took);
    rules_->End(ticket, verdict, now_);
  }
  void Calls(int n, Verdict verdict) {
    for (int i = 0; i < n; ++i) Call(verdict);
  }
  void Pass(Duration d) {
    now_ += d;
    rules_->Advance(now_);
  }
  Rule Check() { return rules_->Check(now_); }
  std::string Why() { return rules_->Describe(Check(), now_); }

  BreakerOptions options_;
  std::unique_ptr<TripRules> rules_;
  Time now_ = At(Sec(1));
};

TEST_F(TripRulesTest, ASmallWindowFindsAnOutageWhateverIsUsual) {
  // At a hundred calls a second, of which a quarter fail, chance explains ten
  // failures of ten, and the window has no room for more.
  BreakerOptions options;
  options.consecutive_failures = 0;
  options.minimum_calls = 10;
  options.window.kind = WindowOptions::Kind::kCalls;
  options.window.calls = 10;
  Make(options);
  for (int i = 0; i < 500; ++i) {
    Call(i % 4 == 0 ? Verdict::kFailure : Verdict::kSuccess, Ms(10));
    ASSERT_EQ(Check(), Rule::kNone) << i;
  }
  int failures = 0;
  while (Check() == Rule::kNone && failures < 30) {
    Call(Verdict::kFailure, Ms(10));
    ++failures;
  }
  EXPECT_LT(failures, 20);
}

TEST_F(TripRulesTest, AnotherLimitForSlowCallsForgetsHowManyWereSlow) {
  BreakerOptions options;
  options.consecutive_failures = 0;
  options.failure_rate = 0;
  options.slow_call_duration = Ms(1);
  Make(options);
  for (int i = 0; i < 300; ++i) {
    Call(Verdict::kSuccess, i % 3 == 0 ? Duration::zero() : Ms(100));
  }
  options_.slow_call_duration = Ms(500);
  rules_->OnOptionsChanged(now_);
  for (int i = 0; i < 20; ++i) Call(Verdict::kSuccess, Ms(600));
  EXPECT_EQ(Check(), Rule::kSlowRate);
}

TEST_F(TripRulesTest, LeakyCountGoesUpAndDownAndNotBelowZero) {
  BreakerOptions options = NoRules();
  options.leaky_failures = 3;
  Make(options);
  Calls(9, Verdict::kSuccess);
  Calls(2, Verdict::kFailure);
  Calls(1, Verdict::kSuccess);
  Calls(1, Verdict::kFailure);
  Calls(5, Verdict::kNeutral);
  EXPECT_EQ(Check(), Rule::kNone);
  EXPECT_EQ(rules_->counts(now_).leaky, 2);
  Calls(1, Verdict::kFailure);
  EXPECT_EQ(Why(), "3 more failures than successes (limit 3)");
  rules_->Clear(now_);
  EXPECT_EQ(Check(), Rule::kNone);
}

TEST_F(TripRulesTest, ASlowCallCountsWhileItIsInFlight) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Sec(1);
  options.minimum_calls = 4;
  Make(options);
  for (int i = 0; i < 2; ++i) Call(Verdict::kSuccess);
  const TripRules::Ticket a = rules_->Begin(now_, CallKind::kUnary);
  const TripRules::Ticket b = rules_->Begin(now_, CallKind::kUnary);
  EXPECT_EQ(Check(), Rule::kNone);
  EXPECT_GE(rules_->next_due(), now_ + Sec(1));
  EXPECT_LE(rules_->next_due(), now_ + Ms(1'063));
  Pass(Ms(999));
  EXPECT_EQ(Check(), Rule::kNone);
  Pass(Ms(64));  // a sixteenth later at most
  EXPECT_EQ(Why(), "slow-call rate 0.50 over 4 calls (limit 0.5)");
  // When the fast calls leave the window, the rule has to be judged again.
  EXPECT_EQ(rules_->next_due(), rules_->current_until());
  // When they end, nothing changes for the rule.
  rules_->End(a, Verdict::kSuccess, now_);
  rules_->End(b, Verdict::kNeutral, now_);
  EXPECT_EQ(rules_->counts(now_).timed, 4);
  EXPECT_EQ(rules_->counts(now_).slow, 2);
  EXPECT_EQ(rules_->counts(now_).calls, 3);
}

TEST_F(TripRulesTest, SlowIsFromTheLimitOnWhateverTheResult) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Sec(1);
  Make(options);
  Call(Verdict::kSuccess, Sec(1) - Duration(1));
  EXPECT_EQ(rules_->counts(now_).slow, 0);
  Call(Verdict::kSuccess, Sec(1));
  Call(Verdict::kFailure, Sec(1));
  Call(Verdict::kNeutral, Sec(1));
  Call(Verdict::kLost, Sec(1));
  EXPECT_EQ(rules_->counts(now_).slow, 4);
  EXPECT_EQ(rules_->counts(now_).timed, 5);
  // A neutral end that came in time does not count.
  Call(Verdict::kNeutral, Ms(1));
  EXPECT_EQ(rules_->counts(now_).timed, 5);
}

TEST_F(TripRulesTest, StreamsAreNeitherSlowNorFast) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Ms(1);
  Make(options);
  Call(Verdict::kSuccess, Sec(60), CallKind::kStream);
  EXPECT_EQ(rules_->counts(now_).timed, 0);
  EXPECT_EQ(rules_->counts(now_).calls, 1);
}

TEST_F(TripRulesTest, LeakySlowCalls) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Sec(1);
  options.slow_call_rate = 0;
  options.leaky_slow_calls = 2;
  Make(options);
  Call(Verdict::kSuccess, Sec(2));
  Call(Verdict::kSuccess);
  Call(Verdict::kSuccess, Sec(2));
  EXPECT_EQ(Check(), Rule::kNone);
  Call(Verdict::kSuccess, Sec(2));
  EXPECT_EQ(Why(), "2 more slow calls than fast (limit 2)");
}

TEST_F(TripRulesTest, AllThatAreFoundTogetherCount) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Sec(1);
  options.leaky_slow_calls = 1'000'000;
  options.window.duration = Sec(10);
  Make(options);
  for (int i = 0; i < 1'000; ++i) rules_->Begin(now_, CallKind::kUnary);
  now_ += Sec(2);
  EXPECT_TRUE(rules_->Advance(now_));
  EXPECT_EQ(rules_->counts(now_).slow, 1'000);
  EXPECT_EQ(rules_->counts(now_).timed, 1'000);
  EXPECT_EQ(rules_->counts(now_).leaky_slow, 1'000);
  EXPECT_FALSE(rules_->Advance(now_));
}

TEST_F(TripRulesTest, EachCallIsSlowOnceHoweverTimePasses) {
  BreakerOptions options = NoRules();
  options.slow_call_duration = Ms(160);
  options.window.duration = Sec(3'600);
  Make(options);
  Dice dice(7);
  int64_t begun = 0;
  std::vector<TripRules::Ticket> open;
  for (int i = 0; i < 20'000; ++i) {
    Pass(dice.Chance(0.01) ? dice.Upto(Sec(1)) : dice.Upto(Ms(3)));
    if (dice.Chance(0.6)) {
      open.push_back(rules_->Begin(now_, CallKind::kUnary));
      ++begun;
    } else if (!open.empty()) {
      const size_t n = dice.Below(open.size());
      rules_->End(open[n], Verdict::kSuccess, now_);
      open.erase(open.begin() + static_cast<int64_t>(n));
    }
    const TripRules::Counts counts = rules_->counts(now_);
    ASSERT_LE(counts.timed, begun);
    // Calls in flight that need not be found yet: up to 17/16 of the limit.
    int64_t young = 0;
    for (const auto& each : open) young += now_ - each.started < Ms(170);
    ASSERT_GE(counts.timed, begun - young);
  }
  Pass(Sec(1));
  EXPECT_EQ(rules_->counts(now_).timed, begun);
}

TEST_F(TripRulesTest, WithConfidenceFewCallsTripWhenTheyLeaveLittleDoubt) {
  const struct {
    double confidence;
    double limit;
    int successes;
    int failures;
    bool trips;
  } kCases[] = {
      {0, 0.5, 0, 19, false},      {0.95, 0.5, 0, 2, false},
      {0.95, 0.5, 0, 3, true},     {0.99, 0.5, 0, 5, false},
      {0.99, 0.5, 0, 6, true},     {0.99, 0.5, 2, 10, false},
      {0.99, 0.5, 2, 11, true},    {0.95, 0.1, 0, 2, false},
      {0.95, 0.1, 0, 3, true},     {0.99, 0.1, 2, 1, false},
      {0.9999, 0.5, 0, 13, false}, {0.9999, 0.5, 0, 14, true},
  };
  for (const auto& c : kCases) {
    BreakerOptions options = NoRules();
    options.failure_rate = c.limit;
    options.confidence = c.confidence;
    Make(options);
    Calls(c.successes, Verdict::kSuccess);
    Calls(c.failures, Verdict::kFailure);
    EXPECT_EQ(Check() == Rule::kFailureRate, c.trips)
        << c.confidence << " " << c.limit << " " << c.successes << " "
        << c.failures;
  }
}

TEST_F(TripRulesTest, OneCallASecondIsEnoughForTheConfidentRule) {
  BreakerOptions options = NoRules();
  options.failure_rate = 0.5;
  options.confidence = 0.99;
  options.window.duration = Sec(10);  // never 20 calls
  Make(options);
  for (int i = 0; i < 100; ++i) {
    Call(i % 10 == 0 ? Verdict::kFailure : Verdict::kSuccess);
    Pass(Sec(1));
    ASSERT_EQ(Check(), Rule::kNone);
  }
  int seconds = 0;
  while (Check() == Rule::kNone && seconds < 100) {
    Pass(Sec(1));
    Call(Verdict::kFailure);
    ++seconds;
  }
  EXPECT_LE(seconds, 9);
  EXPECT_EQ(Check(), Rule::kFailureRate);
}

TEST(WilsonTest, AgreesWithPublishedValues) {
  // The lower ends of the two-sided 95 % interval (z = 1.96).
  EXPECT_NEAR(WilsonLowerBound(1, 10, 1.959964), 0.0179, 5e-4);
  EXPECT_NEAR(WilsonLowerBound(5, 10, 1.959964), 0.2366, 5e-4);
  EXPECT_NEAR(WilsonLowerBound(10, 10, 1.959964), 0.7225, 5e-4);
  EXPECT_NEAR(WilsonLowerBound(0, 10, 1.959964), 0, 1e-12);
  EXPECT_NEAR(NormalQuantile(0.975), 1.959964, 1e-6);
  EXPECT_NEAR(NormalQuantile(0.5), 0, 1e-6);
  EXPECT_NEAR(NormalQuantile(0.9999), 3.719016, 1e-6);
}

TEST(SlowWatchTest, LooksForwardToACallThatStillRuns) {
  SlowWatch watch(Sec(16), At(Sec(0)));
  const uint64_t ended = watch.Begin(At(Sec(0)));
  EXPECT_EQ(watch.next_due(), watch.last_due());
  watch.Begin(At(Sec(8)));
  EXPECT_LT(watch.next_due(), watch.last_due());
  EXPECT_EQ(watch.End(ended), SlowWatch::Ended::kWatched);
  EXPECT_EQ(watch.next_due(), watch.last_due());
}

TEST(SlowWatchTest, FindsNoCallTooEarlyAndNoneLaterThanASixteenth) {
  for (const Duration limit :
       {Duration(1), Duration(15), Duration(17), Ms(1), Sec(3600)}) {
    const Duration slice = limit / 16 + Duration(1);
    for (int n = 0; n < 40; ++n) {
      SlowWatch watch(limit, Time{});
      const Time start = Time{} + n * (slice / 3 + Duration(1));
      watch.Begin(start);
      EXPECT_EQ(watch.TakeOverdue(start + limit - Duration(1)), 0);
      EXPECT_LE(watch.next_due(), start + limit + slice);
      EXPECT_EQ(watch.TakeOverdue(watch.next_due() - Duration(1)), 0);
      EXPECT_EQ(watch.TakeOverdue(watch.next_due()), 1);
      EXPECT_EQ(watch.TakeOverdue(start + 9 * limit), 0);
      EXPECT_EQ(watch.next_due(), kInfiniteFuture);
    }
  }
}

TEST(SlowWatchTest, AJumpOfTheClockFindsAllThatWait) {
  SlowWatch watch(Sec(1), Time{});
  for (int i = 0; i < 1'000; ++i) {
    watch.TakeOverdue(At(Ms(i)));
    watch.Begin(At(Ms(i)));
  }
  const Time far = At(std::chrono::hours(24 * 365 * 100));
  EXPECT_EQ(watch.TakeOverdue(far), 1'000);
  const uint64_t ticket = watch.Begin(far);
  EXPECT_EQ(watch.End(ticket), SlowWatch::Ended::kWatched);
  EXPECT_EQ(watch.next_due(), kInfiniteFuture);
}

TEST(SlowWatchTest, KnowsHowManyThatItFoundHaveNotEnded) {
  SlowWatch watch(Sec(1), Time{});
  const uint64_t a = watch.Begin(Time{});
  const uint64_t b = watch.Begin(Time{});
  EXPECT_EQ(watch.found(), 0);
  EXPECT_EQ(watch.TakeOverdue(At(Sec(2))), 2);
  EXPECT_EQ(watch.found(), 2);
  EXPECT_EQ(watch.End(a), SlowWatch::Ended::kFound);
  EXPECT_EQ(watch.found(), 1);
  watch.Restart(Sec(3), At(Sec(2)));
  EXPECT_EQ(watch.found(), 0);
  EXPECT_EQ(watch.End(b), SlowWatch::Ended::kForgotten);
  EXPECT_EQ(watch.found(), 0);
}

TEST(SlowWatchTest, AfterClearNothingIsWatched) {
  SlowWatch watch(Sec(1), Time{});
  watch.Begin(Time{});
  watch.Clear();
  EXPECT_EQ(watch.TakeOverdue(At(Sec(9))), 0);
}

}  // namespace
}  // namespace firebreak::core
