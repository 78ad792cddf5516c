// Retries that learn from earlier ones, in each stub style. The report of a
// call shows what the retries before it have changed.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "firebreak/call_report.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;
using Decision = v1::CallReport::Decision;

constexpr char kAdaptive[] = R"pb(
  retry {
    max_attempts: 2
    backoff { initial: "8ms" max: "8ms" jitter: NONE }
    codes: [ UNAVAILABLE, RESOURCE_EXHAUSTED ]
    adaptive {}
  }
)pb";

class AdaptiveRetryTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Makes a call whose first two attempts are answered as given.
  v1::CallReport Run(EngineFixture* f, Step first, Step retry = Step::Ok()) {
    f->server().Script({std::move(first), std::move(retry)});
    UnaryCall call;
    AskForReport(&call.context);
    Caller(GetParam(), f->channel()).Run(&call);
    const auto report = GetCallReport(call.context);
    EXPECT_TRUE(report.has_value());
    return report.value_or(v1::CallReport());
  }
  static Step Down() { return Step::Fail(StatusCode::UNAVAILABLE, "down"); }
  static int Millis(const google::protobuf::Duration& d) {
    return static_cast<int>(d.seconds() * 1000 + d.nanos() / 1'000'000);
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, AdaptiveRetryTest, AllStyles(), StyleName);

TEST_P(AdaptiveRetryTest, TheReportTellsHowEachFailureWasWeighed) {
  EngineFixture f(kAdaptive);
  const auto report = Run(&f, Step::Fail(StatusCode::RESOURCE_EXHAUSTED));
  ASSERT_EQ(report.attempt_size(), 2);
  const Decision& decision = report.attempt(0).decision();
  EXPECT_EQ(decision.failure_kind(), "overload");
  EXPECT_EQ(decision.kind_factor(), 5);
  EXPECT_EQ(decision.chance(), 0.5) << "nothing is known yet";
  EXPECT_EQ(decision.chance_factor(), 1);
  EXPECT_EQ(Millis(decision.wait()), 40);
  EXPECT_FALSE(decision.is_trial());
  EXPECT_EQ(report.attempt(0).stopped(), "");
  EXPECT_FALSE(report.attempt(1).has_decision()) << "it is the answer";
  EXPECT_EQ(report.code(), v1::OK);

  // That retry succeeded, so the next one waits half as long.
  const auto next = Run(&f, Step::Fail(StatusCode::RESOURCE_EXHAUSTED));
  ASSERT_EQ(next.attempt_size(), 2);
  EXPECT_GT(next.attempt(0).decision().chance(), 0.6);
  EXPECT_EQ(next.attempt(0).decision().chance_factor(), 0.5);
  EXPECT_EQ(Millis(next.attempt(0).decision().wait()), 20);
}

TEST_P(AdaptiveRetryTest, RetriesInVainAreGivenUpButForATrial) {
  EngineFixture f(kAdaptive);
  Run(&f, Down());  // makes the method's runtime
  ASSERT_NE(f.runtime()->settings()->estimator, nullptr);
  const auto fail_more = [&] {
    for (int i = 0; i < 100; ++i) {
      f.runtime()->settings()->estimator->Record(absl::StatusCode::kUnavailable,
                                                 false, engine::Now());
    }
  };
  fail_more();
  const auto trial = Run(&f, Down(), Down());
  ASSERT_EQ(trial.attempt_size(), 2);
  EXPECT_TRUE(trial.attempt(0).decision().is_trial());
  EXPECT_LT(trial.attempt(0).decision().chance(), 0.1);
  EXPECT_EQ(Millis(trial.attempt(0).decision().wait()), 8);

  // Prevents another trial for an hour, however slow the machine is.
  fail_more();
  f.runtime()->settings()->estimator->TakeTrial(
      absl::StatusCode::kUnavailable, engine::Now() + std::chrono::hours(1));
  const auto stopped = Run(&f, Down());
  ASSERT_EQ(stopped.attempt_size(), 1);
  EXPECT_EQ(stopped.attempt(0).stopped(), "retries_not_worth_it");
  EXPECT_EQ(stopped.reason(), "retries_not_worth_it");
  EXPECT_EQ(stopped.code(), v1::UNAVAILABLE);
  EXPECT_FALSE(stopped.attempt(0).decision().is_trial());
}

TEST_P(AdaptiveRetryTest, AConnectionThatIsRefusedIsTriedAgainSooner) {
  auto engine = MakeEngine(kAdaptive);
  auto channel = engine->CreateChannel("test", "127.0.0.1:1",
                                       grpc::InsecureChannelCredentials());
  UnaryCall call;
  AskForReport(&call.context);
  Caller(GetParam(), channel).Run(&call);
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  ASSERT_EQ(report->attempt_size(), 2);
  const Decision& decision = report->attempt(0).decision();
  EXPECT_EQ(decision.failure_kind(), "connection");
  EXPECT_EQ(decision.kind_factor(), 0.5);
  EXPECT_EQ(Millis(decision.wait()), 4);
}

TEST_P(AdaptiveRetryTest, WithoutItOnlyTheWaitIsTold) {
  EngineFixture f(R"pb(
    retry { backoff { initial: "3ms" max: "3ms" jitter: NONE } }
  )pb");
  const auto report = Run(&f, Down());
  ASSERT_EQ(report.attempt_size(), 2);
  const Decision& decision = report.attempt(0).decision();
  EXPECT_EQ(Millis(decision.wait()), 3);
  EXPECT_EQ(decision.failure_kind(), "");
  EXPECT_EQ(decision.chance(), 0);
  EXPECT_EQ(f.runtime()->settings()->estimator, nullptr);
}

}  // namespace
}  // namespace firebreak::testing
