// While the breaker is open, one attempt a second is a probe.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::HasSubstr;

BreakerOptions WithCanaries() {
  BreakerOptions options = TripsAfter(1);
  options.probe_interval = Sec(1);
  return options;
}

class CanaryTest : public ::testing::Test {
 protected:
  void Make(const BreakerOptions& options = WithCanaries(),
            CallKind kind = CallKind::kUnary) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"c", "t", "m", &log_, nullptr}, options, 1, At({}));
    Call({}, kind).Settle(Verdict::kFailure, At({}));
    ASSERT_EQ(StateAt({}), BreakerState::kOpen);
  }
  Permit Call(Duration at, CallKind kind = CallKind::kUnary) {
    return breaker_->Admit(At(at), kInfiniteFuture, kind).permit;
  }
  BreakerState StateAt(Duration at) { return breaker_->Snapshot(At(at)).state; }

  EventLog log_{100};
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(CanaryTest, OneAttemptASecondAndNoMore) {
  Make();
  int let_through = 0;
  for (int i = 0; i < 600; ++i) {
    Permit permit = Call(Ms(100) * i);
    if (!permit) continue;
    ++let_through;
    EXPECT_TRUE(permit.is_probe());
    EXPECT_TRUE(permit.is_careful());
    permit.Settle(Verdict::kFailure, At(Ms(100) * i + Ms(5)));
  }
  EXPECT_EQ(let_through, 59);
  EXPECT_EQ(StateAt(Sec(60)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(60))).times_opened, 1);
  EXPECT_EQ(Told(log_).size(), 1u) << "an outage is one event";
}

TEST_F(CanaryTest, OneThatSucceedsIsTheFirstOfTheProbes) {
  Make();
  Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kHalfOpen);
  Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kHalfOpen);
  Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kClosed);
}

TEST_F(CanaryTest, AServerThatIsBackIsFoundWithinAnInterval) {
  for (int back = 2'000; back < 30'000; back += 700) {
    Make();
    Duration closed{};
    for (int ms = 0; ms < 60'000 && closed == Duration{}; ms += 100) {
      Permit permit = Call(Ms(ms));
      permit.Settle(ms < back ? Verdict::kFailure : Verdict::kSuccess,
                    At(Ms(ms)));
      if (StateAt(Ms(ms)) == BreakerState::kClosed) closed = Ms(ms);
    }
    EXPECT_LE(closed - Ms(back), Ms(1'400)) << back;
  }
}

TEST_F(CanaryTest, OneThatHangsHidesNoServerThatIsBack) {
  Make();
  std::vector<Permit> hung;
  hung.push_back(Call(Sec(1)));
  hung.push_back(Call(Sec(2)));
  EXPECT_TRUE(hung[0] && hung[1]);
  Call(Sec(3)).Settle(Verdict::kSuccess, At(Sec(3)));
  EXPECT_EQ(StateAt(Sec(3)), BreakerState::kHalfOpen);
}

TEST_F(CanaryTest, NoMoreHangAtATimeThanThereAreProbes) {
  Make();
  std::vector<Permit> hung;
  for (int ms = 0; ms < 5'900; ms += 100) {
    if (Permit permit = Call(Ms(ms))) hung.push_back(std::move(permit));
  }
  EXPECT_EQ(hung.size(), 3u);
  // Each lease lasts for 5 s, and then its place is free.
  EXPECT_TRUE(Call(Sec(6)));
  EXPECT_EQ(breaker_->Snapshot(At(Sec(6))).hung_probes, 1);
  EXPECT_EQ(breaker_->next_tick(), At(Sec(7)));
}

TEST_F(CanaryTest, InALongOutageTheyAreFewer) {
  Make();
  int let_through = 0;
  Duration last{};
  Duration longest{};
  for (int64_t ms = 0; ms < 3'600'000; ms += 100) {
    Permit permit = Call(Ms(ms));
    if (!permit) continue;
    ++let_through;
    longest = std::max(longest, Ms(ms) - last);
    last = Ms(ms);
    permit.Settle(Verdict::kFailure, At(Ms(ms)));
  }
  EXPECT_LE(longest, Ms(5'100));
  EXPECT_LE(let_through, 3'600 / 5 + 120);
}

// A target that answers some probes and not others.
TEST_F(CanaryTest, FlapsAreToldLessAndLess) {
  BreakerOptions options = WithCanaries();
  options.probes = 2;
  Make(options);
  Duration now{};
  for (int i = 0; i < 100; ++i) {
    now += Sec(6);
    Call(now).Settle(Verdict::kSuccess, At(now));
    ASSERT_EQ(StateAt(now), BreakerState::kHalfOpen);
    Call(now).Settle(Verdict::kFailure, At(now));
    ASSERT_EQ(StateAt(now), BreakerState::kOpen);
  }
  EXPECT_EQ(breaker_->Snapshot(At(now)).times_opened, 101);
  now += Sec(6);
  for (int i = 0; i < 2; ++i) {
    Call(now).Settle(Verdict::kSuccess, At(now));
  }
  ASSERT_EQ(StateAt(now), BreakerState::kClosed);
  const std::vector<std::string> told = Told(log_);
  // The trip; the flaps 1 to 4, 8, 16, 32 and 64, two events each; and the
  // final recovery.
  EXPECT_EQ(told.size(), 1 + 2 * 8 + 2u) << absl::StrJoin(told, "\n");
  EXPECT_THAT(told[16], HasSubstr("64 times since it was closed"));
  // Each event begins with the state in which the one before ended.
  std::string state = "closed";
  for (const Event& event : log_.Since(0, 100).events) {
    EXPECT_EQ(event.from, state);
    state = event.to;
  }
  EXPECT_EQ(state, "closed");
}

// A probe that has been due for a moment does not mean that no calls come.
TEST_F(CanaryTest, WhatNobodyAsksForTenSecondsWaitsForACall) {
  Make();
  EXPECT_FALSE(breaker_->Snapshot(At(Sec(9))).waits_for_call);
  EXPECT_TRUE(breaker_->Snapshot(At(Sec(11))).waits_for_call);
  Call(Sec(11)).Settle(Verdict::kFailure, At(Sec(11)));
  EXPECT_FALSE(breaker_->Snapshot(At(Sec(13))).waits_for_call);
}

TEST_F(CanaryTest, WithoutAConnectionItWaitsForOne) {
  Make();
  Call(Sec(1)).Settle(Verdict::kNotSent, At(Sec(1)));
  BreakerSnapshot open = breaker_->Snapshot(At(Sec(1)));
  EXPECT_EQ(open.state, BreakerState::kOpen);
  EXPECT_TRUE(open.waits_for_connection);
  EXPECT_FALSE(Call(Ms(1'200)));
  breaker_->NoteConnected(At(Ms(1'300)));
  EXPECT_TRUE(Call(Ms(1'300)));
}

TEST_F(CanaryTest, AfterALongOutageThereIsAShortRamp) {
  BreakerOptions options = WithCanaries();
  options.ramp.duration.reset();
  options.probes = 1;
  Make(options);
  for (int s = 1; s < 12; ++s) {
    Call(Sec(s)).Settle(Verdict::kFailure, At(Sec(s)));
  }
  Call(Sec(12)).Settle(Verdict::kSuccess, At(Sec(12)));
  EXPECT_EQ(StateAt(Sec(12)), BreakerState::kRamp);
  EXPECT_EQ(StateAt(Ms(12'500)), BreakerState::kClosed);
  // After a short outage there is no ramp.
  Make(options);
  Call(Sec(1)).Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(StateAt(Sec(1)), BreakerState::kClosed);
}

// Ten streams whose first message comes when something happens.
TEST_F(CanaryTest, SilentStreamsOnAConnectionCloseIt) {
  Make(WithCanaries(), CallKind::kStream);
  std::vector<Permit> watchers;
  for (int ms = 0; ms <= 6'000; ms += 200) {
    if (Permit permit = Call(Ms(ms), CallKind::kStream)) {
      watchers.push_back(std::move(permit));
    }
    breaker_->NoteConnected(At(Ms(ms)));
  }
  EXPECT_EQ(StateAt(Sec(6)), BreakerState::kClosed);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(6))).hung_probes, 0);
}

TEST_F(CanaryTest, SilentStreamsWithoutAConnectionHang) {
  Make(WithCanaries(), CallKind::kStream);
  std::vector<Permit> watchers;
  for (int ms = 0; ms <= 20'000; ms += 200) {
    if (Permit permit = Call(Ms(ms), CallKind::kStream)) {
      watchers.push_back(std::move(permit));
    }
  }
  EXPECT_EQ(StateAt(Sec(20)), BreakerState::kOpen);
  EXPECT_GT(breaker_->Snapshot(At(Sec(20))).hung_probes, 3);
}

// All methods of a channel share one breaker, and the server is frozen. Its
// connections and silent streams stay open, but unary calls time out.
TEST_F(CanaryTest, SilentStreamsDoNotCloseItWhileUnaryCallsFail) {
  Make();
  std::vector<Permit> watchers;
  std::vector<std::pair<int, Permit>> unary;
  const auto run = [&](int from_ms, int until_ms, bool is_frozen) {
    for (int ms = from_ms; ms <= until_ms; ms += 100) {
      for (auto& [ends, permit] : unary) {
        if (ends > ms) continue;
        permit.Settle(is_frozen ? Verdict::kFailure : Verdict::kSuccess,
                      At(Ms(ms)));
      }
      breaker_->NoteConnected(At(Ms(ms)));
      // Alternately, so that both kinds of calls are probes.
      if ((ms / 1'000) % 2 == 0) {
        if (Permit permit = Call(Ms(ms), CallKind::kStream)) {
          watchers.push_back(std::move(permit));
        }
      } else if (Permit permit = Call(Ms(ms))) {
        unary.emplace_back(is_frozen ? ms + 1'000 : ms, std::move(permit));
      }
    }
  };
  run(0, 60'000, /*is_frozen=*/true);
  EXPECT_EQ(StateAt(Sec(60)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(60))).times_opened, 1);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(60))).hung_probes, 0);
  run(60'100, 66'000, /*is_frozen=*/false);
  EXPECT_EQ(StateAt(Sec(66)), BreakerState::kClosed);
}

// But if only streams are left, silent ones close it.
TEST_F(CanaryTest, SilentStreamsCloseItWhenNoUnaryCallComesAnyMore) {
  Make();
  Permit unary = Call(Sec(1));
  ASSERT_TRUE(unary);
  unary.Settle(Verdict::kFailure, At(Sec(2)));
  std::vector<Permit> watchers;
  for (int ms = 2'100; ms <= 11'000; ms += 100) {
    if (Permit permit = Call(Ms(ms), CallKind::kStream)) {
      watchers.push_back(std::move(permit));
    }
    breaker_->NoteConnected(At(Ms(ms)));
  }
  EXPECT_EQ(StateAt(Sec(11)), BreakerState::kOpen);
  for (int ms = 11'100; ms <= 15'000; ms += 100) {
    if (Permit permit = Call(Ms(ms), CallKind::kStream)) {
      watchers.push_back(std::move(permit));
    }
    breaker_->NoteConnected(At(Ms(ms)));
  }
  EXPECT_EQ(StateAt(Sec(15)), BreakerState::kClosed);
}

// If only one of several methods answers with errors, the server is not frozen.
TEST_F(CanaryTest, SilentStreamsCloseItWhileOneMethodAnswersWithErrors) {
  for (const bool has_answer : {true, false}) {
    Make();
    std::vector<Permit> watchers;
    bool closed = false;
    int unary_due = 0;
    for (int ms = 0; ms <= 60'000 && !closed; ms += 100) {
      breaker_->NoteConnected(At(Ms(ms)));
      const bool is_unary = ms >= unary_due;
      Permit permit =
          Call(Ms(ms), is_unary ? CallKind::kUnary : CallKind::kStream);
      if (permit && is_unary) {
        unary_due = ms + 9'000;
        if (has_answer) permit.SetHasAnswer();
        permit.Settle(Verdict::kFailure, At(Ms(ms)));
      } else if (permit) {
        watchers.push_back(std::move(permit));
      }
      closed = StateAt(Ms(ms)) == BreakerState::kClosed;
    }
    EXPECT_EQ(closed, has_answer);
  }
}

// A call that was sent before the breaker opened says nothing about the time
// since then.
TEST_F(CanaryTest, ALateTimeoutMakesNoDoubt) {
  breaker_ = std::make_unique<Breaker>(
      Breaker::Identity{"c", "t", "m", &log_, nullptr}, WithCanaries(), 1,
      At({}));
  Permit late = Call({});
  Call({}, CallKind::kStream).Settle(Verdict::kFailure, At({}));
  Permit stream = Call(Sec(2), CallKind::kStream);
  ASSERT_TRUE(stream);
  late.Settle(Verdict::kFailure, At(Ms(2'500)));
  breaker_->NoteConnected(At(Sec(3)));
  EXPECT_EQ(StateAt(Sec(3)), BreakerState::kHalfOpen);
}

TEST_F(CanaryTest, WhatIsAnsweredWhileClosedEndsTheDoubt) {
  BreakerOptions options = WithCanaries();
  options.consecutive_failures = 2;
  for (const bool is_answered : {true, false}) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"c", "t", "m", &log_, nullptr}, options, 1, At({}));
    Call({}).Settle(Verdict::kFailure, At({}));
    if (is_answered) Call({}).Settle(Verdict::kSuccess, At({}));
    for (int i = 0; i < 2; ++i) {
      Call({}, CallKind::kStream).Settle(Verdict::kFailure, At({}));
    }
    ASSERT_EQ(StateAt({}), BreakerState::kOpen);
    const Permit stream = Call(Sec(2), CallKind::kStream);
    ASSERT_TRUE(stream);
    breaker_->NoteConnected(At(Sec(3)));
    EXPECT_EQ(StateAt(Sec(3)),
              is_answered ? BreakerState::kHalfOpen : BreakerState::kOpen);
  }
}

TEST_F(CanaryTest, AMessageAfterTheDoubtIsASuccess) {
  BreakerOptions options = WithCanaries();
  options.probes = 1;
  Make(options);
  Permit stream = Call(Sec(2), CallKind::kStream);
  ASSERT_TRUE(stream);
  breaker_->NoteConnected(At(Sec(3)));
  ASSERT_EQ(StateAt(Sec(3)), BreakerState::kOpen) << "in doubt";
  Permit other = Call(Ms(3'100), CallKind::kStream);
  EXPECT_TRUE(other) << "its slot is free";
  stream.NoteProgress(At(Sec(4)));
  EXPECT_EQ(StateAt(Sec(4)), BreakerState::kClosed);
  stream.Settle(Verdict::kFailure, At(Sec(5)));
  EXPECT_EQ(StateAt(Sec(5)), BreakerState::kClosed) << "it was judged";
}

// But if a stream's lease ended for another reason, its messages are ignored.
TEST_F(CanaryTest, AMessageAfterAStreamWasJudgedIsNone) {
  BreakerOptions options = WithCanaries();
  options.probes = 2;
  Make(options, CallKind::kStream);
  Permit stream = Call(Sec(2), CallKind::kStream);
  ASSERT_TRUE(stream);
  // The five seconds of its lease have passed.
  EXPECT_EQ(StateAt(Sec(8)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(8))).hung_probes, 1);
  stream.NoteProgress(At(Sec(8)));
  EXPECT_EQ(StateAt(Sec(8)), BreakerState::kOpen);
}

TEST_F(CanaryTest, AUnaryCallThatIsSilentHangsOnAnyConnection) {
  Make();
  const Permit probe = Call(Sec(1));
  ASSERT_TRUE(probe);
  breaker_->NoteConnected(At(Sec(3)));
  EXPECT_EQ(StateAt(Sec(3)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(6))).hung_probes, 1);
}

}  // namespace
}  // namespace firebreak::core
