// Values that a few threads share: only one thread holds a value at a time, and
// no count is lost.
#include "src/core/base/striped.h"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/measure/sample_buffer.h"
#include "tests/support/hammer.h"

namespace firebreak::core {
namespace {

TEST(StripedTest, AThreadHasOneStripeAndOthersHaveTheirs) {
  const size_t mine = MyStripe();
  EXPECT_EQ(MyStripe(), mine);
  size_t other = mine;
  std::thread([&] { other = MyStripe(); }).join();
  EXPECT_NE(other, mine);
  EXPECT_LT(other, kStripes);
}

TEST(StripedTest, WhatIsHeldIsHeldByNobodyElse) {
  Striped<int> striped;
  auto first = striped.TryHold();
  ASSERT_TRUE(first);
  EXPECT_FALSE(striped.TryHold()) << "the same stripe, again";
  std::vector<Striped<int>::Hold> rest;
  for (size_t i = 1; i < kStripes; ++i) {
    rest.push_back(striped.TryHoldAny());
    ASSERT_TRUE(rest.back());
    EXPECT_NE(rest.back().get(), first.get());
  }
  EXPECT_FALSE(striped.TryHoldAny());
  int seen = 0;
  striped.ForEachFree([&](int* /*value*/) { ++seen; });
  EXPECT_EQ(seen, 0) << "nobody waits for a stripe";
  rest.clear();
  striped.ForEachFree([&](int* /*value*/) { ++seen; });
  EXPECT_EQ(seen, static_cast<int>(kStripes) - 1);
}

TEST(StripedTest, NothingIsLostWhoeverHoldsWhat) {
  Striped<int64_t> striped;
  std::atomic<int64_t> missed{0};
  constexpr int64_t kRounds = 100'000;
  Hammer([&](int, Dice* dice) {
    for (int64_t i = 0; i < kRounds; ++i) {
      // More than one thread on each stripe.
      const auto hold =
          dice->Chance(0.5) ? striped.TryHold() : striped.TryHoldAny();
      if (hold) {
        ++*hold;
      } else {
        ++missed;
      }
    }
  });
  int64_t sum = 0;
  striped.ForEachFree([&](const int64_t* value) { sum += *value; });
  EXPECT_EQ(sum + missed, kHammerThreads * kRounds);
}

TEST(StripedTest, AShareCountsForItselfAndKeepsTheWhole) {
  auto whole = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = whole;
  std::shared_ptr<int> share = NewShare(whole);
  EXPECT_EQ(share.get(), whole.get());
  EXPECT_EQ(whole.use_count(), 2);
  const std::shared_ptr<int> call = share;
  EXPECT_EQ(whole.use_count(), 2) << "a call of the share counts there";
  whole = nullptr;
  share = nullptr;
  EXPECT_EQ(*call, 7);
  EXPECT_FALSE(watch.expired());
}

TEST(SampleBufferTest, HandsOnInBatchesAndWhenItIsAsked) {
  SampleBuffer buffer;
  std::vector<uint16_t> out;
  auto count = [&](uint16_t sample) { out.push_back(sample); };
  for (uint16_t i = 0; i < 5; ++i) buffer.Add(i, count);
  EXPECT_TRUE(out.empty());
  buffer.HandOn(count);
  EXPECT_EQ(out, (std::vector<uint16_t>{0, 1, 2, 3, 4}));
  buffer.HandOn(count);
  EXPECT_EQ(out.size(), 5U) << "once";
  for (uint16_t i = 0; i < 1000; ++i) buffer.Add(i, count);
  EXPECT_GT(out.size(), 900U) << "what waits is bounded";
}

TEST(SampleBufferTest, EachSampleIsHandedOnOnce) {
  SampleBuffer buffer;
  std::array<std::atomic<int64_t>, 8> table{};
  auto count = [&](uint16_t sample) { ++table[sample]; };
  constexpr int kSamples = 80'000;
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kSamples; ++i) {
      buffer.Add(static_cast<uint16_t>(i % 8), count);
      if (!dice->Chance(0.01)) continue;
      buffer.HandOn(count);
    }
  });
  buffer.HandOn(count);
  for (const auto& each : table) {
    EXPECT_EQ(each, int64_t{kHammerThreads} * kSamples / 8);
  }
}

}  // namespace
}  // namespace firebreak::core
