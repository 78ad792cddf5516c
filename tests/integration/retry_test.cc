// Retry over real sockets, in every stub style: what reaches the server, and
// what the caller gets. The core's tests check the times of attempts, in
// virtual time.
#include <gtest/gtest.h>

#include "firebreak/v1/rpc_details.pb.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kQuickRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"2ms\" } }";

class RetryTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, RetryTest, AllStyles(), StyleName);

TEST_P(RetryTest, TwoUnavailableThenOkIsOkAfterThreeCalls) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_EQ(f.server().calls(), 3);
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kRetry), 2);
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
}

TEST_P(RetryTest, TheLastStatusIsHandedBackWholeWithOurReasonBeside) {
  EngineFixture f(kQuickRetry);
  v1::RpcStatus details;
  details.set_code(14);
  details.set_message("from the server");
  Step last = Step::Fail(grpc::StatusCode::UNAVAILABLE, "the third",
                         details.SerializeAsString());
  last.initial = {{"x-first", "1"}};
  last.trailing = {{"x-last", "2"}};
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE, "the first"),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE, "the second"),
                     last});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.status.error_message(), "the third");
  EXPECT_EQ(call.status.error_details(), details.SerializeAsString());
  EXPECT_EQ(Trailing(call.context, "x-last"), "2");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "attempts_exhausted");
  EXPECT_EQ(call.context.GetServerInitialMetadata().count("x-first"), 1U);
}

TEST_P(RetryTest, MetadataOfTheDecidingAttemptOnly) {
  EngineFixture f(kQuickRetry);
  Step first = Step::Fail(grpc::StatusCode::UNAVAILABLE);
  first.initial = {{"x-attempt", "first"}};
  first.trailing = {{"x-attempt", "first"}};
  Step second = Step::Ok();
  second.initial = {{"x-attempt", "second"}};
  second.trailing = {{"x-attempt", "second"}};
  f.server().Script({first, second});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  ASSERT_TRUE(call.status.ok());
  const auto& initial = call.context.GetServerInitialMetadata();
  ASSERT_EQ(initial.count("x-attempt"), 1U);
  EXPECT_EQ(initial.find("x-attempt")->second, "second");
  EXPECT_EQ(call.context.GetServerTrailingMetadata().count("x-attempt"), 1U);
  EXPECT_EQ(Trailing(call.context, "x-attempt"), "second");
}

TEST_P(RetryTest, AFatalStatusIsNotRetried) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND, "no such order")});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(call.status.error_message(), "no such order");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(RetryTest, TheDeadlineEndsACallThatTheServerWouldHold) {
  // The server never answers: only the deadline can end this.
  EngineFixture f(kQuickRetry);
  f.Connect();
  f.server().Script({Step::Hang()});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::milliseconds(200));
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  EXPECT_EQ(f.counts().in_flight, 0);
}

TEST_P(RetryTest, ADefaultTimeoutEndsACallWithoutDeadline) {
  EngineFixture f("timeout: \"200ms\"");
  f.Connect();
  f.server().Script({Step::Hang()});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
}

TEST_P(RetryTest, AnAttemptThatTimesOutIsRetriedWhenTheCodeIsListed) {
  EngineFixture f(
      "retry { max_attempts: 2 attempt_timeout: \"500ms\" "
      "codes: DEADLINE_EXCEEDED backoff { initial: \"1ms\" max: \"1ms\" } }");
  f.server().Script({Step::Hang(), Step::Ok()});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.server().calls(), 2);
}

TEST_P(RetryTest, NoBackoffIsBegunThatTheDeadlineCannotPayFor) {
  // The wait of an hour would outlast the deadline by far: the call ends at
  // once with what the server said, instead of sleeping until 30 s are over.
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1h\" max: \"1h\" "
      "jitter: NONE } }");
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE, "busy")});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::seconds(30));
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.status.error_message(), "busy");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "deadline_too_close");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(RetryTest, AnExpiredDeadlineSendsNothing) {
  EngineFixture f(kQuickRetry);
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() -
                            std::chrono::seconds(1));
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(f.server().calls(), 0);
}

TEST_P(RetryTest, NegativePushbackEndsTheCall) {
  EngineFixture f(kQuickRetry);
  Step busy = Step::Fail(grpc::StatusCode::UNAVAILABLE, "go away");
  busy.trailing = {{"grpc-retry-pushback-ms", "-1"}};
  f.server().Script({busy});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_message(), "go away");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "pushback");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(RetryTest, NobodyListeningIsUnavailableAfterAllAttempts) {
  auto engine = MakeEngine(kQuickRetry);
  auto channel = engine->CreateChannel("test", "127.0.0.1:1",
                                       grpc::InsecureChannelCredentials());
  UnaryCall call;
  Caller(GetParam(), channel).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "attempts_exhausted");
}

}  // namespace
}  // namespace firebreak::testing
