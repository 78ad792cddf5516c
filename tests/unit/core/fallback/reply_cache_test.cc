// The cache of last good replies: ages, bounds, and one fetch at a time.
#include "src/core/fallback/reply_cache.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Turn = ReplyCache::Turn;
using ::testing::ElementsAre;

ReplyCache::Options Bounds(std::size_t entries, std::size_t bytes = 1 << 20) {
  ReplyCache::Options options;
  options.max_entries = entries;
  options.max_bytes = bytes;
  options.max_age = Sec(10);
  return options;
}

std::string Text(const absl::optional<ReplyCache::Found>& found) {
  return found ? *found->reply : "nothing";
}

TEST(ReplyCacheTest, FindsTheLastReplyAndItsAge) {
  ReplyCache cache(Bounds(10));
  EXPECT_EQ(Text(cache.Find("a", At(Sec(0)))), "nothing");
  cache.Keep("a", "one", At(Sec(1)));
  cache.Keep("a", "two", At(Sec(2)));
  cache.Keep("b", "other", At(Sec(3)));
  const auto found = cache.Find("a", At(Sec(5)));
  EXPECT_EQ(Text(found), "two");
  EXPECT_EQ(found->age, Sec(3));
  EXPECT_EQ(cache.entries(), 2U);
  EXPECT_EQ(cache.bytes(), 4U + 6U);
}

TEST(ReplyCacheTest, AReplyPastItsAgeIsNotFoundAndNotKept) {
  ReplyCache cache(Bounds(10));
  cache.Keep("a", "one", At(Sec(1)));
  EXPECT_EQ(Text(cache.Find("a", At(Sec(11)))), "one");
  EXPECT_EQ(Text(cache.Find("a", At(Sec(11)) + Duration(1))), "nothing");
  EXPECT_EQ(cache.entries(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(ReplyCacheTest, AClockThatRunsBackMakesNoReplyOlder) {
  ReplyCache cache(Bounds(10));
  cache.Keep("a", "one", At(Sec(5)));
  const auto found = cache.Find("a", At(Sec(4)));
  EXPECT_EQ(Text(found), "one");
  EXPECT_EQ(found->age, Duration::zero());
}

TEST(ReplyCacheTest, WhatIsForgottenIsNotFound) {
  ReplyCache cache(Bounds(10));
  cache.Keep("a", "one", At(Sec(1)));
  cache.Keep("b", "two", At(Sec(1)));
  cache.Forget("a");
  cache.Forget("nobody");
  EXPECT_EQ(Text(cache.Find("a", At(Sec(1)))), "nothing");
  EXPECT_EQ(Text(cache.Find("b", At(Sec(1)))), "two");
  EXPECT_EQ(cache.bytes(), 4U);
}

TEST(ReplyCacheTest, WhatWasUsedLongestAgoMakesRoom) {
  ReplyCache cache(Bounds(2));
  cache.Keep("a", "1", At(Sec(1)));
  cache.Keep("b", "2", At(Sec(2)));
  cache.Find("a", At(Sec(3)));
  cache.Keep("c", "3", At(Sec(4)));
  EXPECT_EQ(Text(cache.Find("a", At(Sec(4)))), "1");
  EXPECT_EQ(Text(cache.Find("b", At(Sec(4)))), "nothing");
  EXPECT_EQ(Text(cache.Find("c", At(Sec(4)))), "3");
}

TEST(ReplyCacheTest, BytesAreBounded) {
  ReplyCache cache(Bounds(100, /*bytes=*/10));
  cache.Keep("a", "1234", At(Sec(1)));
  cache.Keep("b", "1234", At(Sec(1)));
  EXPECT_EQ(cache.bytes(), 10U);
  cache.Keep("c", "1", At(Sec(1)));
  EXPECT_EQ(Text(cache.Find("a", At(Sec(1)))), "nothing");
  EXPECT_EQ(cache.bytes(), 7U);
  // A reply that is too large is not kept. The earlier one is removed, since it
  // is no longer the last good reply.
  cache.Keep("b", std::string(10, 'x'), At(Sec(2)));
  EXPECT_EQ(Text(cache.Find("b", At(Sec(2)))), "nothing");
  EXPECT_EQ(Text(cache.Find("c", At(Sec(2)))), "1");
}

TEST(ReplyCacheTest, OneFetchesAndAllWhoWaitGetTheReply) {
  ReplyCache cache(Bounds(10));
  std::vector<std::string> told;
  const auto waiter = [&told](const char* who) {
    return [&told, who](const absl::optional<ReplyCache::Found>& found) {
      told.push_back(who + Text(found));
    };
  };
  EXPECT_EQ(cache.Join("a", waiter("1 ")), Turn::kLead);
  EXPECT_EQ(cache.Join("a", waiter("2 ")), Turn::kWait);
  EXPECT_EQ(cache.Join("b", waiter("3 ")), Turn::kLead);
  cache.Keep("a", "reply", At(Sec(1)));
  const auto found = cache.Find("a", At(Sec(1)));
  for (const auto& each : cache.Land("a")) each(found);
  EXPECT_THAT(told, ElementsAre("1 reply", "2 reply"));
  // The next one leads again.
  EXPECT_TRUE(cache.Land("a").empty());
  EXPECT_EQ(cache.Join("a", waiter("4 ")), Turn::kLead);
}

TEST(ReplyCacheTest, ThoseWhoWaitAreBounded) {
  ReplyCache cache(Bounds(10));
  const ReplyCache::Waiter nothing = [](const auto& /*found*/) {};
  for (std::size_t i = 0; i < ReplyCache::kMaxWaiters; ++i) {
    EXPECT_NE(cache.Join("a", nothing), Turn::kFull);
  }
  EXPECT_EQ(cache.Join("a", nothing), Turn::kFull);
  EXPECT_EQ(cache.Join("b", nothing), Turn::kLead);
  EXPECT_EQ(cache.Land("a").size(), ReplyCache::kMaxWaiters);
}

}  // namespace
}  // namespace firebreak::core
