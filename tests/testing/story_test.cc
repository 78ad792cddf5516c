#include "firebreak/testing/story.h"

#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string CallOnce(Rig* rig) {
  UnaryCall call("hello");
  Caller(StubStyle::kSync, rig->channel()).Run(&call);
  return OutcomeOf(call.status, call.context);
}

TEST(StoryTest, TellsAnOutage) {
  Rig rig(R"pb(
    breaker {
      consecutive_failures: 5
      failure_rate: 0
      confidence: 0
      open_duration: "5s"
      open_jitter: 0
      probes: 1
      probe_interval: "0s"
      ramp { duration: "0s" }
    })pb");
  Story story(rig.engine, rig.clock);
  story.At(seconds(2), "the server fails",
           [&] { rig.server.Always(kUnary, Reply::Fail(kUnavailable)); });
  story.At(seconds(5), "the server works again",
           [&] { rig.server.Always(kUnary, EchoOf("ok")); });
  story.Every(milliseconds(100), "echo", [&] { return CallOnce(&rig); });
  ASSERT_TRUE(story.Run(seconds(6)));
  ASSERT_TRUE(story.Run(seconds(4)));
  EXPECT_THAT(
      story.lines(),
      ElementsAre(
          "   0.000s  echo: OK (20 times)", "   2.000s  the server fails",
          "   2.000s  echo: UNAVAILABLE (5 times)",
          HasSubstr("   2.400s  /firebreak.testing.Echo/Unary on \"echo\" is "
                    "open, was closed: 5 failures in a row"),
          "   2.500s  echo: UNAVAILABLE (breaker_open) (25 times)",
          "   5.000s  the server works again",
          "   5.000s  echo: UNAVAILABLE (breaker_open) (24 times)",
          "   7.400s  echo: OK",
          HasSubstr("   7.400s  /firebreak.testing.Echo/Unary on \"echo\" is "
                    "closed, was open"),
          "   7.500s  echo: OK (25 times)"))
      << story.text();
  EXPECT_THAT(story.outcomes("echo"),
              ElementsAre(Pair("OK", 46), Pair("UNAVAILABLE", 5),
                          Pair("UNAVAILABLE (breaker_open)", 49)));
}

TEST(StoryTest, LetsBackoffsPass) {
  Rig rig(R"pb(
    timeout: "30s"
    idempotent: true
    retry {
      max_attempts: 3
      backoff { initial: "20ms" jitter: NONE }
    })pb");
  rig.server.Script(kUnary,
                    {Reply::Fail(kUnavailable), Reply::Fail(kUnavailable)});
  Story story(rig.engine, rig.clock);
  story.set_patience(milliseconds(500));
  story.Every(seconds(1), "echo", [&] { return CallOnce(&rig); });
  EXPECT_TRUE(story.Run(seconds(1)));
  EXPECT_THAT(story.outcomes("echo"), ElementsAre(Pair("OK", 1)));
  EXPECT_EQ(rig.server.attempts(kUnary), 3);
}

TEST(StoryTest, AStepMayAddSteps) {
  Rig rig("");
  Story story(rig.engine, rig.clock);
  story.At(seconds(1), "first", [&] {
    for (int i = 0; i < 20; ++i) story.At(seconds(2), "added", [] {});
  });
  ASSERT_TRUE(story.Run(seconds(3)));
  ASSERT_EQ(story.lines().size(), 21U);
  EXPECT_EQ(story.lines().front(), "   1.000s  first");
  EXPECT_EQ(story.lines().back(), "   2.000s  added");
}

TEST(StoryTest, WithoutStepsTimePasses) {
  Rig rig("");
  Story story(rig.engine, rig.clock);
  story.Every(seconds(0), "never", [] { return "?"; });
  EXPECT_TRUE(story.Run(seconds(3)));
  EXPECT_THAT(story.lines(), ElementsAre());
  EXPECT_EQ(rig.clock->elapsed(), seconds(3));
}

}  // namespace
}  // namespace firebreak::testing
