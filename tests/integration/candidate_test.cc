// A candidate policy beside the live one, over real sockets: it counts what it
// would have done, and no call is different for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/call_options.h"
#include "firebreak/classifier.h"
#include "src/engine/candidate/candidate_store.h"
#include "src/engine/policy/policy.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using engine::CandidateCounts;
using engine::Live;
using engine::Would;

Step Down() { return Step::Fail(grpc::StatusCode::UNAVAILABLE, "down"); }
Step Slow() {
  Step step;
  step.latency = std::chrono::milliseconds(60);
  return step;
}

// The live policy runs calls natively, behind the breaker; or drives them.
constexpr char kGuarded[] = "breaker { mode: DISABLED }";
constexpr char kDriven[] = "timeout: \"60s\"";

class CandidateTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static engine::CandidateStore* Store(EngineFixture* f) {
    return f->engine()->core()->candidates();
  }
  static void Set(EngineFixture* f, const std::string& policy) {
    const auto change = Store(f)->Set(
        engine::ParsePolicyText(absl::StrCat("method { name {} ", policy, " }"),
                                "test", true),
        PolicyUpdate());
    ASSERT_TRUE(change.ok()) << change.status();
  }
  static absl::StatusCode Run(EngineFixture* f) {
    UnaryCall call;
    Caller(GetParam(), f->channel()).Run(&call);
    return static_cast<absl::StatusCode>(call.status.error_code());
  }
  // Once `calls` have ended: the last of it may be behind the answer.
  static CandidateCounts Counts(EngineFixture* f, int64_t calls,
                                const std::string& method = kUnaryMethod) {
    CandidateCounts counts;
    EXPECT_TRUE(Eventually([&] {
      const auto candidate = Store(f)->current();
      if (candidate == nullptr) return false;
      const auto* const found = candidate->Find("test", method);
      if (found == nullptr) return false;
      counts = found->tally.counts();
      return counts.calls() >= calls;
    }));
    EXPECT_EQ(counts.calls(), calls);
    return counts;
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, CandidateTest, AllStyles(), StyleName);

TEST_P(CandidateTest, ItsBreakerCountsAndRefusesNothing) {
  for (const char* live : {kGuarded, kDriven}) {
    EngineFixture f(live);
    Set(&f,
        "breaker { consecutive_failures: 2 open_duration: \"60s\" "
        "probe_interval: \"0s\" }");
    f.server().Script({Down(), Down(), Down()});
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(Run(&f), absl::StatusCode::kUnavailable);
    }
    EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
    const CandidateCounts counts = Counts(&f, 4);
    EXPECT_EQ(counts.of(Would::kRefuse, Live::kFailed), 1);
    EXPECT_EQ(counts.of(Would::kRefuse, Live::kSucceeded), 1);
    EXPECT_EQ(counts.refusals[static_cast<size_t>(core::Reason::kBreakerOpen)],
              2);
    EXPECT_EQ(f.server().calls(), 4);
  }
}

TEST_P(CandidateTest, ItsTimeoutCountsAndEndsNothing) {
  for (const char* live : {kGuarded, kDriven}) {
    EngineFixture f(live);
    Set(&f, "timeout: \"20ms\"");
    f.server().Script({Slow()});
    EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
    EXPECT_EQ(Counts(&f, 1).of(Would::kTimeOut, Live::kSucceeded), 1);
  }
}

TEST_P(CandidateTest, WhatTheLivePolicyRetries) {
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }");
  Set(&f,
      "retry { max_attempts: 2 backoff { initial: \"1ms\" max: \"1ms\" } }");
  f.server().Script({Down(), Step::Ok(), Down(), Down(), Step::Ok()});
  EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
  EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
  const CandidateCounts counts = Counts(&f, 2);
  EXPECT_EQ(counts.live_retried, 2);
  // The second one it would have given up on after two attempts.
  EXPECT_EQ(counts.of(Would::kGiveUp, Live::kSucceeded), 1);
  EXPECT_EQ(counts.of(Would::kRetry), 0);
}

TEST_P(CandidateTest, WhatTheLivePolicyGivesUp) {
  for (const char* live : {kGuarded, kDriven}) {
    EngineFixture f(live);
    Set(&f, "retry { max_attempts: 2 backoff { initial: \"1ms\" } }");
    f.server().Script({Down()});
    EXPECT_EQ(Run(&f), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Counts(&f, 1).of(Would::kRetry, Live::kFailed), 1);
    EXPECT_EQ(f.server().calls(), 1);
  }
}

TEST_P(CandidateTest, WhatTheLivePolicyHedges) {
  for (const bool is_sooner : {true, false}) {
    EngineFixture f("idempotent: true hedging { delay: \"10ms\" }");
    Set(&f, absl::StrCat("idempotent: true hedging { delay: \"",
                         is_sooner ? "1ms" : "50s", "\" }"));
    f.server().Script({Step::Hang(), Step::Ok()});
    EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
    const CandidateCounts counts = Counts(&f, 1);
    EXPECT_EQ(counts.live_hedged, 1);
    EXPECT_EQ(counts.of(Would::kHedge, Live::kSucceeded), is_sooner ? 1 : 0);
    f.server().Release();
  }
}

TEST_P(CandidateTest, AClassifierJudgesForBoth) {
  for (const char* more : {"", "retry {}"}) {
    EngineFixture f(
        absl::StrCat("breaker { consecutive_failures: 100 } ", more));
    ASSERT_TRUE(f.engine()
                    ->SetClassifier("test", kUnaryMethod,
                                    [](const Result& result) {
                                      return result.code == grpc::StatusCode::OK
                                                 ? Judgement::kFailure
                                                 : Judgement::kDefault;
                                    })
                    .ok());
    Set(&f, absl::StrCat("breaker { consecutive_failures: 2 open_duration: "
                         "\"60s\" } ",
                         more));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
    EXPECT_TRUE(Eventually([&] {
      const auto* const method =
          Store(&f)->current()->Find("test", kUnaryMethod);
      return method->runtime->breakers()
                 .front()
                 ->Snapshot(engine::Now())
                 .state == core::BreakerState::kOpen;
    }));
    EXPECT_TRUE(Eventually([&] {
      return f.breaker().consecutive_failures == 2;
    })) << "the live one hears the same";
  }
}

// What a call wants for itself holds under both.
TEST_P(CandidateTest, OptionsOfACall) {
  for (const bool no_retry : {true, false}) {
    EngineFixture f(kDriven);
    Set(&f, "retry { max_attempts: 2 backoff { initial: \"1ms\" } }");
    f.server().Script({Down()});
    CallOptions options;
    options.no_retry = no_retry;
    UnaryCall call;
    ASSERT_TRUE(options.Set(&call.context).ok());
    Caller(GetParam(), f.channel()).Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(Counts(&f, 1).of(Would::kRetry, Live::kFailed), no_retry ? 0 : 1);
  }
}

TEST_P(CandidateTest, WhatTheLivePolicyRefuses) {
  for (const char* more : {"", "timeout: \"60s\""}) {
    EngineFixture f(absl::StrCat("breaker {} ", more));
    EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
    f.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
    Set(&f, "breaker { consecutive_failures: 1 }");
    EXPECT_EQ(Run(&f), absl::StatusCode::kUnavailable);
    const CandidateCounts counts = Counts(&f, 1);
    EXPECT_EQ(counts.of(Would::kNothingElse, Live::kRefused), 1);
    EXPECT_EQ(counts.let_in(), 1);
  }
}

TEST_P(CandidateTest, ACallInFlightEndsWithWhatItBeganWith) {
  for (const char* live : {kGuarded, kDriven}) {
    EngineFixture f(live);
    UnaryCall before("before");
    UnaryCall during("during");
    f.server().Script("before", {Step::Hang()});
    f.server().Script("during", {Step::Hang()});
    const Caller caller(GetParam(), f.channel());
    std::thread first([&] { caller.Run(&before); });
    ASSERT_TRUE(f.server().WaitForCalls(1));
    Set(&f, "breaker { consecutive_failures: 1 }");
    const auto candidate = Store(&f)->current();
    std::thread second([&] { caller.Run(&during); });
    ASSERT_TRUE(f.server().WaitForCalls(2));
    EXPECT_TRUE(Store(&f)->Promote({}).ok());
    f.server().Release();
    first.join();
    second.join();
    EXPECT_TRUE(before.status.ok());
    EXPECT_TRUE(during.status.ok());
    EXPECT_TRUE(Eventually([&] {
      const auto* const found = candidate->Find("test", kUnaryMethod);
      return found != nullptr && found->tally.counts().calls() == 1;
    }));
    EXPECT_EQ(Store(&f)->current(), nullptr);
    EXPECT_EQ(Run(&f), absl::StatusCode::kOk);
  }
}

TEST_P(CandidateTest, CancelledCallsAreNeitherRightNorWrong) {
  for (const char* live : {kGuarded, kDriven}) {
    EngineFixture f(live);
    Set(&f, "bulkhead { max_concurrent: 1 max_queue: 0 }");
    f.server().Script({Step::Hang(), Step::Hang()});
    UnaryCall first;
    UnaryCall second;
    const Caller caller(GetParam(), f.channel());
    std::thread one([&] { caller.Run(&first); });
    ASSERT_TRUE(f.server().WaitForCalls(1));
    std::thread two([&] { caller.Run(&second); });
    ASSERT_TRUE(f.server().WaitForCalls(2));
    second.context.TryCancel();
    two.join();
    f.server().Release();
    one.join();
    const CandidateCounts counts = Counts(&f, 2);
    EXPECT_EQ(counts.of(Would::kRefuse, Live::kUnknown), 1);
    EXPECT_EQ(counts.of(Would::kRefuse), 1);
  }
}

TEST(CandidateStreamTest, AStreamIsOneCall) {
  EngineFixture f(kGuarded);
  ASSERT_TRUE(f.engine()
                  ->core()
                  ->candidates()
                  ->Set(engine::ParsePolicyText(
                            "method { name {} timeout: \"1ms\" breaker { "
                            "consecutive_failures: 1 } retry {} }",
                            "test", true),
                        PolicyUpdate())
                  .ok());
  const auto stub = Echo::NewStub(f.channel());
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    const auto stream = stub->BidiStream(&context);
    EchoRequest request;
    EchoReply reply;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->WritesDone());
    while (stream->Read(&reply)) {
    }
    EXPECT_TRUE(stream->Finish().ok());
  }
  CandidateCounts counts;
  EXPECT_TRUE(Eventually([&] {
    const auto* const found = f.engine()->core()->candidates()->current()->Find(
        "test", "/firebreak.testing.Echo/BidiStream");
    if (found == nullptr) return false;
    counts = found->tally.counts();
    return counts.calls() == 2;
  }));
  EXPECT_EQ(counts.of(Would::kNothingElse, Live::kSucceeded), 2);
  EXPECT_EQ(counts.of(Would::kTimeOut), 0);
  EXPECT_EQ(counts.of(Would::kRefuse), 0);
}

}  // namespace
}  // namespace firebreak::testing
