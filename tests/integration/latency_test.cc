// What is learned from calls over real sockets, and its effects. They are read
// from reports, since durations depend on the machine.
#include <gtest/gtest.h>

#include "firebreak/call_report.h"
#include "google/protobuf/util/time_util.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using google::protobuf::util::TimeUtil;
using Ms = std::chrono::milliseconds;
using Sec = std::chrono::seconds;

// The delay is so long that any hedge that is seen has another cause.
constexpr char kHedge[] =
    "hedging { max_attempts: 2 quantile: 0.9 max_delay: \"1h\" }";
constexpr char kGate[] = "deadline_gate { first_attempt: true }";
constexpr char kBreaker[] = "breaker { consecutive_failures: 2 }";

// Returns the method's model, even before the method's first call.
core::LatencyModel& ModelOf(EngineFixture* f) {
  auto channel = f->engine()->core()->BindChannel("test", {"nowhere"});
  return channel->Find(kUnaryMethod)->runtime->latency;
}

class LatencyTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static v1::CallReport Run(EngineFixture* f, UnaryCall* call) {
    return Run(f->channel(), call);
  }
  static v1::CallReport Run(const std::shared_ptr<grpc::Channel>& channel,
                            UnaryCall* call) {
    AskForReport(&call->context);
    Caller(GetParam(), channel).Run(call);
    return GetCallReport(call->context).value_or(v1::CallReport());
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, LatencyTest, AllStyles(), StyleName);

TEST_P(LatencyTest, AHedgeGoesOutAtTheQuantileOfEarlierCalls) {
  EngineFixture f(kHedge);
  core::LatencyModel& model = ModelOf(&f);
  for (int i = 0; i < core::LatencyModel::kMany; ++i) {
    UnaryCall call("fast");
    Caller(GetParam(), f.channel()).Run(&call);
    ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  }
  ASSERT_TRUE(Eventually([&] {
    return model.samples(engine::Now()) >= core::LatencyModel::kMany;
  }));
  f.server().ScriptAttempts({Step::Hang(), Step::Ok()});
  UnaryCall call("slow");
  const v1::CallReport report = Run(f.NewNumberingChannel(), &call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  ASSERT_EQ(report.attempt_size(), 2) << report.DebugString();
  EXPECT_EQ(report.attempt(0).attribution(), "superseded");
  EXPECT_EQ(report.attempt(1).kind(), "hedge");
  EXPECT_TRUE(report.attempt(1).answered());
}

TEST_P(LatencyTest, AHedgeWaitsTheQuantile) {
  EngineFixture f(kHedge);
  core::LatencyModel& model = ModelOf(&f);
  model.Record(Ms(80), engine::Now(), 1'000);
  const core::Duration p90 = *model.Quantile(0.9, engine::Now());
  f.server().Script({Step::Hang(), Step::Ok()});
  UnaryCall call("slow");
  const v1::CallReport report = Run(&f, &call);
  ASSERT_EQ(report.attempt_size(), 2) << report.DebugString();
  EXPECT_GE(TimeUtil::DurationToNanoseconds(report.attempt(1).started()),
            p90.count());
}

TEST_P(LatencyTest, ACallThatCannotEndInTimeIsNotSent) {
  // With guarded and with driven calls.
  for (const std::string more : {"", "retry {}"}) {
    EngineFixture f(absl::StrCat(kGate, more));
    core::LatencyModel& model = ModelOf(&f);
    model.Record(std::chrono::hours(1), engine::Now(), 100);
    UnaryCall relearns;
    relearns.context.set_deadline(std::chrono::system_clock::now() + Sec(60));
    Run(&f, &relearns);
    EXPECT_TRUE(relearns.status.ok()) << "one a second passes";
    // The one call per second that passes as an exception has been made. A
    // second later there would be another one.
    ASSERT_TRUE(Eventually([&] {
      UnaryCall call;
      call.context.set_deadline(std::chrono::system_clock::now() + Sec(60));
      const int before = f.server().calls();
      const v1::CallReport report = Run(&f, &call);
      if (call.status.ok()) return false;
      EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
      EXPECT_EQ(Trailing(call.context, "firebreak-reason"),
                "deadline_infeasible");
      EXPECT_NE(call.status.error_message().find("needed"), std::string::npos)
          << call.status.error_message();
      EXPECT_EQ(report.reason(), "deadline_infeasible");
      EXPECT_EQ(report.attempt_size(), 0);
      EXPECT_EQ(f.server().calls(), before);
      return true;
    }));
  }
}

TEST_P(LatencyTest, ADeadlineBelowTheUsualTimeIsNotTheServersFault) {
  for (const bool is_driven : {false, true}) {
    for (const bool is_short : {false, true}) {
      EngineFixture f(absl::StrCat(kBreaker, is_driven ? "retry {}" : ""));
      const core::Duration usual = is_short ? Sec(10) : core::Duration(Ms(1));
      ModelOf(&f).Record(usual, engine::Now() - Sec(45), 100);
      f.server().Script(std::vector<Step>(3, Step::Hang()));
      UnaryCall call;
      call.context.set_deadline(std::chrono::system_clock::now() + Ms(100));
      const v1::CallReport report = Run(&f, &call);
      EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
      ASSERT_EQ(report.attempt_size(), 1) << report.DebugString();
      if (is_short) {
        EXPECT_EQ(report.attempt(0).attribution(), "deadline_too_short");
      } else {
        EXPECT_NE(report.attempt(0).attribution(), "deadline_too_short");
      }
      // The first breaker is that of ModelOf()'s target.
      const core::BreakerSnapshot breaker =
          f.runtime()->breakers().back()->Snapshot(engine::Now());
      EXPECT_EQ(breaker.consecutive_failures, is_short ? 0 : 1);
    }
  }
}

TEST_P(LatencyTest, GuardedCallsTeachTheModelToo) {
  EngineFixture f(kBreaker);
  UnaryCall call("x");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(f.runtime()->latency.samples(engine::Now()), 1);
}

TEST(LatencyStreamTest, AStreamTeachesNothing) {
  EngineFixture f(kBreaker);
  auto stub = Echo::NewStub(f.channel());
  grpc::ClientContext context;
  auto stream = stub->BidiStream(&context);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  for (const auto& runtime : f.engine()->core()->Methods()) {
    EXPECT_EQ(runtime->latency.samples(engine::Now()), 0) << runtime->method;
  }
}

}  // namespace
}  // namespace firebreak::testing
