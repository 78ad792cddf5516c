// Tests what the application and the engine see of each fault, over every stub
// style.
#include "firebreak/testing/fault_injector.h"

#include <thread>

#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRetry[] = R"pb(
  timeout: "3600s"
  idempotent: true
  breaker {
    consecutive_failures: 3
    failure_rate: 0
    confidence: 0
    open_duration: "10s"
  }
  retry {
    max_attempts: 2
    backoff { initial: "1ms" jitter: NONE }
  })pb";
constexpr char kBreaker[] = R"pb(
  breaker {
    consecutive_failures: 2
    failure_rate: 0
    confidence: 0
    open_duration: "10s"
  })pb";

class FaultInjectorTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Moves the clock past the backoffs of the policy until the call ends, and
  // returns its code.
  static grpc::StatusCode CodeOf(Rig* rig, Pending* call) {
    EXPECT_TRUE(rig->clock->AdvanceUntil([&] { return call->has_ended(); },
                                         milliseconds(10)));
    return call->Code();
  }
};

TEST_P(FaultInjectorTest, AFailureIsAServersAndIsRetried) {
  Rig rig(kRetry);
  rig.injector.Script(kUnary, {Fault::Fail(kUnavailable, "not today")});
  Pending call(GetParam(), rig.channel());
  EXPECT_EQ(CodeOf(&rig, &call), grpc::StatusCode::OK);
  EXPECT_EQ(call.reply().text(), "ok");
  EXPECT_THAT(call.Report(), AttemptsWere("first UNAVAILABLE", "retry OK"));
  EXPECT_EQ(call.Report().attempt(0).attribution(), "server_failure");
  EXPECT_EQ(rig.server.attempts(kUnary), 1);
  EXPECT_EQ(rig.injector.counts().attempts, 2);
  EXPECT_EQ(rig.injector.counts().failed, 1);
  EXPECT_EQ(rig.injector.counts().untouched, 1);
}

TEST_P(FaultInjectorTest, FailuresOpenTheBreakerOfAGuardedCall) {
  Rig rig(kBreaker);
  rig.injector.Always(kUnary, Fault::Fail(grpc::StatusCode::INTERNAL, "ill"));
  for (int i = 0; i < 2; ++i) {
    Pending call(GetParam(), rig.channel());
    EXPECT_EQ(call.Code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(call.Wait().error_message(), "ill");
  }
  EXPECT_THAT(rig.breaker(), BreakerIs("open"));
  Pending refused(GetParam(), rig.channel());
  EXPECT_THAT((refused.Wait(), refused.context()), WasRefusedBy("breaker"));
  EXPECT_EQ(rig.injector.counts().failed, 2);
  EXPECT_EQ(rig.server.attempts(kUnary), 0);
}

TEST_P(FaultInjectorTest, LatencyGoesByTheClock) {
  Rig rig(kBreaker);
  rig.injector.Script(kUnary, {Fault::Late(seconds(20)),
                               Fault::Late(seconds(5)).ThenFail(kUnavailable)});
  Pending late(GetParam(), rig.channel());
  ASSERT_TRUE(rig.clock->WaitForTimer(seconds(20)));
  rig.clock->Advance(seconds(20) - milliseconds(1));
  EXPECT_FALSE(late.has_ended());
  EXPECT_EQ(rig.server.attempts(kUnary), 0);
  rig.clock->Advance(milliseconds(1));
  EXPECT_TRUE(late.Wait().ok());
  EXPECT_EQ(rig.server.attempts(kUnary), 1);

  Pending fails(GetParam(), rig.channel());
  ASSERT_TRUE(rig.clock->WaitForTimer(seconds(5)));
  rig.clock->Advance(seconds(5));
  EXPECT_EQ(fails.Code(), kUnavailable);
  EXPECT_EQ(rig.server.attempts(kUnary), 1);
}

TEST_P(FaultInjectorTest, WhatHangsEndsByTheTimeoutOfThePolicy) {
  Rig rig(kRetry);
  rig.injector.Script(kUnary, {Fault::Hang()});
  Pending call(GetParam(), rig.channel());
  ASSERT_TRUE(rig.clock->WaitForTimer(hours(1)));
  while (rig.injector.counts().hung == 0) std::this_thread::yield();
  EXPECT_FALSE(call.has_ended());
  rig.clock->Advance(hours(1));
  EXPECT_EQ(call.Code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(rig.server.attempts(kUnary), 0);
}

TEST_P(FaultInjectorTest, WhatHangsEndsWithItsCancel) {
  for (const char* policy : {kRetry, kBreaker}) {
    Rig rig(policy);
    rig.injector.Script(kUnary, {Fault::Hang()});
    Pending call(GetParam(), rig.channel());
    while (rig.injector.counts().hung == 0) std::this_thread::yield();
    EXPECT_FALSE(call.has_ended());
    call.context().TryCancel();
    EXPECT_EQ(call.Code(), grpc::StatusCode::CANCELLED);
    EXPECT_EQ(rig.server.attempts(kUnary), 0);
    EXPECT_THAT(rig.breaker(), BreakerIs("closed"));
  }
}

TEST_P(FaultInjectorTest, WhatHangsEndsAtTheCallersDeadline) {
  Rig rig(kBreaker);
  rig.injector.Script(kUnary, {Fault::Hang()});
  CallOptions options;
  options.timeout = seconds(2);
  Pending call(GetParam(), rig.channel(), options);
  while (rig.injector.counts().hung == 0) std::this_thread::yield();
  rig.clock->Advance(seconds(2));
  EXPECT_EQ(call.Code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_P(FaultInjectorTest, AReplyThatIsLostWasWorkedFor) {
  Rig rig(kRetry);
  rig.injector.Script(kUnary, {Fault::DropReply()});
  Pending call(GetParam(), rig.channel());
  EXPECT_EQ(CodeOf(&rig, &call), grpc::StatusCode::OK);
  EXPECT_EQ(rig.server.attempts(kUnary), 2);
  EXPECT_THAT(call.Report(), AttemptsWere("first UNAVAILABLE", "retry OK"));
  EXPECT_EQ(call.Report().attempt(0).attribution(), "transport_failure");
  EXPECT_EQ(rig.injector.counts().dropped, 1);
}

TEST_P(FaultInjectorTest, AScriptThatEndsBeforeTheCallsDoHasNoMoreFaults) {
  Rig rig(kBreaker);
  rig.injector.Script(kUnary, {Fault::Fail(kUnavailable), Fault::None()});
  EXPECT_EQ(Pending(GetParam(), rig.channel()).Code(), kUnavailable);
  EXPECT_EQ(rig.injector.steps_left(), 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Pending(GetParam(), rig.channel()).Wait().ok());
  }
  EXPECT_EQ(rig.injector.steps_left(), 0);
  EXPECT_EQ(rig.injector.counts().untouched, 3);
}

INSTANTIATE_TEST_SUITE_P(Styles, FaultInjectorTest, AllStyles(), StyleName);

// An injector without a clock, on a channel without an engine.
TEST(FaultInjectorAloneTest, RealTimeAndRealDeadlines) {
  ScriptedServer server;
  server.Always(kUnary, EchoOf("ok"));
  FaultInjector injector;
  std::vector<
      std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
      factories;
  factories.push_back(injector.NewFactory());
  const auto channel = grpc::experimental::CreateCustomChannelWithInterceptors(
      server.target(), grpc::InsecureChannelCredentials(), {},
      std::move(factories));
  injector.Script(kUnary, {Fault::Late(milliseconds(5)), Fault::Hang()});
  UnaryCall late("hello");
  Caller(StubStyle::kSync, channel).Run(&late);
  EXPECT_TRUE(late.status.ok());
  UnaryCall hangs("hello");
  hangs.context.set_deadline(std::chrono::system_clock::now() +
                             milliseconds(5));
  Caller(StubStyle::kSync, channel).Run(&hangs);
  EXPECT_EQ(hangs.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(server.attempts(kUnary), 1);
}

TEST(FaultInjectorAloneTest, RulesAreForAMethodAServiceOrAll) {
  for (const char* rule : {"", kUnary, "/firebreak.testing.Echo/"}) {
    Rig rig(kBreaker);
    rig.injector.Always(rule, Fault::Fail(kUnavailable));
    EXPECT_EQ(Pending(StubStyle::kSync, rig.channel()).Code(), kUnavailable)
        << rule;
    rig.injector.Clear();
    EXPECT_TRUE(Pending(StubStyle::kSync, rig.channel()).Wait().ok()) << rule;
  }
  Rig rig(kBreaker);
  rig.injector.Always("/firebreak.testing.Echo", Fault::Fail(kUnavailable));
  rig.injector.Always("/another.Service/", Fault::Fail(kUnavailable));
  EXPECT_TRUE(Pending(StubStyle::kSync, rig.channel()).Wait().ok());
}

TEST(FaultInjectorAloneTest, TheSameSeedDecidesTheSame) {
  std::vector<std::vector<bool>> runs;
  for (const uint64_t seed : {7, 7, 8}) {
    Rig rig("");
    FaultInjector injector(nullptr, seed);
    injector.Sometimes("", 0.3, Fault::Fail(kUnavailable));
    injector.Sometimes("", -1, Fault::Hang());
    ChannelOptions options;
    options.attempt_interceptors.push_back(injector.NewFactory());
    const auto channel =
        rig.engine->CreateChannel("echo", rig.server.target(),
                                  grpc::InsecureChannelCredentials(), options);
    std::vector<bool> run;
    for (int i = 0; i < 60; ++i) {
      run.push_back(Pending(StubStyle::kSync, channel).Wait().ok());
    }
    EXPECT_EQ(injector.counts().failed,
              std::count(run.begin(), run.end(), false));
    runs.push_back(std::move(run));
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_NE(runs[0], runs[2]);
}

TEST(FaultInjectorAloneTest, AReplicaHasItToo) {
  Rig rig(kRetry);
  ScriptedServer replica;
  replica.Always(kUnary, EchoOf("replica"));
  ChannelOptions options;
  options.replicas = {replica.target()};
  options.attempt_interceptors.push_back(rig.injector.NewFactory());
  const auto channel = rig.engine->CreateChannel(
      "echo", rig.server.target(), grpc::InsecureChannelCredentials(), options);
  rig.injector.Script(kUnary,
                      {Fault::Fail(kUnavailable), Fault::Fail(kUnavailable)});
  Pending call(StubStyle::kSync, channel);
  ASSERT_TRUE(rig.clock->AdvanceUntil([&] { return call.has_ended(); },
                                      milliseconds(10)));
  EXPECT_EQ(call.Code(), kUnavailable);
  EXPECT_EQ(rig.injector.counts().failed, 2);
  EXPECT_EQ(replica.attempts(kUnary), 0);
}

// What the reader of a stream gets, and the status of the stream.
struct Streamed {
  std::vector<std::string> texts;
  grpc::Status status;
};
Streamed ReadAll(Rig* rig) {
  auto stub = Echo::NewStub(rig->channel());
  grpc::ClientContext context;
  auto reader = stub->ServerStream(&context, EchoRequest());
  Streamed got;
  EchoReply reply;
  while (reader->Read(&reply)) got.texts.push_back(reply.text());
  got.status = reader->Finish();
  return got;
}

TEST(FaultInjectorStreamTest, BreaksAfterSoManyMessagesOrBytes) {
  Rig rig(kBreaker);
  EchoReply reply;
  reply.set_text("12345678");
  const std::string bytes = reply.SerializeAsString();  // ten bytes
  rig.server.Always(kServerStream,
                    Reply::Stream({bytes, bytes, bytes, bytes, bytes}));
  EXPECT_EQ(ReadAll(&rig).texts.size(), 5U);
  rig.injector.Script(kServerStream,
                      {Fault::CutAfterMessages(2), Fault::CutAfterBytes(21)});
  const Streamed two = ReadAll(&rig);
  EXPECT_EQ(two.texts.size(), 2U);
  EXPECT_EQ(two.status.error_code(), kUnavailable);
  EXPECT_THAT(BreakerOf(*rig.engine, "echo", kServerStream),
              BreakerIs("closed"));
  const Streamed three = ReadAll(&rig);
  EXPECT_EQ(three.texts.size(), 3U);
  EXPECT_EQ(three.status.error_code(), kUnavailable);
  // The engine did not take them for cancels by the caller.
  EXPECT_THAT(BreakerOf(*rig.engine, "echo", kServerStream), BreakerIs("open"));
  EXPECT_EQ(rig.injector.counts().cut, 2);
}

TEST(FaultInjectorStreamTest, MayBeLateOrFailOrHangAsAWhole) {
  Rig rig(kBreaker);
  rig.server.Always(kServerStream, EchoOf("ok"));
  rig.injector.Script(kServerStream,
                      {Fault::Fail(kUnavailable), Fault::Late(seconds(3))});
  const Streamed fails = ReadAll(&rig);
  EXPECT_THAT(fails.texts, IsEmpty());
  EXPECT_EQ(fails.status.error_code(), kUnavailable);
  auto late = std::async(std::launch::async, [&] { return ReadAll(&rig); });
  ASSERT_TRUE(rig.clock->WaitForTimer(seconds(3)));
  rig.clock->Advance(seconds(3));
  const Streamed got = late.get();
  EXPECT_THAT(got.texts, ElementsAre("ok"));
  EXPECT_TRUE(got.status.ok());
}

TEST(FaultInjectorStreamTest, ABidiStreamThatIsLateKeepsItsOrder) {
  Rig rig(kBreaker);
  constexpr char kBidi[] = "/firebreak.testing.Echo/BidiStream";
  rig.server.Always(kBidi, EchoOf("ok"));
  for (const Fault& fault :
       {Fault::Late(seconds(3)), Fault::Late(seconds(3)).ThenFail(kUnavailable),
        Fault::Fail(kUnavailable)}) {
    rig.injector.Script(kBidi, {fault});
    auto stub = Echo::NewStub(rig.channel());
    grpc::ClientContext context;
    grpc::CompletionQueue cq;
    // All operations are started before the call may proceed.
    auto stream = stub->AsyncBidiStream(&context, &cq, nullptr);
    rig.clock->Advance(seconds(3));
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(cq.Next(&tag, &ok));
    EchoRequest request;
    EchoReply reply;
    grpc::Status status;
    stream->Write(request, &request);
    stream->Read(&reply, &reply);
    stream->Finish(&status, &status);
    std::map<void*, bool> ended;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(cq.Next(&tag, &ok));
      ended[tag] = ok;
    }
    EXPECT_TRUE(ended[&status]);
    EXPECT_EQ(ended[&reply], fault.status.ok());
    EXPECT_EQ(status.error_code(), fault.status.error_code());
    cq.Shutdown();
    while (cq.Next(&tag, &ok)) ADD_FAILURE();
  }
}

}  // namespace
}  // namespace firebreak::testing
