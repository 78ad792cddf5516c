// The reasons why calls were refused, retried or hedged: over real sockets, in
// every stub style, from the call to the output of `firebreakctl why`.
#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "firebreak/admin_service.h"
#include "firebreak/fallback.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/firebreakctl.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kOpensAtTwo[] =
    "breaker { consecutive_failures: 2 open_duration: \"1h\" "
    "max_open_duration: \"1h\" }";

// The admin service of an engine, on its own socket.
class Why {
 public:
  explicit Why(const std::shared_ptr<Engine>& engine)
      : service_(engine), address_(NewSocketAddress()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::Admin::NewStub(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  }
  ~Why() {
    service_.Shutdown();
    server_->Shutdown();
    unlink(address_.c_str() + 5);
  }

  grpc::Status Ask(const std::string& method, int last,
                   v1::ListDecisionsResponse* response) {
    v1::ListDecisionsRequest request;
    request.mutable_selector()->set_method(method);
    request.set_last(last);
    grpc::ClientContext context;
    return stub_->ListDecisions(&context, request, response);
  }
  v1::ListDecisionsResponse Of(const std::string& method) {
    v1::ListDecisionsResponse response;
    const grpc::Status status = Ask(method, 0, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  Output Ctl(const std::string& args) {
    return Invoke(absl::StrCat("why ", args, " --target ", address_));
  }

 private:
  AdminService service_;
  const std::string address_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

class DecisionsTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, DecisionsTest, AllStyles(), StyleName);

TEST_P(DecisionsTest, RefusalsOfAGuardedCallSayWhichRuleAndSinceWhen) {
  EngineFixture f(kOpensAtTwo);
  Why why(f.engine());
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Ok(), Step::Fail(grpc::StatusCode::INTERNAL),
                     Step::Fail(grpc::StatusCode::INTERNAL)});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
  }
  // Neither the successes nor the failures were decisions of firebreak.
  EXPECT_THAT(why.Of("Unary").decisions(), IsEmpty());
  for (int i = 0; i < 4; ++i) {
    UnaryCall call;
    caller.Run(&call);
  }
  const v1::ListDecisionsResponse response = why.Of("Unary");
  EXPECT_EQ(response.method(), kUnaryMethod);
  EXPECT_EQ(response.channel(), "test");
  EXPECT_EQ(response.total(), 4);
  ASSERT_THAT(response.decisions(), ::testing::Not(IsEmpty()));
  const v1::Decision& newest = response.decisions(0);
  EXPECT_EQ(newest.kind(), v1::DECISION_KIND_REFUSED);
  EXPECT_EQ(newest.reason(), "breaker_open");
  EXPECT_THAT(newest.why(), AllOf(StartsWith("the breaker has been open for "),
                                  HasSubstr("2 failures in a row (limit 2)")));
  EXPECT_GE(newest.last().seconds(), newest.first().seconds());
}

TEST_P(DecisionsTest, RefusalsOfADrivenCallDoSoToo) {
  EngineFixture f(absl::StrCat(kOpensAtTwo, " retry {}"));
  Why why(f.engine());
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL),
                     Step::Fail(grpc::StatusCode::INTERNAL)});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
  }
  const v1::ListDecisionsResponse response = why.Of("Unary");
  ASSERT_THAT(response.decisions(), SizeIs(1));
  EXPECT_EQ(response.decisions(0).reason(), "breaker_open");
  EXPECT_THAT(response.decisions(0).why(), HasSubstr("2 failures in a row"));
}

TEST_P(DecisionsTest, WhatAFallbackCoversUpIsToldAllTheSame) {
  EngineFixture f(kOpensAtTwo);
  ASSERT_TRUE(f.engine()
                  ->SetFallback("test", kUnaryMethod,
                                MakeFallback<EchoRequest, EchoReply>(
                                    [](const EchoRequest&, const grpc::Status&,
                                       EchoReply* reply) {
                                      reply->set_text("kept");
                                      return grpc::Status::OK;
                                    }))
                  .ok());
  Why why(f.engine());
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL),
                     Step::Fail(grpc::StatusCode::INTERNAL)});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.reply.text(), "kept");
  }
  const v1::ListDecisionsResponse response = why.Of("Unary");
  ASSERT_THAT(response.decisions(), SizeIs(1));
  EXPECT_EQ(response.decisions(0).kind(), v1::DECISION_KIND_REFUSED);
}

TEST_P(DecisionsTest, ASpentDeadlineAndALimit) {
  EngineFixture f(
      "rate_limit { rate: 0.001 burst: 1 } breaker { failure_rate: 0.5 }");
  Why why(f.engine());
  const Caller caller(GetParam(), f.channel());
  for (int i = 0; i < 2; ++i) {
    UnaryCall call;
    caller.Run(&call);
  }
  UnaryCall late;
  late.context.set_deadline(std::chrono::system_clock::now() -
                            std::chrono::seconds(1));
  caller.Run(&late);
  const v1::ListDecisionsResponse response = why.Of("Unary");
  ASSERT_THAT(response.decisions(), SizeIs(2));
  EXPECT_EQ(response.decisions(0).reason(), "deadline_exceeded");
  EXPECT_EQ(response.decisions(0).why(),
            "the deadline was spent before the call began");
  EXPECT_EQ(response.decisions(1).reason(), "rate_limited");
  EXPECT_THAT(response.decisions(1).why(), HasSubstr("0.001 calls/s"));
}

TEST_P(DecisionsTest, RetriesAreToldWithTheirCode) {
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"2ms\" } }");
  Why why(f.engine());
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok());
  const v1::ListDecisionsResponse response = why.Of("Unary");
  ASSERT_THAT(response.decisions(), SizeIs(1));
  EXPECT_EQ(response.decisions(0).kind(), v1::DECISION_KIND_RETRIED);
  EXPECT_EQ(response.decisions(0).code(), v1::UNAVAILABLE);
  EXPECT_THAT(response.decisions(0).why(),
              HasSubstr("attempt 1 failed with UNAVAILABLE after "));
  const Output output = why.Ctl("Unary");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(HasSubstr(kUnaryMethod), HasSubstr("retried"),
                                HasSubstr("another follows in ")));
}

TEST(WhyTest, WrongQuestionsAreToldSo) {
  AdminFixture f;
  const auto binding = f.Method("payment", "a:1", kCharge);
  f.Bind("stock", "a:1", kCharge);
  v1::ListDecisionsRequest request;
  v1::ListDecisionsResponse response;
  const auto ask = [&](const std::string& method, int last) {
    request.mutable_selector()->set_method(method);
    request.set_last(last);
    return f.Call(&v1::Admin::Stub::ListDecisions, request, &response);
  };
  EXPECT_EQ(ask("Charge", 0).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);  // two channels have it
  request.mutable_selector()->set_channel("payment");
  EXPECT_TRUE(ask("Charge", 0).ok());
  EXPECT_EQ(ask("Charge", -1).error_message(), "last: is -1; allowed [0, 100]");
  EXPECT_EQ(ask("Charge", 101).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ask("", 0).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ask("Chrage", 0).error_code(), grpc::StatusCode::NOT_FOUND);

  const std::string target = " --channel payment --target " + f.address();
  Output output = Invoke("why Charge" + target);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("no call was refused"));
  EXPECT_EQ(Invoke("why Charge --last 0" + target).exit_code, 2);
  EXPECT_EQ(Invoke("why Charge --last x" + target).exit_code, 2);
  EXPECT_EQ(Invoke("why" + target).exit_code, 2);
  output = Invoke("why Chrage" + target);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("nearest"));
}

TEST(WhyTest, WhatItPrintsCommandsNoTerminalAndFitsANarrowOne) {
  AdminFixture f;
  const auto binding = f.Method("payment", "a:1", kCharge);
  core::Decision decision;
  decision.reason = core::Reason::kBreakerOpen;
  for (int i = 0; i < 30; ++i) {
    decision.epoch = static_cast<uint64_t>(i);
    binding->runtime->stats.decisions.Note(decision, engine::Now(), [] {
      return std::string("a\x1b[2J<script>\xff\n") + std::string(4096, 'x');
    });
  }
  const std::string target = " --target " + f.address();
  Output output = Invoke("why Charge" + target);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(HasSubstr("<script>"), Not(HasSubstr("\x1b")),
                                Not(HasSubstr("\xff"))));
  EXPECT_EQ(Lines(output.out), 22);  // twenty, and two lines of heading
  EXPECT_EQ(Lines(Invoke("why Charge --last 3" + target).out), 5);
  output = Invoke("why Charge --last 1" + target, "COLUMNS=20");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  output = Invoke("why Charge --json" + target);
  EXPECT_EQ(Lines(output.out), 1);
  EXPECT_THAT(output.out, HasSubstr("\"reason\":\"breaker_open\""));
}

}  // namespace
}  // namespace firebreak::testing
