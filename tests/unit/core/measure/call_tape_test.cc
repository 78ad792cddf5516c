// The record of calls while there is a listener.
#include "src/core/measure/call_tape.h"

#include <atomic>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

CallTape::Call CallAt(int64_t ns, int attempts = 1) {
  CallTape::Call call;
  call.started = Time(Duration(ns));
  call.attempts = attempts;
  return call;
}

CallTape::Attempt Nth(int n) {
  CallTape::Attempt attempt;
  attempt.took = Duration(n);
  return attempt;
}

struct Taken {
  std::vector<CallTape::Call> calls;
  std::vector<std::vector<CallTape::Attempt>> attempts;
  int64_t lost = 0;
};

Taken DrainAll(CallTape* tape, CallTape::Session session) {
  Taken taken;
  taken.lost = tape->Drain(session, [&](const CallTape::Call& call,
                                        const CallTape::Attempt* attempts) {
    taken.calls.push_back(call);
    taken.attempts.emplace_back(attempts, attempts + call.attempts);
  });
  return taken;
}

TEST(CallTapeTest, KeepsNothingWhileNobodyListens) {
  CallTape tape;
  EXPECT_FALSE(tape.is_on());
  tape.Write(CallAt(1), Nth);
  EXPECT_EQ(DrainAll(&tape, 1).calls.size(), 0);
  const auto session = tape.Start(1);
  ASSERT_NE(session, CallTape::kNone);
  EXPECT_EQ(tape.Start(1), CallTape::kNone) << "one listener at a time";
  tape.Write(CallAt(2), Nth);
  tape.Stop(session);
  tape.Write(CallAt(3), Nth);
  const Taken taken = DrainAll(&tape, session);
  EXPECT_EQ(taken.calls.size(), 0) << "what nobody has taken goes with it";
  EXPECT_EQ(taken.lost, 0);
}

TEST(CallTapeTest, HandsOutEachCallOnceWithItsAttempts) {
  CallTape tape;
  const auto session = tape.Start(1);
  tape.Write(CallAt(1, 3), Nth);
  tape.Write(CallAt(2, 0), Nth);
  tape.Write(CallAt(3, 1), Nth);
  const Taken taken = DrainAll(&tape, session);
  ASSERT_EQ(taken.calls.size(), 3);
  EXPECT_EQ(taken.calls[1].started, Time(Duration(2)));
  ASSERT_EQ(taken.attempts[0].size(), 3);
  EXPECT_EQ(taken.attempts[0][2].took, Duration(2));
  EXPECT_EQ(taken.attempts[1].size(), 0);
  EXPECT_EQ(taken.attempts[2].size(), 1);
  EXPECT_EQ(DrainAll(&tape, session).calls.size(), 0);
}

TEST(CallTapeTest, AnotherListenerHearsNothingOfTheOneBefore) {
  CallTape tape;
  const auto before = tape.Start(1);
  tape.Write(CallAt(1), Nth);
  tape.Stop(before);
  const auto session = tape.Start(1);
  tape.Stop(before);
  EXPECT_TRUE(tape.is_on()) << "that is not his";
  tape.Write(CallAt(2), Nth);
  EXPECT_EQ(DrainAll(&tape, before).calls.size(), 0);
  const Taken taken = DrainAll(&tape, session);
  ASSERT_EQ(taken.calls.size(), 1);
  EXPECT_EQ(taken.calls[0].started, Time(Duration(2)));
}

TEST(CallTapeTest, CountsWhatFindsNoRoom) {
  CallTape tape;
  const auto session = tape.Start(1);
  constexpr int kRoom = CallTape::kCalls * kStripes;
  for (int i = 0; i < kRoom + 7; ++i) tape.Write(CallAt(i), Nth);
  Taken taken = DrainAll(&tape, session);
  EXPECT_EQ(taken.calls.size(), kRoom);
  EXPECT_EQ(taken.lost, 7);
  // There may also be no room for attempts.
  constexpr int kEach = 100;
  constexpr int kFit = CallTape::kAttempts / kEach * kStripes;
  for (int i = 0; i < kFit + 3; ++i) tape.Write(CallAt(i, kEach), Nth);
  taken = DrainAll(&tape, session);
  EXPECT_EQ(taken.calls.size(), kFit);
  EXPECT_EQ(taken.lost, 3);
  EXPECT_EQ(DrainAll(&tape, session).lost, 0) << "told once";
}

TEST(CallTapeTest, TakesAShareOfTheCallsByTheirStart) {
  for (const double share : {0.01, 0.25, 1.0}) {
    CallTape tape;
    const auto session = tape.Start(share);
    int chosen = 0;
    for (int i = 0; i < 10'000; ++i) {
      // A steady load, with which a counter might be in phase.
      tape.Write(CallAt(int64_t{i} * 1'000'000), Nth);
      if (i % 1000 == 999) {
        chosen += static_cast<int>(DrainAll(&tape, session).calls.size());
      }
    }
    EXPECT_NEAR(chosen, 10'000 * share, 10'000 * share * 0.2) << share;
  }
}

// The lost calls and the taken ones together are all calls.
TEST(CallTapeTest, ManyThreadsAndAListener) {
  CallTape tape;
  const auto session = tape.Start(1);
  constexpr int kThreads = 4;
  constexpr int64_t kCalls = 20'000;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < kCalls; ++i) {
        tape.Write(CallAt(t * kCalls + i, static_cast<int>(i % 3)), Nth);
      }
      --running;
    });
  }
  std::set<int64_t> seen;
  int64_t lost = 0;
  const auto take = [&] {
    const Taken taken = DrainAll(&tape, session);
    lost += taken.lost;
    for (size_t i = 0; i < taken.calls.size(); ++i) {
      const int64_t n = taken.calls[i].started.time_since_epoch().count();
      EXPECT_TRUE(seen.insert(n).second) << n << " came twice";
      EXPECT_EQ(taken.attempts[i].size(), static_cast<size_t>(n % kCalls % 3));
      for (size_t a = 0; a < taken.attempts[i].size(); ++a) {
        EXPECT_EQ(taken.attempts[i][a].took.count(), static_cast<int64_t>(a));
      }
    }
  };
  while (running > 0) take();
  for (std::thread& thread : threads) thread.join();
  take();
  EXPECT_EQ(static_cast<int64_t>(seen.size()) + lost, kThreads * kCalls);
}

TEST(CallTapeTest, ListenersComeAndGoWhileCallsEnd) {
  CallTape tape;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int64_t i = 0; !stop; ++i) {
        if (tape.is_on()) tape.Write(CallAt(i), Nth);
      }
    });
  }
  size_t taken = 0;
  for (int i = 0; i < 200 || taken == 0; ++i) {
    const auto session = tape.Start(i % 2 == 0 ? 1 : 0.5);
    ASSERT_NE(session, CallTape::kNone);
    taken += DrainAll(&tape, session).calls.size();
    tape.Stop(session);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// --- what the driver writes --------------------------------------------------

class DriverTape : public ::testing::Test {
 protected:
  DriverTape() {
    options_.retry = RetryOptions{};
    stats_.tape = &tape_;
    plan_.options = &options_;
    plan_.targets = targets_;
    plan_.budget = &budget_;
    plan_.stats = &stats_;
    plan_.deadline = At(Sec(10));
    session_ = tape_.Start(1);
  }
  static AttemptEnd End(absl::StatusCode code) {
    AttemptEnd end;
    end.code = code;
    return end;
  }
  // Returns the only call that was written.
  std::pair<CallTape::Call, std::vector<CallTape::Attempt>> Written() {
    const Taken taken = DrainAll(&tape_, session_);
    EXPECT_EQ(taken.calls.size(), 1);
    if (taken.calls.size() != 1) return {};
    EXPECT_EQ(taken.calls[0].method, &stats_);
    return {taken.calls[0], taken.attempts[0]};
  }

  MethodOptions options_;
  CallTape tape_;
  CallTape::Session session_;
  MethodStats stats_;
  Breaker breaker_{{}, absl::nullopt, 1, At(Sec(0))};
  Breaker* targets_[1] = {&breaker_};
  AttemptBudget budget_{BudgetOptions{}, At(Sec(0))};
  CallDriver::Plan plan_;
};

TEST_F(DriverTape, ARetryThatSucceeds) {
  {
    CallDriver driver(plan_);
    driver.Start(At(Sec(1)));
    driver.OnAttemptEnd(0, End(absl::StatusCode::kUnavailable), At(Sec(2)));
    driver.OnTimer(driver.wake_at());
    driver.OnAttemptEnd(1, AttemptEnd{}, At(Sec(4)));
    ASSERT_TRUE(driver.finished());
  }
  const auto [call, attempts] = Written();
  EXPECT_EQ(call.end, CallEnd::kSuccess);
  EXPECT_EQ(call.started, At(Sec(1)));
  EXPECT_EQ(call.took, Sec(3));
  EXPECT_EQ(call.granted, Sec(9));
  EXPECT_EQ(call.reason, Reason::kNone);
  ASSERT_EQ(attempts.size(), 2);
  EXPECT_EQ(attempts[0].kind, AttemptKind::kFirst);
  EXPECT_EQ(attempts[0].code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(attempts[0].took, Sec(1));
  EXPECT_FALSE(attempts[0].answered);
  EXPECT_EQ(attempts[1].kind, AttemptKind::kRetry);
  EXPECT_EQ(attempts[1].breaker, &breaker_);
  EXPECT_TRUE(attempts[1].answered);
}

TEST_F(DriverTape, WhatIsRefusedCancelledOrAbandonedIsThereOnce) {
  {
    CallDriver driver(plan_);
    Refusal refusal;
    refusal.reason = Reason::kBulkheadFull;
    driver.TurnAway(absl::StatusCode::kResourceExhausted, refusal, At(Sec(1)));
  }
  auto written = Written();
  EXPECT_EQ(written.first.end, CallEnd::kRejected);
  EXPECT_EQ(written.first.reason, Reason::kBulkheadFull);
  EXPECT_EQ(written.first.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(written.second.size(), 0);
  {
    CallDriver driver(plan_);
    driver.Start(At(Sec(1)));
    driver.OnCallerCancel(At(Sec(2)));
    driver.OnCallerCancel(At(Sec(3)));
    driver.OnAttemptEnd(0, End(absl::StatusCode::kCancelled), At(Sec(4)));
  }
  written = Written();
  EXPECT_EQ(written.first.end, CallEnd::kCancelled);
  EXPECT_EQ(written.first.took, Sec(1));
  ASSERT_EQ(written.second.size(), 1);
  EXPECT_EQ(written.second[0].attribution, Attribution::kCancelledByCaller);
  {
    CallDriver driver(plan_);
    driver.Start(At(Sec(1)));
  }
  written = Written();
  EXPECT_EQ(written.first.end, CallEnd::kAbandoned);
  ASSERT_EQ(written.second.size(), 1);
  EXPECT_EQ(written.second[0].attribution, Attribution::kAbandoned);
}

}  // namespace
}  // namespace firebreak::core
