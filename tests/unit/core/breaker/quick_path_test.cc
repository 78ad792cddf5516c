// The path without a lock: calls are admitted while the published facts hold,
// and no success is lost, counted twice or counted in the wrong epoch.
#include "src/core/breaker/quick_path.h"

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "src/core/base/mutex.h"
#include "tests/support/hammer.h"

namespace firebreak::core {
namespace {

using Kind = QuickPath::Kind;

constexpr Time kStart = At(Sec(100));

QuickPath::Facts Counting(uint64_t epoch) {
  QuickPath::Facts facts;
  facts.kind = Kind::kCounting;
  facts.epoch = facts.oldest_epoch = epoch;
  facts.until = kStart + Sec(1);
  facts.slowest = Ms(10);
  return facts;
}

class QuickPathTest : public ::testing::Test {
 protected:
  int64_t Publish(const QuickPath::Facts& facts, Time latest = kStart) {
    return owner_.Publish(facts, latest);
  }
  bool Succeed(uint64_t epoch = 7, Time now = kStart,
               Time started = kInfiniteFuture) {
    return path_.CountSuccess(epoch, started, now);
  }
  int64_t Taken() { return owner_.TakeSuccesses(&latest_); }

  QuickPath path_;
  QuickPath::Owner owner_{&path_};
  Time latest_ = kStart;
};

TEST_F(QuickPathTest, IsShutUntilThereAreFacts) {
  EXPECT_EQ(path_.Enter(kStart).kind, Kind::kShut);
  EXPECT_FALSE(Succeed());
  EXPECT_EQ(Publish(QuickPath::Facts{}), 0);
  EXPECT_EQ(path_.Enter(kStart).kind, Kind::kShut);
  EXPECT_EQ(Taken(), 0);
}

TEST_F(QuickPathTest, LetsCallsInAndCountsTheirSuccessesOnce) {
  EXPECT_EQ(Publish(Counting(7)), 0);
  const QuickPath::Entry entry = path_.Enter(kStart + Ms(5));
  EXPECT_EQ(entry.kind, Kind::kCounting);
  EXPECT_EQ(entry.epoch, 7U);
  EXPECT_EQ(entry.now, kStart + Ms(5));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Succeed());
  EXPECT_EQ(Taken(), 3);
  EXPECT_EQ(latest_, kStart + Ms(5));
  EXPECT_EQ(Taken(), 0);
  EXPECT_TRUE(Succeed()) << "still open";
  EXPECT_EQ(Taken(), 1);
}

TEST_F(QuickPathTest, CountsOnlyWhatTheFactsAllow) {
  Publish(Counting(7));
  EXPECT_FALSE(Succeed(6)) << "of an older epoch";
  EXPECT_TRUE(Succeed(8)) << "of a later one, in which older ones count";
  EXPECT_TRUE(Succeed(7, kStart + Ms(10), kStart)) << "not slower than known";
  EXPECT_FALSE(Succeed(7, kStart + Ms(10), kStart - Duration(1)));
  EXPECT_TRUE(Succeed(7, kStart + Sec(1) - Duration(1)));
  EXPECT_FALSE(Succeed(7, kStart + Sec(1))) << "its time is over";
  EXPECT_FALSE(Succeed(7, kStart)) << "and does not run back";
  EXPECT_EQ(Taken(), 3);
}

TEST_F(QuickPathTest, MoreTimeAndSlowerCallsNeedNoNewStart) {
  Publish(Counting(7));
  EXPECT_TRUE(Succeed());
  QuickPath::Facts more = Counting(7);
  more.until += Sec(1);
  more.slowest += Ms(1);
  EXPECT_EQ(Publish(more), 0);
  EXPECT_TRUE(Succeed(7, kStart + Sec(1), kStart + Sec(1) - Ms(11)));
  EXPECT_EQ(Taken(), 2);
}

TEST_F(QuickPathTest, WhatCameBeforeTheFactsChangedIsHandedOver) {
  QuickPath::Facts shut;
  QuickPath::Facts less_time = Counting(7);
  less_time.until -= Ms(1);
  QuickPath::Facts faster = Counting(7);
  faster.slowest -= Ms(1);
  QuickPath::Facts none_older = Counting(7);
  none_older.oldest_epoch = 8;
  QuickPath::Facts shut_of_late = Counting(7);
  shut_of_late.kind = Kind::kShut;
  QuickPath::Facts calls_anew = Counting(7);
  calls_anew.epoch = 8;
  for (const QuickPath::Facts& facts :
       {shut, less_time, faster, none_older, shut_of_late, calls_anew,
        Counting(8)}) {
    EXPECT_EQ(Publish(Counting(7)), 0);
    EXPECT_TRUE(Succeed());
    EXPECT_TRUE(Succeed());
    EXPECT_EQ(Publish(facts), 2);
    EXPECT_FALSE(Succeed()) << "shut until they are judged";
    EXPECT_EQ(path_.Enter(kStart).kind, Kind::kShut);
    EXPECT_EQ(Publish(facts), 0);
    EXPECT_EQ(path_.Enter(kStart).kind, facts.kind);
    EXPECT_EQ(Taken(), 0);
  }
}

TEST_F(QuickPathTest, TurnsAwayUntilItsTime) {
  QuickPath::Facts facts;
  facts.kind = Kind::kRefusing;
  facts.epoch = 3;
  facts.until = kStart + Sec(1);
  Publish(facts);
  const QuickPath::Entry entry = path_.Enter(kStart + Ms(999));
  EXPECT_EQ(entry.kind, Kind::kRefusing);
  EXPECT_EQ(entry.epoch, 3U);
  EXPECT_EQ(entry.until, kStart + Sec(1));
  EXPECT_EQ(path_.Enter(kStart).now, kStart + Ms(999)) << "time runs back";
  EXPECT_FALSE(Succeed());
  EXPECT_EQ(path_.Enter(kStart + Sec(1)).kind, Kind::kShut);
  Taken();
  EXPECT_EQ(latest_, kStart + Sec(1));
}

TEST_F(QuickPathTest, IsNoEarlierThanItsOwner) {
  Publish(Counting(7), kStart + Ms(3));
  EXPECT_EQ(path_.Enter(kStart).now, kStart + Ms(3));
}

TEST_F(QuickPathTest, HandsOverBeforeItsCountersAreFull) {
  Publish(Counting(7));
  int64_t counted = 0;
  while (Succeed()) ASSERT_LT(++counted, 100'000);
  EXPECT_GT(counted, 10'000);
  EXPECT_EQ(Taken(), counted);
  EXPECT_TRUE(Succeed());
}

TEST_F(QuickPathTest, EachThreadIsAdmittedAfterItHadTheLock) {
  Publish(Counting(7));
  int shut = 0;
  // Of threads that run one after the other, few share a cell with this one.
  for (int i = 0; i < 2; ++i) {
    std::thread([&] {
      if (path_.Enter(kStart).kind == Kind::kShut) ++shut;
      Publish(Counting(7));
      EXPECT_TRUE(Succeed());
    }).join();
  }
  EXPECT_GE(shut, 1);
  EXPECT_TRUE(Succeed());
  EXPECT_EQ(Taken(), 3);
}

TEST_F(QuickPathTest, WhatOneThreadPublishesIsForAll) {
  std::promise<void> opened;
  std::promise<void> widened;
  std::thread other([&] {
    Publish(Counting(7));
    opened.set_value();
    widened.get_future().wait();
    EXPECT_TRUE(Succeed(7, kStart + Sec(1)));
  });
  opened.get_future().wait();
  QuickPath::Facts more = Counting(7);
  more.until += Sec(1);
  EXPECT_EQ(Publish(more), 0);
  widened.set_value();
  other.join();
  EXPECT_EQ(Taken(), 1);
  EXPECT_EQ(Publish(QuickPath::Facts{}), 0);
}

// An owner that counts by epoch, as a breaker does.
TEST(QuickPathStressTest, EverySuccessIsHandedOverOnceAndInItsEpoch) {
  constexpr int kRounds = 20'000;
  constexpr uint64_t kEpochs = 100'000;
  struct Counts {
    std::atomic<int64_t> said{0};  // successes that CountSuccess() took
    int64_t in_time = 0;           // taken while the epoch lasted
    int64_t late = 0;              // found by shutting it
  };
  const auto counts = std::make_unique<std::array<Counts, kEpochs>>();
  QuickPath path;
  Mutex mu;
  QuickPath::Owner owner(&path);
  uint64_t epoch = 1;
  uint64_t published = 1;
  Time latest{};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      const QuickPath::Entry entry = path.Enter(kStart);
      if (entry.kind == Kind::kCounting && dice->Chance(0.9)) {
        ASSERT_LT(entry.epoch, kEpochs);
        if (dice->Chance(0.1)) std::this_thread::yield();
        if (path.CountSuccess(entry.epoch, kInfiniteFuture, kStart)) {
          ++(*counts)[entry.epoch].said;
        }
        continue;
      }
      MutexLock lock(&mu);
      (*counts)[published].in_time += owner.TakeSuccesses(&latest);
      if (dice->Chance(0.3)) ++epoch;
      QuickPath::Facts facts = Counting(epoch);
      if (dice->Chance(0.05)) facts.kind = Kind::kShut;
      while (const int64_t late = owner.Publish(facts, kStart)) {
        (*counts)[published].late += late;
      }
      published = epoch;
    }
  });
  (*counts)[published].in_time += owner.TakeSuccesses(&latest);
  int64_t in_time = 0;
  int64_t late = 0;
  for (uint64_t e = 0; e <= epoch; ++e) {
    const Counts& c = (*counts)[e];
    ASSERT_EQ(c.said, c.in_time + c.late) << "in epoch " << e;
    in_time += c.in_time;
    late += c.late;
  }
  EXPECT_GT(in_time, kRounds / 10);
  RecordProperty("in_time", static_cast<int>(in_time));
  RecordProperty("late", static_cast<int>(late));
}

}  // namespace
}  // namespace firebreak::core
