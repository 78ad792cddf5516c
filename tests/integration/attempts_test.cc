// What can be seen of attempts: their targets, their metadata, the listener's
// calls, and the call's report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "firebreak/call_report.h"
#include "firebreak/v1/rpc_details.pb.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";
constexpr char kGuarded[] = "breaker { consecutive_failures: 1000 }";

Step Down() { return Step::Fail(StatusCode::UNAVAILABLE, "down"); }

class AttemptsTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static v1::CallReport RunWithReport(
      const std::shared_ptr<grpc::Channel>& channel, UnaryCall* call) {
    AskForReport(&call->context);
    Caller(GetParam(), channel).Run(call);
    auto report = GetCallReport(call->context);
    EXPECT_TRUE(report.has_value());
    return report.value_or(v1::CallReport());
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, AttemptsTest, AllStyles(), StyleName);

// --- gRFC A6: what a server is told, and what it asks for --------------------

TEST_P(AttemptsTest, LaterOnesCarryHowManyCameBefore) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Down()});
  UnaryCall call;
  call.context.AddMetadata("grpc-previous-rpc-attempts", "77");
  Caller(GetParam(), f.NewNumberingChannel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  std::vector<std::string> before;
  for (const SeenCall& seen : f.server().seen()) {
    const auto found = seen.metadata.equal_range("grpc-previous-rpc-attempts");
    for (auto it = found.first; it != found.second; ++it) {
      before.push_back(it->second);
    }
  }
  EXPECT_THAT(before, ElementsAre("77", "1", "2"));
}

std::string Details(int64_t seconds, int32_t nanos,
                    const char* type =
                        "type.googleapis.com/google.rpc."
                        "RetryInfo") {
  v1::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(seconds);
  info.mutable_retry_delay()->set_nanos(nanos);
  v1::RpcStatus status;
  auto* any = status.add_details();
  any->set_type_url(type);
  any->set_value(info.SerializeAsString());
  return status.SerializeAsString();
}

// There is no further attempt, which shows that the pushback was understood.
TEST_P(AttemptsTest, ARetryInfoIsAPushbackToo) {
  EngineFixture f(kRetry);
  f.server().Script(
      {Step::Fail(StatusCode::UNAVAILABLE, "later", Details(3600, 0))});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::minutes(1));
  const auto report = RunWithReport(f.channel(), &call);
  EXPECT_EQ(call.status.error_message(), "later");
  ASSERT_EQ(report.attempt_size(), 1);
  EXPECT_EQ(report.attempt(0).stopped(), "deadline_too_close");
  EXPECT_EQ(report.attempt(0).attribution(), "overload");
}

TEST_P(AttemptsTest, GarbageInStatusDetailsIsNoPushback) {
  const std::string garbage[] = {
      std::string("\xff\xff\xff\xff", 4),
      Details(-1, 0),
      Details(0, -1),
      Details(1, 1'000'000'000),
      Details(INT64_MAX, 0),
      Details(3600, 0, "type.googleapis.com/google.rpc.Help"),
      std::string(4'000, '\x0a')};
  for (const std::string& details : garbage) {
    EngineFixture f(kRetry);
    f.server().Script({Step::Fail(StatusCode::UNAVAILABLE, "x", details)});
    UnaryCall call;
    Caller(GetParam(), f.channel()).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(f.server().calls(), 2);
  }
}

TEST_P(AttemptsTest, WaitForReadyByPolicyAndByCaller) {
  // The call fails fast, and the connection is refused.
  for (const bool by_caller : {false, true}) {
    auto engine = MakeEngine("timeout: \"200ms\"");
    auto channel = engine->CreateChannel("test", "127.0.0.1:1",
                                         grpc::InsecureChannelCredentials());
    UnaryCall call;
    if (by_caller) call.context.set_wait_for_ready(true);
    Caller(GetParam(), channel).Run(&call);
    EXPECT_EQ(call.status.error_code(), by_caller
                                            ? StatusCode::DEADLINE_EXCEEDED
                                            : StatusCode::UNAVAILABLE);
  }
}

// --- Several targets ---------------------------------------------------------

TEST_P(AttemptsTest, TheNextGoesToTheNextReplica) {
  EngineFixture f(kRetry);
  EchoServer second;
  EchoServer third;
  ChannelOptions options;
  options.replicas = {second.address(), third.address()};
  f.server().Script({Down()});
  second.Script({Down()});
  UnaryCall call("hello");
  const auto report = RunWithReport(f.NewChannel(std::move(options)), &call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(second.calls(), 1);
  EXPECT_EQ(third.calls(), 1);
  ASSERT_EQ(report.attempt_size(), 3);
  EXPECT_EQ(report.attempt(0).target(), f.server().address());
  EXPECT_EQ(report.attempt(1).target(), second.address());
  EXPECT_EQ(report.attempt(2).target(), third.address());
  EXPECT_THAT(report.attempt(2).peer(), HasSubstr(third.address()));
}

TEST_P(AttemptsTest, AHedgeGoesToAnotherReplica) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  EchoServer second;
  ChannelOptions options;
  options.replicas = {second.address()};
  f.server().Script({Step::Hang()});
  // Waits for the first attempt: if it lost and was cancelled before it was
  // sent, it would never arrive.
  second.SetHandler([&](grpc::ServerContextBase*) {
    EXPECT_TRUE(f.server().WaitForCalls(1));
  });
  UnaryCall call("hello");
  Caller(GetParam(), f.NewChannel(std::move(options))).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(second.calls(), 1);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
}

TEST_P(AttemptsTest, ATargetKnownOpenIsPassedOver) {
  EngineFixture f(absl::StrCat(kRetry, " breaker { consecutive_failures: 3 }"));
  EchoServer second;
  ChannelOptions options;
  options.replicas = {second.address()};
  auto channel = f.NewChannel(std::move(options));
  UnaryCall warm;
  Caller(GetParam(), channel).Run(&warm);
  f.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
  for (int i = 0; i < 3; ++i) {
    UnaryCall call("x");
    Caller(GetParam(), channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  }
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(second.calls(), 3);
}

// Both attempts are still being cancelled when the last reference to the
// channel is dropped, in one style inside gRPC's callback.
TEST_P(AttemptsTest, ReplicasMayGoBeforeTheirCallsDo) {
  EngineFixture f(
      "timeout: \"20ms\" hedging { max_attempts: 2 delay: \"1ms\" }");
  EchoServer second;
  f.server().Script(std::vector<Step>(20, Step::Hang()));
  second.Script(std::vector<Step>(20, Step::Hang()));
  for (int i = 0; i < 20; ++i) {
    ChannelOptions options;
    options.replicas = {second.address()};
    auto channel = f.NewChannel(std::move(options));
    auto call = std::make_unique<UnaryCall>("x");
    Caller(GetParam(), channel).Run(call.get());
    EXPECT_EQ(call->status.error_code(), StatusCode::DEADLINE_EXCEEDED);
    channel.reset();
    call.reset();
  }
}

// --- The report --------------------------------------------------------------

TEST_P(AttemptsTest, AReportTellsOfEachAndWhyTheNextWasMade) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Step::Fail(StatusCode::NOT_FOUND, "no such")});
  UnaryCall call;
  const auto report = RunWithReport(f.channel(), &call);
  EXPECT_EQ(call.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(report.channel(), "test");
  EXPECT_EQ(report.method(), kUnaryMethod);
  EXPECT_EQ(report.code(), v1::NOT_FOUND);
  EXPECT_EQ(report.reason(), "");
  ASSERT_EQ(report.attempt_size(), 2);
  const auto& first = report.attempt(0);
  EXPECT_EQ(first.kind(), "first");
  EXPECT_EQ(first.code(), v1::UNAVAILABLE);
  EXPECT_EQ(first.attribution(), "server_failure");
  EXPECT_EQ(first.stopped(), "");
  EXPECT_FALSE(first.answered());
  EXPECT_THAT(first.peer(), HasSubstr("127.0.0.1"));
  const auto& second = report.attempt(1);
  EXPECT_EQ(second.kind(), "retry");
  EXPECT_EQ(second.attribution(), "answered_with_error");
  EXPECT_TRUE(second.answered());
  EXPECT_GE(second.started().nanos(), first.ended().nanos());
  EXPECT_GE(report.took().nanos(), second.ended().nanos());
}

TEST_P(AttemptsTest, AReportTellsWhyTheNextWasNotMade) {
  EngineFixture f(kRetry);
  Step stop = Down();
  stop.trailing.emplace("grpc-retry-pushback-ms", "-1");
  f.server().Script({stop});
  UnaryCall call;
  const auto report = RunWithReport(f.channel(), &call);
  EXPECT_EQ(report.reason(), "pushback");
  ASSERT_EQ(report.attempt_size(), 1);
  EXPECT_EQ(report.attempt(0).stopped(), "pushback");
}

TEST_P(AttemptsTest, AReportTellsOfTheLoser) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  // The attempt that arrives first hangs.
  f.server().Script({Step::Hang()});
  UnaryCall call;
  const auto report = RunWithReport(f.channel(), &call);
  ASSERT_EQ(report.attempt_size(), 2);
  EXPECT_EQ(report.attempt(1).kind(), "hedge");
  const int winner = report.attempt(0).answered() ? 0 : 1;
  EXPECT_TRUE(report.attempt(winner).answered());
  EXPECT_EQ(report.attempt(winner).attribution(), "success");
  const auto& loser = report.attempt(1 - winner);
  EXPECT_FALSE(loser.answered());
  EXPECT_EQ(loser.attribution(), "superseded");
  EXPECT_EQ(loser.code(), v1::CANCELLED);
}

TEST_P(AttemptsTest, GuardedCallsReportToo) {
  EngineFixture f(kGuarded);
  f.server().Script({Down()});
  UnaryCall call;
  const auto report = RunWithReport(f.channel(), &call);
  EXPECT_EQ(report.code(), v1::UNAVAILABLE);
  ASSERT_EQ(report.attempt_size(), 1);
  EXPECT_EQ(report.attempt(0).attribution(), "server_failure");
  EXPECT_TRUE(report.attempt(0).answered());
}

TEST_P(AttemptsTest, RefusedCallsReportNoAttempt) {
  for (const char* policy :
       {kGuarded, "breaker {} retry { max_attempts: 2 }"}) {
    EngineFixture f(policy);
    UnaryCall warm;
    Caller(GetParam(), f.channel()).Run(&warm);
    f.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
    UnaryCall call;
    const auto report = RunWithReport(f.channel(), &call);
    EXPECT_EQ(report.attempt_size(), 0);
    EXPECT_EQ(report.code(), v1::UNAVAILABLE);
    EXPECT_EQ(report.reason(), "forced_open");
    // Calls share the status of a refusal, but no other call gets this report.
    UnaryCall other;
    Caller(GetParam(), f.channel()).Run(&other);
    EXPECT_FALSE(GetCallReport(other.context).has_value());
  }
}

TEST_P(AttemptsTest, NoReportUnlessAskedForAndNoneFromAServer) {
  for (const char* policy : {kGuarded, kRetry}) {
    EngineFixture f(policy);
    Step forged = Step::Ok();
    forged.trailing.emplace("firebreak-report-bin", "forged");
    f.server().Script({forged});
    UnaryCall call;
    Caller(GetParam(), f.channel()).Run(&call);
    EXPECT_TRUE(call.status.ok());
    EXPECT_FALSE(GetCallReport(call.context).has_value());
  }
}

// --- The listener ------------------------------------------------------------

// A minimal tracer: it makes a span for each attempt, and sends the span's id.
class FakeTracer : public AttemptListener {
 public:
  void OnAttemptStart(const AttemptStart& start) override {
    const std::string id = absl::StrCat("span-", start.attempt);
    start.metadata->erase("traceparent");
    start.metadata->emplace("traceparent", id);
    std::lock_guard<std::mutex> lock(mu_);
    open_[start.context] = id;
    lines_.push_back(
        absl::StrCat("start ", id, " ", start.kind, " ", start.method));
  }
  void OnAttemptEnd(const AttemptEnd& end) override {
    std::lock_guard<std::mutex> lock(mu_);
    const auto span = open_.find(end.context);
    ASSERT_NE(span, open_.end()) << "an end without a start, or two";
    lines_.push_back(absl::StrCat("end ", span->second, " ",
                                  end.status.error_code(), " ",
                                  end.attribution));
    open_.erase(span);
  }
  std::vector<std::string> lines() {
    std::lock_guard<std::mutex> lock(mu_);
    return lines_;
  }
  bool AllEnded() {
    std::lock_guard<std::mutex> lock(mu_);
    return open_.empty();
  }

 private:
  std::mutex mu_;
  std::map<const void*, std::string> open_;
  std::vector<std::string> lines_;
};

TEST_P(AttemptsTest, ATracerHasASpanForEach) {
  EngineFixture f(kRetry);
  auto tracer = std::make_shared<FakeTracer>();
  ChannelOptions options;
  options.attempt_listener = tracer;
  f.server().Script({Down()});
  UnaryCall call;
  call.context.AddMetadata("traceparent", "the caller's");
  call.context.AddMetadata("x-kept", "yes");
  Caller(GetParam(), f.NewChannel(std::move(options))).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_THAT(tracer->lines(),
              ElementsAre(absl::StrCat("start span-0 first ", kUnaryMethod),
                          "end span-0 14 server_failure",
                          absl::StrCat("start span-1 retry ", kUnaryMethod),
                          "end span-1 0 success"));
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 2U);
  for (size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i].metadata.count("traceparent"), 1U);
    EXPECT_EQ(seen[i].metadata.find("traceparent")->second,
              absl::StrCat("span-", i));
    EXPECT_EQ(seen[i].metadata.count("x-kept"), 1U);
  }
}

TEST_P(AttemptsTest, ALosersSpanEndsToo) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  auto tracer = std::make_shared<FakeTracer>();
  ChannelOptions options;
  options.attempt_listener = tracer;
  auto channel = f.NewChannel(std::move(options));
  f.server().Script({Step::Hang()});
  UnaryCall call;
  Caller(GetParam(), channel).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_TRUE(Eventually([&] { return tracer->AllEnded(); }));
  EXPECT_THAT(tracer->lines(), Contains(HasSubstr("1 superseded")));
  EXPECT_THAT(tracer->lines(), Contains(HasSubstr("0 success")));
}

TEST_P(AttemptsTest, AGuardedCallHasOneSpan) {
  EngineFixture f(kGuarded);
  auto tracer = std::make_shared<FakeTracer>();
  ChannelOptions options;
  options.attempt_listener = tracer;
  UnaryCall call;
  call.context.AddMetadata("traceparent", "the caller's");
  Caller(GetParam(), f.NewChannel(std::move(options))).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_THAT(tracer->lines(),
              ElementsAre(absl::StrCat("start span-0 first ", kUnaryMethod),
                          "end span-0 0 success"));
  EXPECT_EQ(f.server().seen()[0].metadata.find("traceparent")->second,
            "span-0");
}

TEST(AttemptListenerTest, AStreamThatIsDroppedEndsItsSpan) {
  EngineFixture f(kGuarded);
  auto tracer = std::make_shared<FakeTracer>();
  ChannelOptions options;
  options.attempt_listener = tracer;
  auto channel = f.NewChannel(std::move(options));
  {
    grpc::ClientContext context;
    auto stub = Echo::NewStub(channel);
    auto stream = stub->BidiStream(&context);
    context.TryCancel();
  }
  EXPECT_THAT(
      tracer->lines(),
      ElementsAre("start span-0 first /firebreak.testing.Echo/BidiStream",
                  "end span-0 1 abandoned"));
}

}  // namespace
}  // namespace firebreak::testing
