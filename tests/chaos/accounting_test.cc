// All counts agree: over very many calls with random faults, cancels and
// deadlines, while channels and servers end, the engine and its admin service
// report exactly what callers and servers saw.
//
//   FIREBREAK_ACCOUNTING_CALLS=1000000   calls in all (the nightly run)
//   FIREBREAK_SEED=7                     repeats the plan of a run
#include "tests/support/accounting.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/base/config.h"
#include "tests/support/call_plans.h"

namespace firebreak::testing {
namespace {

size_t CallsInAll() {
  if (const char* calls = std::getenv("FIREBREAK_ACCOUNTING_CALLS")) {
    return static_cast<size_t>(std::atoll(calls));
  }
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  // With a sanitizer, a call costs several times as much.
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

// There are only retries, and all are answered, so both sides agree exactly.
TEST(AccountingTest, WhatServersSawIsWhatWasLaunched) {
  const size_t calls = CallsInAll() * 3 / 10;
  const uint64_t seed = Seed();
  Accounting books(calls, [seed](size_t id) { return CalmPlan(seed, id); });
  books.Run();
  books.ExpectBalanced();
  // If the machine stalls, a connection may be lost, and the server may or may
  // not have seen its calls.
  const auto lost = books.attributed(core::Attribution::kTransportFailure) +
                    books.attributed(core::Attribution::kNotSent);
  EXPECT_LE(books.log().total_seen(), books.launched());
  EXPECT_GE(books.log().total_seen() + lost, books.launched())
      << lost << " lost their connection or had none";
  // They also agree on the cause of each end.
  EXPECT_EQ(books.attributed(core::Attribution::kSuccess), books.served('o'));
  EXPECT_EQ(books.attributed(core::Attribution::kAnsweredWithError),
            books.served('f'));
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
  // The run contained the cases that it tests.
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
    // A killed server cancels its calls. Without cancels by the caller, every
    // CANCELLED is the server's.
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
