// Input that no caller, policy or server should send, but some do: each call
// ends once, with a status that says what is wrong, and nothing leaks.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "firebreak/call_options.h"
#include "firebreak/call_report.h"
#include "interceptors/context/carried_options.h"
#include "interceptors/reply/report.h"
#include "tests/fidelity/raw_server.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;

constexpr char kRetry[] =
    "breaker { consecutive_failures: 1 }"
    "retry { max_attempts: 3 codes: [UNAVAILABLE, RESOURCE_EXHAUSTED]"
    "        backoff { initial: \"1ms\" max: \"1ms\" } }";
constexpr char kGuarded[] = "breaker { consecutive_failures: 1000 }";

class BadInputTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static void Run(const std::shared_ptr<grpc::Channel>& channel,
                  UnaryCall* call) {
    Caller(GetParam(), channel).Run(call);
  }
  // Asks for a report too, so that there is something to leak.
  static void RunWithReport(const std::shared_ptr<grpc::Channel>& channel,
                            UnaryCall* call) {
    AskForReport(&call->context);
    Run(channel, call);
  }
  // Every call has ended and every attempt is settled.
  static void ExpectNothingLeft(EngineFixture* f) {
    const core::MethodCounts counts = f->counts();
    EXPECT_EQ(counts.in_flight, 0);
    int64_t begun = 0;
    int64_t ended = 0;
    for (const int64_t n : counts.attempts) begun += n;
    for (const int64_t n : counts.attributions) ended += n;
    EXPECT_EQ(begun, ended);
    for (const SeenCall& seen : f->server().seen()) {
      for (const auto& entry : seen.metadata) {
        EXPECT_NE(entry.first.rfind("firebreak", 0), 0U) << entry.first;
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, BadInputTest, AllStyles(), StyleName);

// --- From the server ---------------------------------------------------------

TEST_P(BadInputTest, APushbackThatIsNoNumberForbidsARetry) {
  for (const char* garbage :
       {"soon", "", "1e3", "0x10", "99999999999999999999", "-", "1 2"}) {
    EngineFixture f(kRetry);
    Step busy = Step::Fail(StatusCode::UNAVAILABLE, "busy");
    busy.trailing.emplace("grpc-retry-pushback-ms", garbage);
    f.server().Script({busy});
    UnaryCall call;
    RunWithReport(f.channel(), &call);
    EXPECT_EQ(call.status.error_message(), "busy") << garbage;
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "pushback");
    EXPECT_EQ(f.server().calls(), 1) << garbage;
    ExpectNothingLeft(&f);
  }
}

TEST_P(BadInputTest, GarbageInStatusDetailsComesThroughAsItIs) {
  const std::string garbage[] = {std::string("\xff\xff\xff\xff", 4),
                                 std::string(4'000, '\x0a'),
                                 std::string("\0\0\0", 3)};
  for (const char* policy : {kGuarded, kRetry}) {
    for (const std::string& details : garbage) {
      EngineFixture f(policy);
      f.server().Script({Step::Fail(StatusCode::ABORTED, "lost", details)});
      UnaryCall call;
      RunWithReport(f.channel(), &call);
      EXPECT_EQ(call.status.error_code(), StatusCode::ABORTED);
      EXPECT_EQ(call.status.error_details(), details);
      ExpectNothingLeft(&f);
    }
  }
}

TEST_P(BadInputTest, TheReportOfAReplyThatDoesNotParseSaysSo) {
  const RawServer server({"\x0a\x7f", grpc::Status::OK});
  EngineFixture f(kRetry);
  auto channel = f.engine()->CreateChannel("test", server.address(),
                                           grpc::InsecureChannelCredentials());
  UnaryCall call;
  RunWithReport(channel, &call);
  // In two styles the first answer is passed on as natively, so it is OK.
  const bool is_native = GoesOutNatively(GetParam());
  EXPECT_EQ(call.status.error_code(),
            is_native ? StatusCode::OK : StatusCode::INTERNAL);
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->code(), is_native ? v1::OK : v1::INTERNAL);
  ASSERT_EQ(report->attempt_size(), 1);
  EXPECT_EQ(report->attempt(0).code(), report->code());
  EXPECT_TRUE(report->attempt(0).answered());
  ExpectNothingLeft(&f);
}

// The queue asks for the reply when the attempt has been counted already.
TEST(BadInputLateTest, TheReportOfALateReplyThatDoesNotParseSaysSoToo) {
  const RawServer server({"\x0a\x7f", grpc::Status::OK});
  EngineFixture f(kRetry);
  auto channel = f.engine()->CreateChannel("test", server.address(),
                                           grpc::InsecureChannelCredentials());
  UnaryCall call;
  AskForReport(&call.context);
  const auto stub = Echo::NewStub(channel);
  grpc::CompletionQueue cq;
  auto reader = stub->AsyncUnary(&call.context, call.request, &cq);
  void* tag = nullptr;
  bool ok = false;
  reader->ReadInitialMetadata(reader.get());
  ASSERT_TRUE(cq.Next(&tag, &ok));
  reader->Finish(&call.reply, &call.status, &call);
  ASSERT_TRUE(cq.Next(&tag, &ok));
  EXPECT_EQ(call.status.error_code(), StatusCode::INTERNAL);
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->code(), v1::INTERNAL);
  ASSERT_EQ(report->attempt_size(), 1);
  EXPECT_EQ(report->attempt(0).code(), v1::INTERNAL);
  EXPECT_TRUE(report->attempt(0).answered());
  cq.Shutdown();
  while (cq.Next(&tag, &ok)) ADD_FAILURE() << "a call ended twice";
}

TEST_P(BadInputTest, AReplyOverTheLimitIsNotAskedForAgain) {
  EngineFixture f(kRetry);
  ChannelOptions options;
  options.args.SetMaxReceiveMessageSize(1000);
  auto channel = f.NewChannel(std::move(options));
  UnaryCall call(std::string(2000, 'x'));
  call.reply.set_text("as it was");
  RunWithReport(channel, &call);
  EXPECT_EQ(call.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "");
  EXPECT_EQ(call.reply.text(), "as it was");
  EXPECT_EQ(f.server().calls(), 1) << "it would be as long the next time";
  ExpectNothingLeft(&f);
  // The connection still works.
  UnaryCall next("short");
  Run(channel, &next);
  EXPECT_EQ(next.reply.text(), "short");
}

// --- 64 KiB of metadata ------------------------------------------------------

constexpr size_t kLarge = size_t{64} * 1024;

// This is eight times the default limit of a server.
TEST_P(BadInputTest, LargeMetadataOfARequestIsRefusedByTheServer) {
  for (const char* policy : {kGuarded, kRetry}) {
    EngineFixture f(policy);
    UnaryCall call;
    call.context.AddMetadata("x-large", std::string(kLarge, 'x'));
    RunWithReport(f.channel(), &call);
    EXPECT_FALSE(call.status.ok());
    EXPECT_NE(call.status.error_message(), "");
    EXPECT_EQ(f.server().calls(), 0);
    EXPECT_TRUE(GetCallReport(call.context).has_value());
    ExpectNothingLeft(&f);
  }
}

TEST_P(BadInputTest, LargeMetadataOfAnAnswerComesThroughWhereItIsAllowed) {
  for (const char* policy : {kGuarded, kRetry}) {
    EngineFixture f(policy);
    ChannelOptions options;
    options.args.SetInt(GRPC_ARG_MAX_METADATA_SIZE, 4 * kLarge);
    Step step;
    step.initial.emplace("x-first", std::string(kLarge, 'a'));
    step.trailing.emplace("x-last-bin", std::string(kLarge, '\xff'));
    f.server().Script({step});
    UnaryCall call;
    RunWithReport(f.NewChannel(std::move(options)), &call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(call.context.GetServerInitialMetadata().count("x-first"), 1U);
    EXPECT_EQ(Trailing(call.context, "x-last-bin"),
              std::string(kLarge, '\xff'));
    EXPECT_TRUE(GetCallReport(call.context).has_value());
    ExpectNothingLeft(&f);
  }
}

// --- From the caller ---------------------------------------------------------

TEST_P(BadInputTest, AContextCancelledOrExpiredBefore) {
  for (const char* policy : {kGuarded, kRetry}) {
    for (const bool is_cancelled : {true, false}) {
      EngineFixture f(policy);
      UnaryCall call;
      if (is_cancelled) {
        call.context.TryCancel();
      } else {
        call.context.set_deadline(gpr_inf_past(GPR_CLOCK_REALTIME));
      }
      RunWithReport(f.channel(), &call);
      EXPECT_EQ(call.status.error_code(), is_cancelled
                                              ? StatusCode::CANCELLED
                                              : StatusCode::DEADLINE_EXCEEDED);
      EXPECT_EQ(f.server().calls(), 0);
      EXPECT_TRUE(GetCallReport(call.context).has_value());
      ExpectNothingLeft(&f);
    }
  }
}

// Every deadline that is valid natively is valid here, on any clock.
TEST_P(BadInputTest, DeadlinesOfAllSorts) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  struct Case {
    gpr_timespec deadline;
    bool is_past;
  };
  const Case cases[] = {
      {{0, 0, GPR_CLOCK_REALTIME}, true},
      {{0, 0, GPR_CLOCK_MONOTONIC}, true},
      {{-1, 0, GPR_TIMESPAN}, true},
      {{kMin, 0, GPR_TIMESPAN}, true},
      {{kMin, 0, GPR_CLOCK_MONOTONIC}, true},
      {{-1'000'000'000'000, 5, GPR_CLOCK_REALTIME}, true},
      {{3600, 0, GPR_TIMESPAN}, false},
      {{kMax, 0, GPR_TIMESPAN}, false},
      {{kMax - 1, 999'999'999, GPR_CLOCK_REALTIME}, false},
      {{kMax, 0, GPR_CLOCK_MONOTONIC}, false},
  };
  EchoServer server;
  std::vector<std::shared_ptr<grpc::Channel>> channels = {grpc::CreateChannel(
      server.address(), grpc::InsecureChannelCredentials())};
  for (const char* policy : {kGuarded, kRetry}) {
    channels.push_back(MakeEngine(policy)->CreateChannel(
        "test", server.address(), grpc::InsecureChannelCredentials()));
  }
  for (const Case& c : cases) {
    for (const auto& channel : channels) {
      UnaryCall call;
      call.context.set_deadline(c.deadline);
      Run(channel, &call);
      EXPECT_EQ(call.status.error_code(),
                c.is_past ? StatusCode::DEADLINE_EXCEEDED : StatusCode::OK)
          << c.deadline.tv_sec << " s on clock " << c.deadline.clock_type;
    }
  }
}

// A time span is counted from the start of the call, and not from the start of
// each attempt.
TEST_P(BadInputTest, ADeadlineThatIsASpanIsTheCalls) {
  EngineFixture f(kRetry);
  Step again = Step::Fail(StatusCode::UNAVAILABLE);
  again.trailing.emplace("grpc-retry-pushback-ms", "500");
  f.server().Script({again});
  UnaryCall call;
  call.context.set_deadline(gpr_time_from_seconds(3, GPR_TIMESPAN));
  Run(f.channel(), &call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 2U);
  // This is the time left. gRPC rounds it up by up to a tenth.
  EXPECT_LE(seen[1].granted, std::chrono::milliseconds(2750));
}

// --- Options -----------------------------------------------------------------

// Methods past the engine's limit share their counters, not their names.
TEST_P(BadInputTest, ATimeoutOfAMethodPastTheLimitGoesToThatMethod) {
  EchoServer server;
  EngineOptions few;
  few.max_methods = 1;
  auto engine = Engine::FromText("method { name {} breaker {} }", few);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  auto reader = Echo::NewStub(channel)->ServerStream(&context, EchoRequest());
  EXPECT_TRUE(reader->Finish().ok());

  CallOptions options;
  options.timeout = std::chrono::minutes(1);
  options.report = true;
  UnaryCall call("hello");
  ASSERT_TRUE(options.Set(&call.context).ok());
  Run(channel, &call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello");
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->method(), kUnaryMethod);
}

TEST_P(BadInputTest, OptionsSetThriceAreAnErrorStill) {
  for (const char* policy : {kGuarded, kRetry}) {
    EngineFixture f(policy);
    UnaryCall call;
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(CallOptions{}.Set(&call.context).ok());
    }
    RunWithReport(f.channel(), &call);
    EXPECT_EQ(call.status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(f.server().calls(), 0);
    ExpectNothingLeft(&f);
  }
}

TEST_P(BadInputTest, OptionsOnAContextThatWasUsedAreRefused) {
  for (const char* policy : {kGuarded, kRetry}) {
    EngineFixture f(policy);
    UnaryCall call;
    Run(f.channel(), &call);
    CallOptions options;
    options.report = true;
    EXPECT_EQ(options.Set(&call.context).code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_FALSE(GetCallReport(call.context).has_value());
  }
}

// A gateway may pass a report on, like all trailing metadata. This must not
// reveal the key with which options are set on its calls.
TEST(SecretKeysTest, OneTellsNothingOfTheOther) {
  const std::string& options = interceptors::OptionsKey();
  const std::string& report = interceptors::ReportKey();
  const auto token = [](const std::string& key) {
    return key.substr(key.size() - 36, 32);
  };
  EXPECT_EQ(options, "firebreak-options-" + token(options) + "-bin");
  EXPECT_EQ(report, "firebreak-report-" + token(report) + "-bin");
  EXPECT_NE(token(options), token(report));
}

}  // namespace
}  // namespace firebreak::testing
