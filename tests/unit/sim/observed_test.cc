// Estimates what calls would have met from the attempts of these and of other
// calls.
#include "src/sim/observed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/core/base/rng.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using Code = absl::StatusCode;
using Met = Observed::Met;

constexpr char kMethod[] = "/a.S/M";

void Add(Observed* observed, int64_t at_ms, Met met, int64_t took_ms = 0,
         Code code = Code::kOk, const char* method = kMethod) {
  ASSERT_TRUE(
      observed->AddCall(method, at_ms * 1'000'000, met, Ms(took_ms), code)
          .ok());
}

TEST(SimObserved, SortsByStartAndBeginsAtZero) {
  Observed observed;
  Add(&observed, 1030, Met::kAnswer, 3, Code::kUnavailable);
  Add(&observed, 1000, Met::kAnswer, 40);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->calls.size(), 2u);
  EXPECT_EQ(recording->calls[0].at, Ms(0));
  EXPECT_EQ(recording->calls[0].latency, Ms(40));
  EXPECT_EQ(recording->calls[1].at, Ms(30));
  EXPECT_EQ(recording->calls[1].code, Code::kUnavailable);
}

TEST(SimObserved, WhoWasRefusedMeetsWhatTheNearestAttemptMet) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 10);
  Add(&observed, 40, Met::kNobody);
  Add(&observed, 60, Met::kNobody);
  Add(&observed, 100, Met::kAnswer, 250, Code::kDeadlineExceeded);
  // This one is nearer, but of another method.
  Add(&observed, 41, Met::kAnswer, 7, Code::kInternal, "/a.S/Other");
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->of_nobody, 2);
  EXPECT_EQ(recording->calls[1].latency, Ms(10));
  EXPECT_EQ(recording->calls[1].code, Code::kOk);
  EXPECT_EQ(recording->calls[3].latency, Ms(250));
  EXPECT_EQ(recording->calls[3].code, Code::kDeadlineExceeded);
}

// What hangs is answered when the server is well again, between 250 ms and
// 1000 ms here.
TEST(SimObserved, WhoWouldHaveHungIsAnsweredInTheEnd) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 250, Code::kDeadlineExceeded);
  Add(&observed, 370, Met::kNobody);
  Add(&observed, 380, Met::kNobody);
  Add(&observed, 600, Met::kNobody);
  Add(&observed, 1000, Met::kAnswer, 5);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->calls[1].latency, Ms(250));
  EXPECT_EQ(recording->calls[1].code, Code::kDeadlineExceeded);
  EXPECT_EQ(recording->calls[2].latency, Ms(245 + 5));
  EXPECT_EQ(recording->calls[2].code, Code::kOk);
  EXPECT_EQ(recording->calls[3].latency, Ms(25 + 5));
  EXPECT_EQ(recording->calls[3].code, Code::kOk);
}

// It hung until the last one that timed out did.
TEST(SimObserved, SeveralThatHangAreOneHang) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 250, Code::kDeadlineExceeded);
  Add(&observed, 240, Met::kNobody);
  Add(&observed, 245, Met::kAnswer, 250, Code::kDeadlineExceeded);
  Add(&observed, 400, Met::kNobody);
  Add(&observed, 460, Met::kAnswer, 20, Code::kInternal);
  Add(&observed, 505, Met::kAnswer, 5, Code::kUnavailable);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->calls[1].latency, Ms(250));
  EXPECT_EQ(recording->calls[1].code, Code::kDeadlineExceeded);
  EXPECT_EQ(recording->calls[3].latency, Ms(100 + 5));
  EXPECT_EQ(recording->calls[3].code, Code::kUnavailable);
}

TEST(SimObserved, WhatHangsToTheEndOfTheRecordingIsNotAnswered) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 5);
  Add(&observed, 100, Met::kAnswer, 250, Code::kDeadlineExceeded);
  Add(&observed, 340, Met::kNobody);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->calls[2].latency, Ms(250));
  EXPECT_EQ(recording->calls[2].code, Code::kDeadlineExceeded);
}

// A server that let a call wait for 250 ms was not well at their end.
TEST(SimObserved, HowNearAnAttemptIsCountsFromItsEndToo) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 250, Code::kDeadlineExceeded);
  Add(&observed, 200, Met::kNobody);
  Add(&observed, 300, Met::kNobody);
  Add(&observed, 650, Met::kNobody);
  Add(&observed, 1000, Met::kAnswer, 5);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->calls[1].code, Code::kDeadlineExceeded) << "under way";
  EXPECT_EQ(recording->calls[2].code, Code::kDeadlineExceeded);
  EXPECT_EQ(recording->calls[2].latency, Ms(250));
  EXPECT_EQ(recording->calls[3].code, Code::kOk);
}

TEST(SimObserved, WhoWasGivenUpMeetsWhatTookLonger) {
  Observed observed;
  Add(&observed, 0, Met::kAnswer, 10);
  Add(&observed, 1, Met::kNoAnswer, 30, Code::kCancelled);
  Add(&observed, 2, Met::kAnswer, 20);
  Add(&observed, 3, Met::kAnswer, 90);
  Add(&observed, 4, Met::kNoAnswer, 95, Code::kCancelled);
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->given_up, 2);
  EXPECT_GE(recording->calls[1].latency, Ms(90)) << "or 95, as the last one";
  EXPECT_EQ(recording->calls[1].code, Code::kOk);
  EXPECT_EQ(recording->calls[4].latency, Ms(95)) << "none took longer";
  EXPECT_EQ(recording->calls[4].code, Code::kOk);
}

TEST(SimObserved, FurtherAttemptsTellToo) {
  Observed observed;
  Add(&observed, 0, Met::kNobody);
  observed.AddAttempt(kMethod, 0, Met::kAnswer, Ms(12), Code::kUnavailable);
  Add(&observed, 5, Met::kAnswer, 3, Code::kOk, "/a.S/Other");
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->calls[0].latency, Ms(12));
  EXPECT_EQ(recording->calls[0].code, Code::kUnavailable);
}

// One call in ten takes 100 ms to 200 ms. Most of these can only be observed
// until a hedge answers.
TEST(SimObserved, TheTailThatHedgesHideIsThere) {
  core::Rng rng(7);
  Observed observed;
  int64_t slow_ms = 0;
  int slow = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool is_slow = rng.Uniform() < 0.1;
    const int64_t takes = is_slow
                              ? 100 + static_cast<int64_t>(rng.Uniform(0, 100))
                              : 10 + static_cast<int64_t>(rng.Uniform(0, 10));
    if (is_slow) {
      ++slow;
      slow_ms += takes;
    }
    const bool is_won = is_slow && rng.Uniform() < 0.8;
    Add(&observed, i, is_won ? Met::kNoAnswer : Met::kAnswer,
        is_won ? 35 : takes, is_won ? Code::kCancelled : Code::kOk);
  }
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  int64_t seen_ms = 0;
  int seen = 0;
  for (const Recording::Call& call : recording->calls) {
    if (call.latency < Ms(35)) continue;
    ++seen;
    seen_ms += call.latency / Ms(1);
  }
  EXPECT_EQ(seen, slow);
  EXPECT_NEAR(static_cast<double>(seen_ms) / static_cast<double>(slow_ms), 1,
              0.03);
}

// What takes longest is hardly ever seen to its end, since hedges answer at
// many times: those that were given up late stand for it.
TEST(SimObserved, TheTailIsThereWhereItIsGivenUpAtManyTimes) {
  core::Rng rng(7);
  Observed observed;
  std::vector<int64_t> truth;
  for (int i = 0; i < 40'000; ++i) {
    const auto takes = static_cast<int64_t>(
        rng.Uniform() < 0.1 ? rng.Uniform(20, 120) : rng.Uniform(5, 20));
    const auto hedge = static_cast<int64_t>(rng.Uniform(25, 130));
    truth.push_back(takes);
    const bool is_won = hedge < takes;
    Add(&observed, i, is_won ? Met::kNoAnswer : Met::kAnswer,
        is_won ? hedge : takes, is_won ? Code::kCancelled : Code::kOk);
    // Hedges tell as much, of those that lose, too.
    observed.AddAttempt(kMethod, int64_t{i} * 1'000'000, Met::kNoAnswer, Ms(1),
                        Code::kCancelled);
  }
  const auto recording = observed.Finish();
  ASSERT_TRUE(recording.ok()) << recording.status();
  for (const int64_t limit_ms : {60, 90, 110}) {
    const auto share = [&](const auto& calls, const auto& took) {
      return static_cast<double>(std::count_if(
          calls.begin(), calls.end(),
          [&](const auto& call) { return took(call) > limit_ms; }));
    };
    const double expected = share(truth, [](int64_t ms) { return ms; });
    const double seen =
        share(recording->calls,
              [](const Recording::Call& call) { return call.latency / Ms(1); });
    EXPECT_NEAR(seen / expected, 1, 0.1) << limit_ms;
  }
}

TEST(SimObserved, LeavesOutWhatNothingIsKnownOf) {
  Observed observed;
  Add(&observed, 0, Met::kNobody, 0, Code::kUnavailable, "/a.S/Open");
  EXPECT_EQ(observed.Finish().status().message(), "no attempt was answered");
  Observed other;
  Add(&other, 0, Met::kNobody, 0, Code::kUnavailable, "/a.S/Open");
  Add(&other, 9, Met::kAnswer, 1);
  const auto recording = other.Finish();
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->calls.size(), 1u);
  EXPECT_EQ(recording->calls[0].at, Ms(0));
  EXPECT_EQ(recording->left_out, 1);
  EXPECT_EQ(recording->of_nobody, 0) << "those meet something";
  // An attempt that was given up does not count as a success with the time for
  // which it ran.
  Observed given_up;
  Add(&given_up, 0, Met::kNoAnswer, 30, Code::kCancelled, "/a.S/Slow");
  Add(&given_up, 9, Met::kAnswer, 1);
  const auto rest = given_up.Finish();
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->calls.size(), 1u);
  EXPECT_EQ(rest->left_out, 1);
  EXPECT_EQ(rest->given_up, 0);
  EXPECT_EQ(Observed().Finish().status().message(), "no calls");
}

TEST(SimObserved, BoundsCallsMethodsAndTime) {
  Observed few(2);
  Add(&few, 0, Met::kAnswer);
  Add(&few, 1, Met::kAnswer);
  EXPECT_EQ(few.AddCall(kMethod, 2, Met::kAnswer, Ms(1), Code::kOk).message(),
            "over 2 calls");
  Observed methods;
  for (int i = 0; i < 5000; ++i) {
    Add(&methods, i, Met::kAnswer, 1, Code::kOk,
        absl::StrCat("/a.S/M", i).c_str());
  }
  const auto recording = methods.Finish();
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->methods.size(), Recording::kMaxMethods + 1);
  EXPECT_EQ(recording->of_other_methods, 5000 - 1000);
  Observed far;
  Add(&far, 0, Met::kAnswer);
  ASSERT_TRUE(
      far.AddCall(kMethod, INT64_MAX, Met::kAnswer, Ms(1), Code::kOk).ok());
  far.AddAttempt(kMethod, INT64_MIN, Met::kAnswer, Ms(1), Code::kOk);
  const std::string error(far.Finish().status().message());
  EXPECT_NE(error.find("s after the first; allowed"), std::string::npos)
      << error;
}

}  // namespace
}  // namespace firebreak::sim
