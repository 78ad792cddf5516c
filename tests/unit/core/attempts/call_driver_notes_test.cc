// The driver's log of its decisions, in words and numbers.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "retried: attempt 1 failed ...", the oldest first.
std::vector<std::string> Notes(const CallRig& rig) {
  std::vector<Decision> decisions = rig.stats().decisions.Last(100).decisions;
  std::vector<std::string> notes;
  for (auto each = decisions.rbegin(); each != decisions.rend(); ++each) {
    const char* kind = each->kind == DecisionKind::kRetried      ? "retried"
                       : each->kind == DecisionKind::kHedged     ? "hedged"
                       : each->kind == DecisionKind::kNotRetried ? "not retried"
                       : each->kind == DecisionKind::kNotHedged  ? "not hedged"
                                                                 : "refused";
    notes.push_back(absl::StrCat(kind, each->reason == Reason::kNone ? "" : " ",
                                 ReasonName(each->reason), ": ", each->why));
  }
  return notes;
}

CallRig::Setup Purse(double tokens) {
  CallRig::Setup setup;
  setup.budget.ratio = setup.budget.floor = 0;
  setup.budget.burst = tokens;
  return setup;
}

TEST(CallDriverNotesTest, ACallThatIsAnsweredHasNone) {
  CallRig rig(Hedging(2, Ms(20)));
  rig.Answer(0, Ms(19));
  rig.Run();
  EXPECT_THAT(Notes(rig), IsEmpty());
}

TEST(CallDriverNotesTest, RetriesAndWhyThereIsNoMore) {
  CallRig rig(Retrying(3));
  rig.AnswerAll(3, Ms(5), absl::StatusCode::kUnavailable);
  rig.Run();
  EXPECT_THAT(
      Notes(rig),
      ElementsAre("retried: attempt 1 failed with UNAVAILABLE after 5ms; "
                  "another follows in 100ms",
                  "retried: attempt 2 failed with UNAVAILABLE after 5ms; "
                  "another follows in 200ms",
                  "not retried attempts_exhausted: attempt 3 failed with "
                  "UNAVAILABLE after 5ms; all 3 attempts of max_attempts are "
                  "made"));
}

TEST(CallDriverNotesTest, AnEmptyBudget) {
  CallRig rig(Retrying(3), Purse(1));
  ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
  rig.Answer(0, Ms(5), absl::StatusCode::kUnavailable);
  rig.Run();
  EXPECT_THAT(Notes(rig),
              ElementsAre("not retried budget_exhausted: attempt 1 failed with "
                          "UNAVAILABLE after 5ms; the budget for retries and "
                          "hedges has 0 of 1 tokens"));
}

TEST(CallDriverNotesTest, ADeadlineThatIsTooClose) {
  CallRig::Setup setup;
  setup.deadline = Ms(50);
  CallRig rig(Retrying(3), setup);
  rig.Answer(0, Ms(5), absl::StatusCode::kUnavailable);
  rig.Run();
  EXPECT_THAT(Notes(rig),
              ElementsAre("not retried deadline_too_close: attempt 1 failed "
                          "with UNAVAILABLE after 5ms; a wait of 100ms would "
                          "end after the deadline, which comes in 45ms"));
}

TEST(CallDriverNotesTest, PushbackAndIdempotency) {
  CallRig pushed(Retrying(3));
  pushed.Answer(0, Ms(5), absl::StatusCode::kUnavailable, Ms(-1));
  pushed.Run();
  EXPECT_THAT(Notes(pushed),
              ElementsAre("not retried pushback: attempt 1 failed with "
                          "UNAVAILABLE after 5ms; the server asked for no "
                          "retry"));
  MethodOptions once = Retrying(3);
  once.idempotent = false;
  CallRig unsafe(once);
  unsafe.Answer(0, Ms(5), absl::StatusCode::kUnavailable);
  unsafe.Run();
  EXPECT_THAT(Notes(unsafe),
              ElementsAre("not retried not_idempotent: attempt 1 failed with "
                          "UNAVAILABLE after 5ms; the call may have run, and "
                          "it may not run twice"));
}

TEST(CallDriverNotesTest, ABreakerThatOpensMeanwhile) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(1);
  CallRig rig(options);
  rig.Answer(0, Ms(5), absl::StatusCode::kUnavailable);
  rig.Run();
  EXPECT_THAT(Notes(rig),
              ElementsAre("not retried breaker_open: attempt 1 failed with "
                          "UNAVAILABLE after 5ms; the breaker admits no "
                          "further attempt: 1 failures in a row (limit 1)"));
}

TEST(CallDriverNotesTest, HedgesAndThoseWithoutAToken) {
  CallRig rig(Hedging(3, Ms(20)));
  rig.Answer(0, Sec(2));
  rig.Answer(2, Ms(5));
  rig.Run();
  EXPECT_THAT(Notes(rig),
              ElementsAre("hedged: attempt 1 has had no answer for 20ms; "
                          "another is sent beside it",
                          "hedged: attempt 2 has had no answer for 20ms; "
                          "another is sent beside it"));
  // The budget is empty, so there is no hedge. The call asks for a token more
  // than once, but that is logged once.
  CallRig poor(Hedging(2, Ms(20)), Purse(5));
  for (int i = 0; i < 5; ++i) poor.budget().TryAcquire(poor.now());
  poor.Answer(0, Ms(100));
  poor.Run();
  EXPECT_THAT(Notes(poor),
              ElementsAre("not hedged budget_exhausted: attempt 1 has had no "
                          "answer for 20ms; the budget for retries and hedges "
                          "has 0 of 5 tokens"));
}

}  // namespace
}  // namespace firebreak::core
