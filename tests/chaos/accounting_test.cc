// Nothing gets lost in the books: over very many calls with random faults,
// cancels, deadlines, dying channels and servers, what callers, servers and
// the wire saw is what the engine and its admin service report.
//
//   FIREBREAK_ACCOUNTING_CALLS=1000000   calls in all (the nightly run)
//   FIREBREAK_SEED=7                     to repeat a run's plan
#include "tests/support/accounting.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace firebreak::testing {
namespace {

using Ms = std::chrono::milliseconds;

size_t CallsInAll() {
  if (const char* calls = std::getenv("FIREBREAK_ACCOUNTING_CALLS")) {
    return static_cast<size_t>(std::atoll(calls));
  }
#ifdef __SANITIZE_ADDRESS__
  // A call costs several times as much there, and the books are the same.
  return 20'000;
#else
  return 200'000;
#endif
}

uint64_t Seed() {
  static const uint64_t seed = [] {
    const char* const given = std::getenv("FIREBREAK_SEED");
    const uint64_t s =
        given != nullptr
            ? static_cast<uint64_t>(std::atoll(given))
            : static_cast<uint64_t>(
                  std::chrono::system_clock::now().time_since_epoch().count());
    std::printf("FIREBREAK_SEED=%llu, %zu calls in all\n",
                static_cast<unsigned long long>(s), CallsInAll());
    return s;
  }();
  return seed;
}

// For a while every now and then everything fails, so that breakers open.
bool IsBadTime(size_t id) { return id % 4000 >= 3850; }

// Whatever answers at once: so every attempt has a status from a server, and
// every attempt that was launched was seen.
CallPlan CalmPlan(uint64_t seed, size_t id) {
  core::Rng rng(seed + id);
  CallPlan plan;
  plan.lane = rng.Uniform() < 0.5 ? kRetryLane : kGuardedLane;
  plan.text = absl::StrCat(id);
  for (int n = 0; n < 3; ++n) {
    const double x = rng.Uniform();
    absl::StrAppend(&plan.text, IsBadTime(id) ? " u"
                                : x < 0.80    ? " o"
                                : x < 0.88    ? " u"
                                : x < 0.93    ? " i"
                                : x < 0.96    ? " p"
                                : x < 0.98    ? " n"
                                              : " f");
  }
  return plan;
}

CallPlan WildPlan(uint64_t seed, size_t id) {
  CallPlan plan = CalmPlan(seed, id);
  core::Rng rng(seed ^ (id * 0x9e3779b97f4a7c15U));
  plan.lane = static_cast<int>(rng.Uniform() * kLanes);
  const double x = rng.Uniform();
  if (x < 0.05) {  // some of them spent before they begin
    plan.deadline = Ms(static_cast<int>(rng.Uniform() * 15));
  } else if (x < 0.06) {
    plan.text = absl::StrCat(id, " h h o");
    plan.deadline = Ms(50);
  } else if (x < 0.10) {
    plan.text = absl::StrCat(id, " s10 s10 o");
  }
  if (rng.Uniform() < 0.08) {
    plan.cancel = Ms(static_cast<int>(rng.Uniform() * 8));
    if (rng.Uniform() < 0.6) plan.text = absl::StrCat(id, " s20 u s20");
  }
  return plan;
}

// Only retries, and all of them answered: the two sides agree to the last one.
TEST(AccountingTest, WhatServersSawIsWhatWasLaunched) {
  const size_t calls = CallsInAll() * 3 / 10;
  const uint64_t seed = Seed();
  Accounting books(calls, [seed](size_t id) { return CalmPlan(seed, id); });
  books.Run();
  books.ExpectBalanced();
  EXPECT_EQ(books.log().total_seen(), books.launched());
  // And on who is to blame for each.
  EXPECT_EQ(books.attributed(core::Attribution::kSuccess),
            books.served('o') + books.served('f'));
  EXPECT_EQ(books.attributed(core::Attribution::kServerFailure),
            books.served('u') + books.served('i'));
  EXPECT_EQ(books.attributed(core::Attribution::kOverload),
            books.served('p') + books.served('n'));
}

TEST(AccountingTest, CancelsDeadlinesHedgesAndDyingChannels) {
  const size_t calls = CallsInAll() * 6 / 10;
  const uint64_t seed = Seed();
  Accounting books(calls, [seed](size_t id) { return WildPlan(seed, id); });
  books.Run();
  books.ExpectBalanced();
  // The run had in it what it is about.
  EXPECT_GT(books.tally(kHedgedLane).cancelled, 0);
  EXPECT_GT(books.counts(kHedgedLane).hedge_wins, 0);
  EXPECT_GT(books.tally(kFallbackLane).fallbacks, 0);
  EXPECT_GT(books.tally(kRetryLane).rejections["deadline_exceeded"], 0);
}

TEST(AccountingTest, ServersThatAreKilledAndComeBack) {
  const size_t calls = CallsInAll() / 10;
  const uint64_t seed = Seed();
  Accounting books(calls, [seed](size_t id) {
    CallPlan plan = WildPlan(seed, id);
    // A killed server cancels its calls: then only the server's are CANCELLED.
    plan.cancel.reset();
    return plan;
  });
  books.KillServersWhileRunning();
  books.Run();
  books.ExpectBalanced();
  EXPECT_GT(books.kills(), 0);
}

}  // namespace
}  // namespace firebreak::testing
