// The log of decisions on calls, with reasons, in bounded memory.
#include "src/core/measure/decision_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/hammer.h"

namespace firebreak::core {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Decision Refused(Reason reason, uint64_t epoch = 0) {
  Decision decision;
  decision.reason = reason;
  decision.epoch = epoch;
  return decision;
}

void Note(DecisionLog* log, const Decision& decision, Time now,
          const std::string& why = "because") {
  log->Note(decision, now, [&] { return why; });
}

TEST(DecisionLogTest, OnesThatAreAlikeAreOneAndOnlyTheFirstIsExplained) {
  DecisionLog log;
  int texts = 0;
  for (int i = 0; i < 5; ++i) {
    log.Note(Refused(Reason::kBreakerOpen, 7), At(Sec(i)),
             [&] { return absl::StrCat("text ", ++texts); });
  }
  const DecisionLog::Page page = log.Last(10);
  ASSERT_THAT(page.decisions, SizeIs(1));
  EXPECT_EQ(page.decisions[0].count, 5);
  EXPECT_EQ(page.decisions[0].first, At(Sec(0)));
  EXPECT_EQ(page.decisions[0].last, At(Sec(4)));
  EXPECT_EQ(page.decisions[0].why, "text 1");
  EXPECT_EQ(texts, 1);
  EXPECT_EQ(page.total, 5);
  EXPECT_EQ(page.uncounted, 0);
}

TEST(DecisionLogTest, AfterTenSecondsAnotherBegins) {
  DecisionLog log;
  Note(&log, Refused(Reason::kBreakerOpen), At(Sec(0)), "old");
  Note(&log, Refused(Reason::kBreakerOpen), At(Ms(9'999)), "old");
  Note(&log, Refused(Reason::kBreakerOpen), At(Sec(10)), "new");
  const DecisionLog::Page page = log.Last(10);
  ASSERT_THAT(page.decisions, SizeIs(2));
  EXPECT_EQ(page.decisions[0].why, "new");
  EXPECT_EQ(page.decisions[1].count, 2);
}

TEST(DecisionLogTest, WhatDiffersIsKeptApart) {
  DecisionLog log;
  Decision retry;
  retry.kind = DecisionKind::kRetried;
  retry.code = absl::StatusCode::kUnavailable;
  Decision second = retry;
  second.attempt = 1;
  Decision other = retry;
  other.code = absl::StatusCode::kInternal;
  for (int i = 0; i < 2; ++i) {
    for (const Decision& each :
         {Refused(Reason::kBreakerOpen, 1), Refused(Reason::kBreakerOpen, 2),
          Refused(Reason::kRateLimited), retry, second, other}) {
      Note(&log, each, At(Sec(i)));
    }
  }
  const DecisionLog::Page page = log.Last(100);
  EXPECT_THAT(page.decisions, SizeIs(6));
  for (const Decision& each : page.decisions) EXPECT_EQ(each.count, 2);
}

TEST(DecisionLogTest, TheOldestGiveWayAndTheNewestComeFirst) {
  DecisionLog log;
  EXPECT_THAT(log.Last(10).decisions, IsEmpty());
  const int n = static_cast<int>(DecisionLog::kCapacity) + 50;
  for (int i = 0; i < n; ++i) {
    Note(&log, Refused(Reason::kBreakerOpen, static_cast<uint64_t>(i)),
         At(Sec(i)), absl::StrCat(i));
  }
  DecisionLog::Page page = log.Last(1000);
  ASSERT_THAT(page.decisions, SizeIs(DecisionLog::kCapacity));
  EXPECT_EQ(page.decisions.front().why, absl::StrCat(n - 1));
  EXPECT_EQ(page.decisions.back().why, absl::StrCat(50));
  EXPECT_EQ(page.total, n);
  page = log.Last(3);
  ASSERT_THAT(page.decisions, SizeIs(3));
  EXPECT_EQ(page.decisions[2].why, absl::StrCat(n - 3));
  EXPECT_THAT(log.Last(0).decisions, IsEmpty());
}

TEST(DecisionLogTest, ALongTextIsCutBetweenCharacters) {
  DecisionLog log;
  std::string text;
  while (text.size() < 5000) text += "€";
  Note(&log, Refused(Reason::kBreakerOpen), At(Sec(0)), text);
  const std::string why = log.Last(1).decisions[0].why;
  EXPECT_LE(why.size(), DecisionLog::kLongest + 3);
  EXPECT_EQ((why.size() - 3) % 3, 0U);
  EXPECT_EQ(why.substr(why.size() - 6), "€...");
}

TEST(DecisionLogTest, OfManyThreadsEachDecisionIsCountedOrToldAsUncounted) {
  constexpr int kEach = 2000;
  DecisionLog log;
  Hammer([&](int thread, Dice* dice) {
    for (int i = 0; i < kEach; ++i) {
      Note(&log, Refused(Reason::kBreakerOpen, dice->Below(3)), At(Sec(1)));
      if (thread == 0 && i % 100 == 0) log.Last(10);
    }
  });
  const DecisionLog::Page page = log.Last(1000);
  int64_t counted = 0;
  for (const Decision& each : page.decisions) counted += each.count;
  EXPECT_EQ(page.total, int64_t{kHammerThreads} * kEach);
  EXPECT_EQ(counted + page.uncounted, page.total);
}

}  // namespace
}  // namespace firebreak::core
