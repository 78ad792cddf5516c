// How many of the recent results failed: the last N, or the last T.
#include "src/core/measure/window.h"

#include <deque>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

WindowOptions LastCalls(int n) {
  WindowOptions options;
  options.kind = WindowOptions::Kind::kCalls;
  options.calls = n;
  return options;
}

WindowOptions LastTime(Duration d) {
  WindowOptions options;
  options.kind = WindowOptions::Kind::kTime;
  options.duration = d;
  return options;
}

TEST(CountWindowTest, IsEmptyAtFirst) {
  Window window(LastCalls(3), Time{});
  EXPECT_EQ(window.total(Time{}), 0);
  EXPECT_EQ(window.failures(Time{}), 0);
  EXPECT_EQ(window.failure_rate(Time{}), 0.0);
}

TEST(CountWindowTest, ForgetsTheOldestResult) {
  Window window(LastCalls(3), Time{});
  window.Add(true, Time{});
  window.Add(false, Time{});
  EXPECT_EQ(window.total(Time{}), 2);
  EXPECT_DOUBLE_EQ(window.failure_rate(Time{}), 0.5);
  window.Add(false, Time{});
  EXPECT_EQ(window.failures(Time{}), 1);
  window.Add(false, Time{});  // the failure falls out
  EXPECT_EQ(window.total(Time{}), 3);
  EXPECT_EQ(window.failures(Time{}), 0);
}

TEST(CountWindowTest, ManyAtOnceAreAsManyOneByOne) {
  for (const WindowOptions& options : {LastCalls(7), LastTime(Sec(1))}) {
    Dice dice(1);
    Window at_once(options, Time{});
    Window one_by_one(options, Time{});
    Time now;
    for (int i = 0; i < 1'000; ++i) {
      now += dice.Upto(Ms(50));
      const bool failed = dice.Chance(0.5);
      const int n = dice.Int(1, 20);
      at_once.Add(failed, now, n);
      for (int k = 0; k < n; ++k) one_by_one.Add(failed, now);
      ASSERT_EQ(at_once.total(now), one_by_one.total(now));
      ASSERT_EQ(at_once.failures(now), one_by_one.failures(now));
    }
  }
}

TEST(CountWindowTest, ManyAtOnceCostNoMoreThanTheWindow) {
  constexpr int64_t kMany = 1'000'000'000'000;
  Window calls(LastCalls(3), Time{});
  calls.Add(true, Time{}, kMany);
  EXPECT_EQ(calls.failures(Time{}), 3);
  Window time(LastTime(Sec(1)), Time{});
  time.Add(true, Time{}, kMany);
  EXPECT_EQ(time.failures(Time{}), kMany);
}

TEST(CountWindowTest, TimeDoesNotMatter) {
  Window window(LastCalls(3), Time{});
  window.Add(true, Time{});
  EXPECT_EQ(window.failures(At(Sec(1'000'000))), 1);
}

TEST(CountWindowTest, AfterAClearOldFailuresDoNotComeBack) {
  Window window(LastCalls(2), Time{});
  window.Add(true, Time{});
  window.Add(true, Time{});
  window.Clear(Time{});
  EXPECT_EQ(window.total(Time{}), 0);
  EXPECT_EQ(window.failures(Time{}), 0);
  for (int i = 0; i < 5; ++i) window.Add(false, Time{});
  EXPECT_EQ(window.total(Time{}), 2);
  EXPECT_EQ(window.failures(Time{}), 0);
}

TEST(CountWindowTest, AgreesWithAListOfTheLastResults) {
  for (int size : {1, 2, 7, 100}) {
    Window window(LastCalls(size), Time{});
    std::deque<bool> model;
    Rng rng(5);
    for (int i = 0; i < 1000; ++i) {
      const bool failed = rng.Uniform() < 0.4;
      window.Add(failed, Time{});
      model.push_back(failed);
      if (model.size() > static_cast<size_t>(size)) model.pop_front();
      int64_t failures = 0;
      for (bool f : model) failures += f ? 1 : 0;
      ASSERT_EQ(window.total(Time{}), static_cast<int64_t>(model.size()));
      ASSERT_EQ(window.failures(Time{}), failures);
    }
  }
}

TEST(TimeWindowTest, FromTheFirstPointOfTimeToTheLast) {
  Window window(LastTime(Sec(10)), Time::min());
  window.Add(true, Time::min());
  EXPECT_EQ(window.total(Time::min() + Sec(9)), 1);
  EXPECT_EQ(window.total(Time::max()), 0);
  window.Add(true, Time::max());
  EXPECT_EQ(window.total(Time::max()), 1);
  EXPECT_EQ(window.total(Time::min()), 1) << "time does not run back";
}

TEST(TimeWindowTest, DropsWholeBucketsAsTheyGrowOld) {
  Window window(LastTime(Sec(10)), Time{});  // ten buckets of 1 s
  window.Add(true, At(Ms(0)));
  window.Add(true, At(Ms(999)));
  window.Add(false, At(Ms(1000)));
  EXPECT_EQ(window.total(At(Ms(9999))), 3);
  EXPECT_EQ(window.total(At(Ms(10'000))), 1);
  EXPECT_EQ(window.failures(At(Ms(10'000))), 0);
  EXPECT_EQ(window.total(At(Ms(10'999))), 1);
  EXPECT_EQ(window.total(At(Ms(11'000))), 0);
}

TEST(TimeWindowTest, AfterALongPauseItIsEmpty) {
  for (Duration pause : {Sec(10), Sec(11), Sec(25), Sec(1'000'000)}) {
    Window window(LastTime(Sec(10)), Time{});
    for (int i = 0; i < 10; ++i) window.Add(true, At(Sec(i)));
    EXPECT_EQ(window.total(At(Sec(9))), 10);
    window.Add(false, At(Sec(9) + pause));
    EXPECT_EQ(window.total(At(Sec(9) + pause)), 1);
    EXPECT_EQ(window.failures(At(Sec(9) + pause)), 0);
  }
}

TEST(TimeWindowTest, TimeThatRunsBackALittleCountsAsNow) {
  Window window(LastTime(Sec(10)), Time{});
  window.Add(true, At(Sec(5)));
  window.Add(true, At(Ms(3'500)));
  EXPECT_EQ(window.failures(At(Sec(4))), 2);
  // Both live as long as the bucket they went into.
  EXPECT_EQ(window.failures(At(Ms(14'999))), 2);
  EXPECT_EQ(window.failures(At(Ms(15'000))), 0);
}

TEST(TimeWindowTest, AClearForgetsEverything) {
  Window window(LastTime(Sec(10)), Time{});
  for (int i = 0; i < 10; ++i) window.Add(true, At(Sec(i)));
  window.Clear(At(Ms(9'500)));
  EXPECT_EQ(window.total(At(Ms(9'500))), 0);
  EXPECT_EQ(window.failure_rate(At(Ms(9'500))), 0.0);
  window.Add(true, At(Ms(9'500)));
  // Its bucket starts with the clear, not in the middle of an old one.
  EXPECT_EQ(window.total(At(Ms(19'499))), 1);
  EXPECT_EQ(window.total(At(Ms(19'500))), 0);
}

TEST(TimeWindowTest, CoversBetweenNineTenthsOfItsSpanAndAllOfIt) {
  const Duration span = Sec(30);
  Window window(LastTime(span), Time{});
  std::deque<std::pair<Time, bool>> model;
  Rng rng(11);
  Time now{};
  int64_t seen = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += Duration(static_cast<int64_t>(rng.Uniform() * 2e8));
    if (rng.Uniform() < 0.001) now += Sec(rng.Uniform() < 0.5 ? 20 : 70);
    const bool failed = rng.Uniform() < 0.5;
    window.Add(failed, now);
    model.emplace_back(now, failed);
    while (model.front().first <= now - span) model.pop_front();
    int64_t most[2] = {0, 0};
    int64_t least[2] = {0, 0};
    for (const auto& [at, bad] : model) {
      ++most[bad];
      if (at > now - span * 9 / 10) ++least[bad];
    }
    ASSERT_LE(window.total(now), most[0] + most[1]);
    ASSERT_GE(window.total(now), least[0] + least[1]);
    ASSERT_LE(window.failures(now), most[1]);
    ASSERT_GE(window.failures(now), least[1]);
    seen += window.total(now);
  }
  EXPECT_GT(seen, 20'000 * 100);
}

}  // namespace
}  // namespace firebreak::core
