// Short versions of the studies of scripts/bench, with the results that the
// guide (docs/tails.md) describes. The time is virtual, so the figures are the
// same on every machine.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/bench/studies/deadlines.h"
#include "tests/bench/studies/fanout.h"
#include "tests/bench/studies/metastable.h"
#include "tests/bench/studies/recovery.h"
#include "tests/bench/studies/share.h"
#include "tests/bench/studies/storm.h"
#include "tests/bench/studies/tied.h"

namespace firebreak::studies {
namespace {

StormStudy ShortStorm() {
  StormStudy study;
  study.clients = 10;
  study.failure_rates = {.05, .3, .5, 1};
  return study;
}

TEST(Storm, RetriesHelpWithinTheirBudget) {
  const StormStudy study = ShortStorm();
  const std::vector<StormRow> rows = RunStorm(study);
  const StormRow& none = Find(rows, kNoRetry);
  const StormRow& ours = Find(rows, kFirebreak);
  const StormRow& guarded = Find(rows, kFirebreakBreaker);
  EXPECT_NEAR(SuccessAt(none, 0.05), 0.95, 0.01);
  EXPECT_GE(SuccessAt(ours, 0.05), 0.999);
  EXPECT_EQ(WorseThan(none, ours), 0);
  // In the long run the load is 1.1, plus the budget's initial tokens once.
  EXPECT_LE(LargestLoad(ours), LoadBound(study, core::BudgetOptions{}));
  EXPECT_LE(LargestLoad(ours), 1.1 + 8.0 / 600);
  // If failures are random, the breaker refuses hardly any calls.
  EXPECT_LE(Hurt(rows), 0.03);
  EXPECT_GE(SuccessAt(guarded, 0.3), 0.95 * SuccessAt(ours, 0.3));
  EXPECT_GE(SuccessAt(guarded, 0.5), SuccessAt(none, 0.5));
  // The values for comparison.
  EXPECT_NEAR(LargestLoad(Find(rows, "3 retries")), 4, 1e-9);
  EXPECT_NEAR(LargestLoad(Find(rows, "token bucket")), 1.107, 0.003);
}

// docs/adr/0036 is based on this.
TEST(Share, RefusingHelpsWhereTheLoadIsToBlameAndHurtsElsewhere) {
  ShareStudy study;
  study.clients = 20;
  study.workers = 2;
  study.length = Sec(70);
  const std::vector<ShareRow> rows = RunShare(study);
  const auto success = [&](const char* strategy, Part part) {
    return Find(rows, strategy, part).success;
  };
  for (const Part part : {Part::kFails30, Part::kFails50}) {
    const double alone = success(kRetryAlone, part);
    EXPECT_NEAR(success(kWithBreaker, part), alone, 0.01) << PartName(part);
    EXPECT_GE(success(kWithThrottle, part), alone - 0.03) << PartName(part);
  }
  // Above its failure_rate a breaker refuses calls, as does a throttle above
  // 1 / k.
  EXPECT_LT(success(kWithBreaker, Part::kFails70),
            success(kRetryAlone, Part::kFails70) - 0.1);
  EXPECT_LT(success(kWithThrottle, Part::kFails70),
            success(kRetryAlone, Part::kFails70) - 0.1);
  // Failures that cost the server nothing need no help.
  for (const Part part : {Part::kRefuses, Part::kSheds}) {
    EXPECT_NEAR(success(kWithBoth, part), success(kRetryAlone, part), 0.02)
        << PartName(part);
  }
  EXPECT_GT(success(kWithThrottle, Part::kLateSheds),
            success(kWithBreaker, Part::kLateSheds) + 0.1);
  EXPECT_GT(success(kWithBreaker, Part::kQueues),
            success(kRetryAlone, Part::kQueues) + 0.1);
  EXPECT_NEAR(success(kWithBoth, Part::kQueues),
              success(kWithBreaker, Part::kQueues), 0.02);
}

TEST(Storm, IsTheSameEveryTime) {
  StormStudy study = ShortStorm();
  study.length = Sec(10);
  const std::vector<StormRow> a = RunStorm(study);
  const std::vector<StormRow> b = RunStorm(study);
  study.seed = 2;
  const std::vector<StormRow> c = RunStorm(study);
  bool differs = false;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t k = 0; k < a[i].cells.size(); ++k) {
      EXPECT_EQ(a[i].cells[k].success, b[i].cells[k].success);
      EXPECT_EQ(a[i].cells[k].load, b[i].cells[k].load);
      differs |= a[i].cells[k].success != c[i].cells[k].success;
    }
  }
  EXPECT_TRUE(differs);
}

TEST(Metastable, OnlyTheBreakerEndsIt) {
  MetastableStudy study;
  study.length = Sec(45);
  for (const Strategy& strategy : MetastableStrategies(study)) {
    if (strategy.name != "4 retries" && strategy.name != kGuarded &&
        strategy.name != kQuick) {
      continue;
    }
    const MetastableRow row = RunMetastable(study, strategy);
    if (strategy.name == "4 retries") {
      EXPECT_FALSE(row.recovery.has_value());
      EXPECT_LT(row.goodput_after, 0.01);
      EXPECT_GT(row.amplification, 4.5);
    } else if (strategy.name == kGuarded) {
      ASSERT_TRUE(row.recovery.has_value());
      EXPECT_LE(*row.recovery, Sec(3));
      EXPECT_GT(row.goodput_after, 0.9);
      EXPECT_LT(row.amplification, 1.2);
    } else {
      ASSERT_TRUE(row.recovery.has_value());
      EXPECT_LE(*row.recovery, Sec(5));
    }
  }
}

TEST(Recovery, TakesNoLongerThanAFewSecondsWheneverTheOutageEnds) {
  RecoveryStudy study;
  study.triggers = {Sec(2), Sec(20)};
  study.phases = 2;
  study.after = Sec(8);
  for (const Outage outage :
       {Outage::kSlow, Outage::kBlackHole, Outage::kFrozen, Outage::kDead}) {
    for (const RecoveryRow& row : RunRecovery(study, outage)) {
      SCOPED_TRACE(OutageName(outage));
      ASSERT_TRUE(row.max().has_value());
      EXPECT_LE(*row.max(), Sec(3));
      // A hundred clients probe slowly, and do not overload the server.
      if (row.trigger > Sec(10) && outage != Outage::kSlow) {
        EXPECT_LE(row.sent_in_trouble, 0.2);
      }
      EXPECT_LE(row.sent_after, 1.5);
    }
  }
}

TEST(Deadlines, TheGateSeesWhoWaitsInVainAndCostsAnIdleServerNothing) {
  DeadlineStudy study;
  study.length = Sec(40);
  const std::vector<DeadlineRow> rows = RunDeadlines(study);
  EXPECT_LT(Find(rows, "drowned", Gate::kOff).all().success, 0.05);
  EXPECT_GT(Find(rows, "drowned", Gate::kAll).all().success, 0.3);
  EXPECT_GT(Find(rows, "idle", Gate::kAll).all().success,
            Find(rows, "idle", Gate::kOff).all().success - 0.01);
}

TEST(Fanout, AHedgeCutsTheTailForTwoPercent) {
  FanoutStudy study;
  study.requests = 1'500;
  const std::vector<FanoutRow> rows = RunFanout(study);
  EXPECT_GT(rows[0].p999, Ms(1000));
  EXPECT_LT(rows[1].p999, Ms(100));
  EXPECT_NEAR(rows[1].extra, 0.02, 0.001);
  EXPECT_LT(rows[3].p999, Ms(60));
}

TEST(Tied, CutsTheTailForHardlyAnyWork) {
  TiedStudy study;
  study.length = Sec(30);
  const std::vector<TiedRow> rows = RunTied(study);
  for (const size_t i : {size_t{0}, size_t{2}}) {
    EXPECT_LT(rows[i + 1].p50, rows[i].p50);
    EXPECT_LT(rows[i + 1].p999, rows[i].p999 * 8 / 10);
    EXPECT_LT(rows[i + 1].extra_work, 0.01);
  }
}

TEST(Deadlines, TheGateSavesTheOverloadedServer) {
  DeadlineStudy study;
  study.length = Sec(20);
  const std::vector<DeadlineRow> rows = RunDeadlines(study);
  const DeadlineRow& open = Find(rows, "overloaded", Gate::kOff);
  const DeadlineRow& gated = Find(rows, "overloaded", Gate::kAll);
  EXPECT_LT(gated.all().doomed, open.all().doomed);
  EXPECT_LT(gated.wasted, open.wasted);
  EXPECT_GT(gated.all().success, open.all().success);
  // By default only retries are gated, which costs almost nothing if the server
  // is idle.
  EXPECT_GT(Find(rows, "idle", Gate::kRetries).all().success,
            Find(rows, "idle", Gate::kOff).all().success - 0.01);
}

}  // namespace
}  // namespace firebreak::studies
