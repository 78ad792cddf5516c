// Several targets: which one gets the first attempt, and which the next.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
using ::testing::ElementsAre;

CallRig::Setup Targets(int n) {
  CallRig::Setup setup;
  setup.targets = n;
  return setup;
}

MethodOptions Guarded(MethodOptions options) {
  options.breaker = TripsAfter(1);
  return options;
}

TEST(CallDriverTargetsTest, TheFirstInTheListThatAdmitsGetsTheCall) {
  CallRig rig(Guarded(Retrying(2)), Targets(3));
  rig.Trip(0);
  rig.Answer(0, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0 on 1", "5ms finish attempt 0 OK"));
}

TEST(CallDriverTargetsTest, ARetryPrefersAnUnusedTarget) {
  CallRig rig(Retrying(4), Targets(2));
  rig.AnswerAll(4, Duration::zero(), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "100ms launch 1 retry on 1",
                          "300ms launch 2 retry", "700ms launch 3 retry",
                          "700ms finish attempt 3 UNAVAILABLE "
                          "attempts_exhausted"));
}

TEST(CallDriverTargetsTest, AHedgePrefersAnUnusedTarget) {
  CallRig rig(Hedging(4, Ms(20)), Targets(3));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge on 1",
                          "40ms launch 2 hedge on 2", "60ms launch 3 hedge"));
}

TEST(CallDriverTargetsTest, AnUnusedTargetThatRefusesIsPassedOver) {
  CallRig rig(Guarded(Hedging(3, Ms(20))), Targets(3));
  rig.Trip(1);
  rig.Run(Ms(50));
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge on 2",
                          "40ms launch 2 hedge"));
}

TEST(CallDriverTargetsTest, ARetryGoesOnWhereTheFirstTargetTripped) {
  CallRig rig(Guarded(Retrying(3)), Targets(2));
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "105ms launch 1 retry on 1",
                          "110ms finish attempt 1 OK"));
}

TEST(CallDriverTargetsTest, WhenAllRefuseTheNearestSaysWhenToComeBack) {
  // The position in the list does not matter.
  for (int nearest = 0; nearest < 3; ++nearest) {
    CallRig rig(Guarded(Retrying(3)), Targets(3));
    for (int i = 0; i < 3; ++i) {
      rig.MoveTo(i == nearest ? Sec(0) : Sec(1));
      if (i == nearest) rig.Trip(i);
    }
    for (int i = 0; i < 3; ++i) {
      if (i != nearest) rig.Trip(i);
    }
    rig.MoveTo(Sec(4));
    rig.Start();
    EXPECT_THAT(
        rig.lines(),
        ElementsAre("4s finish UNAVAILABLE breaker_open, retry after 6s"));
    EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 1);
    EXPECT_EQ(
        rig.counts().rejections[static_cast<size_t>(Reason::kBreakerOpen)], 1);
  }
}

TEST(CallDriverTargetsTest, TheReasonIsThatOfTheNearestToo) {
  CallRig rig(Guarded(Retrying(3)), Targets(3));
  rig.breaker(0).ForceOpen(absl::nullopt, rig.now());
  rig.Trip(1);
  rig.Trip(2);
  rig.MoveTo(Sec(10));
  std::vector<Permit> probes;  // of target 2, all three, for 5 s
  for (int i = 0; i < 3; ++i) {
    probes.push_back(rig.breaker(2).Admit(rig.now(), kInfiniteFuture).permit);
  }
  // Target 1 opens again, for longer than the probes may last.
  rig.breaker(1)
      .Admit(rig.now(), kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, rig.now());
  rig.Start();
  EXPECT_THAT(rig.lines(), ElementsAre("10s finish UNAVAILABLE probes_taken, "
                                       "retry after 5s"));
}

TEST(CallDriverTargetsTest, ForcedOpenWithoutAnEndNamesNoTime) {
  CallRig rig(Guarded(Retrying(3)), Targets(1));
  rig.breaker().ForceOpen(absl::nullopt, rig.now());
  rig.Start();
  EXPECT_THAT(rig.lines(), ElementsAre("0s finish UNAVAILABLE forced_open, "
                                       "retry after infinite"));
}

TEST(CallDriverTargetsTest, ARejectedCallMakesNoAttemptAndCostsNothing) {
  CallRig rig(Guarded(Retrying(3)), Targets(2));
  rig.Trip(0);
  rig.Trip(1);
  const int64_t epoch0 = rig.breaker(0).Snapshot(rig.now()).epoch;
  rig.Start();
  const MethodCounts counts = rig.counts();
  EXPECT_EQ(counts.calls, 1);
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(counts.attempts_of(AttemptKind::kFirst), 0);
  EXPECT_EQ(rig.driver().launched(), 0);
  EXPECT_TRUE(rig.driver().finished());
  EXPECT_EQ(rig.breaker(0).Snapshot(rig.now()).epoch, epoch0);
}

TEST(CallDriverTargetsTest, ARetryIsScheduledIfAnyTargetWouldAdmit) {
  for (int open : {0, 1, 2}) {
    CallRig rig(Guarded(Retrying(3)), Targets(3));
    rig.Start();
    for (int i = 0; i < 3; ++i) {
      if (i != open) rig.Trip(i);
    }
    // Attempt 0 is from before the trip of its target, and ends now.
    rig.End(0, Code::kUnavailable);
    rig.Run(Ms(300));
    // (Target 0, if it was open to calls until now, trips by this failure.)
    EXPECT_EQ(rig.lines().back(),
              open == 0 ? "0s finish attempt 0 UNAVAILABLE breaker_open"
                        : absl::StrCat("100ms launch 1 retry on ", open));
  }
}

TEST(CallDriverTargetsTest, WhenAllRefuseARetryTheNearestSaysWhy) {
  // The position in the list does not matter.
  for (int forced : {0, 1}) {
    CallRig rig(Guarded(Retrying(3)), Targets(2));
    rig.Start();
    rig.breaker(forced).ForceOpen(Sec(60), rig.now());
    rig.Trip(1 - forced);  // for 10 s
    rig.End(0, Code::kUnavailable);
    EXPECT_THAT(rig.lines(),
                ElementsAre("0s launch 0",
                            "0s finish attempt 0 UNAVAILABLE breaker_open"));
  }
}

TEST(CallDriverTargetsTest, ATargetThatGetsOnlyHedgesComesBackByThem) {
  MethodOptions options = Guarded(Hedging(4, Ms(20)));
  options.breaker->open_duration = Ms(5);
  options.breaker->probes = 1;
  CallRig rig(options, Targets(2));
  rig.Trip(1);
  rig.Answer(1, Ms(100));
  rig.Run(Ms(90));
  // Target 1 gets one probe, and the call is hedged further nevertheless.
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge on 1 probe",
                          "40ms launch 2 hedge", "60ms launch 3 hedge"));
  rig.Run();
  EXPECT_EQ(rig.lines().back(), "120ms finish attempt 1 OK");
  EXPECT_EQ(rig.breaker(1).Snapshot(rig.now()).state, BreakerState::kClosed);
}

TEST(CallDriverTargetsTest, AHedgePassesOverATargetWhoseProbesAreTaken) {
  MethodOptions options = Guarded(Hedging(2, Ms(20)));
  options.breaker->probes = 1;
  CallRig rig(options, Targets(2));
  rig.Trip(1);
  rig.MoveTo(Sec(10));
  Permit probe = rig.breaker(1).Admit(rig.now(), kInfiniteFuture).permit;
  rig.Run(Sec(11));
  EXPECT_THAT(rig.lines(),
              ElementsAre("10s launch 0", "10.02s launch 1 hedge"));
}

TEST(CallDriverTargetsTest, AProbeIsNotHedgedOnAnotherTargetEither) {
  CallRig rig(Guarded(Hedging(3, Ms(20))), Targets(2));
  rig.Trip(0);
  rig.MoveTo(Sec(10));
  rig.Run(Sec(11));
  EXPECT_THAT(rig.lines(), ElementsAre("10s launch 0 probe"));
}

}  // namespace
}  // namespace firebreak::core
