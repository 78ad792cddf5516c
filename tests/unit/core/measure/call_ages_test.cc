// The ages of the calls in flight, and which of them hang.
#include "src/core/measure/call_ages.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

TEST(CallAgesTest, KnowsTheOldestAndHowManyAreOld) {
  CallAges ages;
  EXPECT_FALSE(ages.LookAt(At(Sec(9)), Sec(1)).oldest);
  CallAges::Call a = ages.Begin(At(Sec(1)));
  CallAges::Call b = ages.Begin(At(Sec(3)));
  CallAges::Look look = ages.LookAt(At(Sec(5)), Sec(3));
  EXPECT_EQ(look.known, 2);
  EXPECT_EQ(look.older, 1);
  EXPECT_EQ(look.oldest, At(Sec(1)));
  EXPECT_EQ(ages.LookAt(At(Sec(4)), Sec(3)).older, 1) << "from the limit on";
  EXPECT_EQ(ages.LookAt(At(Sec(0)), Sec(3)).older, 0) << "a clock behind";
  a.End();
  a.End();
  look = ages.LookAt(At(Sec(5)), Sec(3));
  EXPECT_EQ(look.known, 1);
  EXPECT_EQ(look.oldest, At(Sec(3)));
  b = CallAges::Call();
  EXPECT_EQ(ages.LookAt(At(Sec(5)), Sec(3)).known, 0);
}

TEST(CallAgesTest, ACallMoves) {
  CallAges ages;
  CallAges::Call a = ages.Begin(At(Sec(1)));
  CallAges::Call b = std::move(a);
  // NOLINTNEXTLINE(bugprone-use-after-move): nothing of it may be left.
  { const CallAges::Call gone = std::move(a); }
  EXPECT_EQ(ages.LookAt(At(Sec(5)), Sec(3)).known, 1);
  b = ages.Begin(At(Sec(2)));
  EXPECT_EQ(ages.LookAt(At(Sec(5)), Sec(3)).known, 1);
  EXPECT_EQ(ages.LookAt(At(Sec(5)), Sec(3)).oldest, At(Sec(2)));
}

TEST(CallAgesTest, WhatHangsKeepsItsPlaceWhenThereAreTooMany) {
  CallAges ages;
  std::vector<CallAges::Call> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(ages.Begin(At(Sec(i))));
  const CallAges::Look look = ages.LookAt(At(Sec(1000)), Sec(1));
  EXPECT_EQ(look.oldest, At(Sec(0)));
  // One thread uses two stripes.
  EXPECT_EQ(look.known, 2 * int64_t{CallAges::kSlots});
  EXPECT_EQ(look.older, look.known);
  EXPECT_EQ(look.known + look.unknown, 1000);
  calls.erase(calls.begin());
  EXPECT_EQ(ages.LookAt(At(Sec(1000)), Sec(1)).unknown, look.unknown);
  calls.clear();
  EXPECT_EQ(ages.LookAt(At(Sec(1000)), Sec(1)).known, 0);
  EXPECT_EQ(ages.LookAt(At(Sec(1000)), Sec(1)).unknown, 0);
}

TEST(CallAgesTest, ThreadsDoNotLoseEachOthersCalls) {
  CallAges ages;
  const CallAges::Call oldest = ages.Begin(At(Sec(1)));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<CallAges::Call> mine;
      for (int i = 0; i < 5'000; ++i) {
        mine.push_back(ages.Begin(At(Sec(2))));
        if (mine.size() == 20) mine.clear();
      }
    });
  }
  std::thread reader([&] {
    while (!stop) {
      const CallAges::Look look = ages.LookAt(At(Sec(9)), Sec(1));
      EXPECT_EQ(look.oldest, At(Sec(1)));
      EXPECT_EQ(look.older, look.known);
    }
  });
  for (std::thread& each : threads) each.join();
  stop = true;
  reader.join();
  EXPECT_EQ(ages.LookAt(At(Sec(9)), Sec(1)).known, 1);
}

}  // namespace
}  // namespace firebreak::core
