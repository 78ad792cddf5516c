// Probes one by one: when a lease ends, and what that means.
#include "src/core/breaker/probation.h"

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Sign = Probation::Sign;

BreakerOptions Probes(int probes) {
  BreakerOptions options;
  options.probes = probes;
  options.probe_timeout = Sec(5);
  return options;
}

TEST(ProbationTest, AsManySuccessesAsTheRatioSaysAndNoMore) {
  BreakerOptions options = Probes(1);
  options.probe_samples = 100;
  options.probe_success_ratio = 0.07;  // times 100 it is a little over 7
  EXPECT_EQ(Probation(options).needed(), 7);
  options.probe_success_ratio = 0.071;
  EXPECT_EQ(Probation(options).needed(), 8);
}

TEST(ProbationTest, ADeadlineInThePastLeavesTheGrace) {
  const BreakerOptions options = Probes(2);
  Probation probation(options);
  probation.Restart(At(Sec(10)));
  probation.Begin(At(Sec(10)), At(Sec(3)));
  EXPECT_EQ(probation.next_lease_end(), At(Sec(10)) + Probation::kGrace);
}

TEST(ProbationTest, WhoArrivesAtTheLastMomentIsInTimeAndHangsNoMore) {
  const BreakerOptions options = Probes(1);
  Probation probation(options);
  probation.Restart(At(Sec(0)));
  const uint64_t probe = probation.Begin(At(Sec(0)), kInfiniteFuture);
  EXPECT_TRUE(probation.Arrive(probe, At(Sec(5))));
  EXPECT_FALSE(probation.EndOverdue(At(Sec(9))).has_value());
  probation.End(probe);
  EXPECT_FALSE(probation.Arrive(probe, At(Sec(9))));
}

TEST(ProbationTest, WhoArrivesLaterIsNot) {
  const BreakerOptions options = Probes(1);
  Probation probation(options);
  probation.Restart(At(Sec(0)));
  const uint64_t probe = probation.Begin(At(Sec(0)), kInfiniteFuture);
  EXPECT_FALSE(probation.Arrive(probe, At(Sec(5)) + Duration(1)));
  EXPECT_EQ(probation.EndOverdue(At(Sec(5))), Sign::kNothing);
}

TEST(ProbationTest, ProgressTakesNoAnswerBack) {
  const BreakerOptions options = Probes(1);
  Probation probation(options);
  probation.Restart(At(Sec(0)));
  const uint64_t probe = probation.Begin(At(Sec(0)), kInfiniteFuture);
  probation.NoteAnswered(probe, At(Sec(1)), At(Sec(2)));
  probation.NoteProgress(probe);
  EXPECT_EQ(probation.EndOverdue(At(Sec(2))), Sign::kAnswer);
}

}  // namespace
}  // namespace firebreak::core
