// Health checks as probes: the breaker's reaction to their answers, and to
// missing checks.
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

BreakerOptions WithChecks() {
  BreakerOptions options = TripsAfter(1);
  options.probe_interval = Sec(1);
  options.health_check = "shop";
  return options;
}

const HealthAnswer kServing = {TargetHealth::kServing, "SERVING"};
const HealthAnswer kNotServing = {TargetHealth::kNotServing, "NOT_SERVING"};
const HealthAnswer kNoConnection = {TargetHealth::kNoConnection,
                                    "no connection"};
const HealthAnswer kNoWord = {TargetHealth::kNoWord, "UNIMPLEMENTED"};

class HealthCheckBreakerTest : public ::testing::Test {
 protected:
  void Make(const BreakerOptions& options = WithChecks()) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"c", "t", "m", &log_, nullptr}, options, 1, At({}));
    Call({}).Settle(Verdict::kFailure, At({}));
    ASSERT_EQ(StateAt({}), BreakerState::kOpen);
  }
  Permit Call(Duration at) {
    return breaker_->Admit(At(at), kInfiniteFuture).permit;
  }
  // Makes a check that is due, and answers it at once.
  bool Check(Duration at, const HealthAnswer& answer) {
    EXPECT_TRUE(breaker_->HealthCheckDue(At(at)));
    breaker_->HealthCheckBegins("shop", At(at));
    return Note(answer, at, at);
  }
  bool Note(const HealthAnswer& answer, Duration begun, Duration at) {
    return breaker_->NoteHealth("shop", answer, At(begun), At(at));
  }
  BreakerState StateAt(Duration at) { return breaker_->Snapshot(At(at)).state; }

  EventLog log_{100};
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(HealthCheckBreakerTest, NoCallLooksWhileChecksDo) {
  Make();
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Ms(999))));
  for (int s = 1; s < 600; ++s) {
    const Duration at = Sec(s);
    if (!breaker_->HealthCheckDue(At(at))) continue;
    EXPECT_FALSE(Call(at)) << "it is under way: " << s;
    EXPECT_TRUE(Check(at, kNotServing));
    EXPECT_FALSE(Call(at + Ms(500)));
  }
  EXPECT_EQ(StateAt(Sec(600)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(600))).health, "NOT_SERVING");
  EXPECT_EQ(Told(log_).size(), 1u) << "an outage is one event";
  EXPECT_FALSE(breaker_->Snapshot(At(Sec(600))).waits_for_call);
}

TEST_F(HealthCheckBreakerTest, OneIsDueForEachInterval) {
  Make();
  int checks = 0;
  for (int ms = 0; ms < 30'000; ms += 10) {
    if (!breaker_->HealthCheckDue(At(Ms(ms)))) continue;
    ++checks;
    Check(Ms(ms), kNotServing);
  }
  EXPECT_EQ(checks, 29);
  const absl::optional<HealthAsk> ask = breaker_->HealthCheckDue(At(Sec(60)));
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->service, "shop");
  EXPECT_EQ(ask->open_since, At({}));
  EXPECT_EQ(ask->interval, Sec(1));
  EXPECT_EQ(ask->timeout, Sec(5));
}

TEST_F(HealthCheckBreakerTest, AServerThatServesMakesItHalfOpenAndCallsDecide) {
  Make();
  EXPECT_FALSE(Check(Sec(1), kServing));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kHalfOpen);
  EXPECT_EQ(breaker_->cause(), "the health check answered SERVING");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(StateAt(Sec(1)), BreakerState::kHalfOpen);
    Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  }
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kClosed);
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Sec(100))));
  EXPECT_FALSE(Note(kServing, Sec(100), Sec(100)));
}

// Otherwise a retry would wait in vain.
TEST_F(HealthCheckBreakerTest, KnowsBeforehandWhatItRefuses) {
  Make();
  EXPECT_TRUE(breaker_->WouldRefuse(At(Ms(100)), At(Sec(3))));
  EXPECT_FALSE(Call(Sec(3)));
  EXPECT_FALSE(Check(Sec(3), kNoWord));
  EXPECT_FALSE(breaker_->WouldRefuse(At(Sec(3)), At(Sec(5)))) << "a call looks";
  EXPECT_TRUE(Call(Sec(5)));
}

// A policy may ask for another service while a check runs.
TEST_F(HealthCheckBreakerTest, AnotherServiceIsNothingToIt) {
  Make();
  breaker_->HealthCheckBegins("before", At(Sec(1)));
  EXPECT_TRUE(breaker_->HealthCheckDue(At(Sec(1)))) << "it is still due";
  EXPECT_FALSE(
      breaker_->NoteHealth("before", kServing, At(Sec(1)), At(Sec(1))));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(1))).health, "");
}

TEST_F(HealthCheckBreakerTest, AMethodThatFailsOnAServerThatServesReopens) {
  Make();
  Check(Sec(1), kServing);
  Call(Sec(1)).Settle(Verdict::kFailure, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kOpen);
  // A check that began before the trip says nothing about it.
  EXPECT_TRUE(Note(kServing, Ms(900), Ms(1'100)));
  EXPECT_EQ(StateAt(Ms(1'100)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Ms(1'100))).health, "");
}

TEST_F(HealthCheckBreakerTest, WithoutAWordCallsLookUntilItIsOpenAgain) {
  Make();
  EXPECT_FALSE(Check(Sec(1), kNoWord));
  EXPECT_FALSE(breaker_->Snapshot(At(Sec(1))).asks_health);
  Call(Sec(1)).Settle(Verdict::kFailure, At(Sec(1)));
  EXPECT_FALSE(Call(Ms(1'900)));
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Sec(2))));
  for (int i = 0; i < 3; ++i) {
    Call(Sec(2)).Settle(Verdict::kSuccess, At(Sec(2)));
  }
  EXPECT_EQ(StateAt(Sec(2)), BreakerState::kClosed);
  Call(Sec(3)).Settle(Verdict::kFailure, At(Sec(3)));
  EXPECT_TRUE(breaker_->HealthCheckDue(At(Sec(4)))) << "it is asked anew";
}

TEST_F(HealthCheckBreakerTest, WhereNobodyChecksACallLooks) {
  Make();
  EXPECT_FALSE(Call(Ms(10'900)));
  Call(Sec(11)).Settle(Verdict::kSuccess, At(Sec(11)));
  EXPECT_EQ(StateAt(Sec(11)), BreakerState::kHalfOpen);
}

TEST_F(HealthCheckBreakerTest, WithoutAConnectionItIsAskedAsSoonAsThereIsOne) {
  Make();
  EXPECT_TRUE(Check(Sec(1), kNoConnection));
  EXPECT_TRUE(breaker_->Snapshot(At(Sec(1))).waits_for_connection);
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Ms(1'100))));
  breaker_->NoteConnected(At(Ms(1'200)));
  EXPECT_FALSE(Call(Ms(1'200)));
  EXPECT_TRUE(breaker_->HealthCheckDue(At(Ms(1'200))));
}

TEST_F(HealthCheckBreakerTest, OneThatOnlyLooksOnAsksNobody) {
  BreakerOptions options = WithChecks();
  options.mode = BreakerOptions::Mode::kShadow;
  Make(options);
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Sec(1))));
  Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kHalfOpen);
}

TEST_F(HealthCheckBreakerTest, NorDoesOneThatIsForced) {
  Make();
  breaker_->ForceOpen(absl::nullopt, At(Sec(1)));
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Sec(2))));
  EXPECT_FALSE(Note(kServing, Sec(2), Sec(2)));
  EXPECT_EQ(StateAt(Sec(2)), BreakerState::kForcedOpen);
}

TEST_F(HealthCheckBreakerTest, APolicyMayTakeChecksAwayAndBringThem) {
  Make();
  BreakerOptions without = WithChecks();
  without.health_check.reset();
  breaker_->SetOptions(without, At(Sec(1)));
  EXPECT_FALSE(breaker_->HealthCheckDue(At(Sec(1))));
  Call(Sec(1)).Settle(Verdict::kFailure, At(Sec(1)));
  breaker_->SetOptions(WithChecks(), At(Ms(1'500)));
  EXPECT_FALSE(Call(Sec(2)));
  EXPECT_TRUE(breaker_->HealthCheckDue(At(Sec(2))));
}

// In any order of calls, checks and answers, no call is sent while checks are
// the probes, and the breaker always recovers.
TEST_F(HealthCheckBreakerTest, InAnyOrderItComesBack) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Make();
    Rng rng(seed);
    Duration now{};
    Duration last_word{};  // when a check began or could not tell
    for (int step = 0; step < 200; ++step) {
      now += Ms(static_cast<int64_t>(rng.Uniform(0, 400)));
      const BreakerSnapshot before = breaker_->Snapshot(At(now));
      if (before.state == BreakerState::kOpen && before.asks_health &&
          breaker_->HealthCheckDue(At(now))) {
        const HealthAnswer answers[] = {kServing, kNotServing, kNoConnection,
                                        kNoWord};
        last_word = now;
        Check(now, answers[static_cast<int>(rng.Uniform(0, 4))]);
        continue;
      }
      Permit permit = Call(now);
      if (before.asks_health && now - last_word < Sec(10)) {
        EXPECT_FALSE(permit) << seed << " " << step;
      }
      if (!permit) continue;
      permit.Settle(rng.Uniform() < 0.5 ? Verdict::kFailure : Verdict::kSuccess,
                    At(now));
    }
    for (int i = 0; StateAt(now) != BreakerState::kClosed && i < 100; ++i) {
      now += Ms(300);
      if (breaker_->HealthCheckDue(At(now))) Check(now, kServing);
      Call(now).Settle(Verdict::kSuccess, At(now));
    }
    EXPECT_EQ(StateAt(now), BreakerState::kClosed) << seed;
  }
}

}  // namespace
}  // namespace firebreak::core
