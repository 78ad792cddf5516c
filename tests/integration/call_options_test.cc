// Options of one call, which override its method's policy. No other process can
// set them.
#include "firebreak/call_options.h"

#include <gtest/gtest.h>

#include <limits>

#include "interceptors/context/carried_options.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;
using Ms = std::chrono::milliseconds;

constexpr char kRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";
constexpr char kGuarded[] = "breaker { consecutive_failures: 1000 }";

Step Down() { return Step::Fail(StatusCode::UNAVAILABLE, "down"); }

class CallOptionsTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static void Run(EngineFixture* f, UnaryCall* call,
                  const CallOptions& options) {
    const absl::Status set = options.Set(&call->context);
    ASSERT_TRUE(set.ok()) << set;
    Caller(GetParam(), f->channel()).Run(call);
  }
  // Checks that no option was sent to the server.
  static void ExpectCleanWire(EngineFixture* f) {
    const auto calls = f->server().seen();
    for (const SeenCall& seen : calls) {
      for (const auto& entry : seen.metadata) {
        EXPECT_NE(entry.first.rfind("firebreak", 0), 0U) << entry.first;
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, CallOptionsTest, AllStyles(), StyleName);

TEST_P(CallOptionsTest, NoRetry) {
  EngineFixture f(kRetry);
  f.server().Script({Down()});
  CallOptions options;
  options.no_retry = true;
  UnaryCall call;
  Run(&f, &call, options);
  EXPECT_EQ(call.status.error_message(), "down");
  EXPECT_EQ(f.server().calls(), 1);
  ExpectCleanWire(&f);
}

TEST_P(CallOptionsTest, OnlyThatCallIsMeant) {
  EngineFixture f(kRetry);
  CallOptions options;
  options.no_retry = true;
  UnaryCall first;
  Run(&f, &first, options);
  f.server().Script({Down(), Down()});
  UnaryCall second;
  Caller(GetParam(), f.channel()).Run(&second);
  EXPECT_TRUE(second.status.ok()) << second.status.error_message();
}

TEST_P(CallOptionsTest, MaxAttempts) {
  for (const int attempts : {1, 2, 5}) {
    EngineFixture f(kRetry);
    f.server().Script(std::vector<Step>(10, Down()));
    CallOptions options;
    options.max_attempts = attempts;
    UnaryCall call;
    Run(&f, &call, options);
    EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_EQ(f.server().calls(), attempts);
  }
}

TEST_P(CallOptionsTest, ATimeoutDrivesAGuardedCall) {
  EngineFixture f(kGuarded);
  f.Connect();
  f.server().Script({Step::Hang()});
  CallOptions options;
  options.timeout = Ms(200);
  UnaryCall call;
  Run(&f, &call, options);
  EXPECT_EQ(call.status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  ExpectCleanWire(&f);
}

TEST_P(CallOptionsTest, NoHedgeAndHedgeDelay) {
  constexpr char kHedging[] = "hedging { max_attempts: 2 delay: \"1h\" }";
  EngineFixture f(kHedging);
  f.server().Script({Step::Hang(), Step::Ok()});
  CallOptions soon;
  soon.hedge_delay = Ms(1);
  UnaryCall call;
  Run(&f, &call, soon);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.server().calls(), 2);

  EngineFixture g("hedging { max_attempts: 2 delay: \"1ms\" }");
  g.Connect();
  g.server().Script({Step::Hang()});
  CallOptions never;
  never.no_hedge = true;
  never.timeout = Ms(200);
  UnaryCall alone;
  Run(&g, &alone, never);
  EXPECT_EQ(alone.status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(g.server().calls(), 1);
}

// Guarded and driven calls: these options belong to the context, and so reach
// each attempt.
TEST_P(CallOptionsTest, WaitForReadyAndAuthority) {
  for (const char* policy : {kRetry, kGuarded}) {
    EngineFixture f(policy);
    CallOptions options;
    options.authority = "payment.example";
    UnaryCall call;
    Run(&f, &call, options);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    const auto seen = f.server().seen();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].authority, "payment.example");

    // There is no server: a call that waits ends at its deadline.
    auto channel = f.engine()->CreateChannel(
        "test", "127.0.0.1:1", grpc::InsecureChannelCredentials());
    for (const bool waits : {true, false}) {
      CallOptions ready;
      ready.wait_for_ready = waits;
      UnaryCall lonely;
      // The call that does not wait ends when the connection is refused.
      lonely.context.set_deadline(std::chrono::system_clock::now() +
                                  (waits ? Ms(50) : Ms(20'000)));
      ASSERT_TRUE(ready.Set(&lonely.context).ok());
      Caller(GetParam(), channel).Run(&lonely);
      EXPECT_EQ(lonely.status.error_code(), waits
                                                ? StatusCode::DEADLINE_EXCEEDED
                                                : StatusCode::UNAVAILABLE);
    }
    ExpectCleanWire(&f);
  }
}

// After a failure the server may have done the work. Only the caller or the
// policy can say whether it may run twice.
TEST_P(CallOptionsTest, WhatMayNotRunTwiceIsSentOnce) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Down()});
  CallOptions options;
  options.idempotent = false;
  UnaryCall call;
  Run(&f, &call, options);
  EXPECT_EQ(call.status.error_message(), "down");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "not_idempotent");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(CallOptionsTest, ButAgainWhenTheServerAsksForIt) {
  EngineFixture f(kRetry);
  Step again = Down();
  again.trailing.emplace("grpc-retry-pushback-ms", "1");
  f.server().Script({again});
  CallOptions options;
  options.idempotent = false;
  UnaryCall call;
  Run(&f, &call, options);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.server().calls(), 2);
}

TEST_P(CallOptionsTest, AndWhenItWasNeverSent) {
  auto engine = MakeEngine(kRetry);
  auto channel = engine->CreateChannel("test", "127.0.0.1:1",
                                       grpc::InsecureChannelCredentials());
  CallOptions options;
  options.idempotent = false;
  UnaryCall call;
  ASSERT_TRUE(options.Set(&call.context).ok());
  Caller(GetParam(), channel).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "attempts_exhausted");
}

TEST_P(CallOptionsTest, SetTwiceIsAnErrorOfTheCall) {
  for (const char* policy : {kRetry, kGuarded}) {
    EngineFixture f(policy);
    CallOptions options;
    UnaryCall call;
    ASSERT_TRUE(options.Set(&call.context).ok());
    Run(&f, &call, options);
    EXPECT_EQ(call.status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(call.status.error_message(),
              "firebreak: call options are set twice on one context; allowed: "
              "once");
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "invalid_options");
    EXPECT_EQ(f.server().calls(), 0);
  }
}

// A gateway that copies metadata from outside must not pass options on.
TEST_P(CallOptionsTest, ForgedOptionsAreDroppedAndCounted) {
  for (const char* policy : {kRetry, kGuarded}) {
    EngineFixture f(policy);
    UnaryCall call;
    call.context.AddMetadata("firebreak-options-bin", std::string(24, '\1'));
    call.context.AddMetadata("firebreak-reason", "breaker_open");
    call.context.AddMetadata("firebreaker", "somebody else's");
    Caller(GetParam(), f.channel()).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    const auto seen = f.server().seen();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].metadata.count("firebreak-options-bin"), 0U);
    EXPECT_EQ(seen[0].metadata.count("firebreak-reason"), 0U);
    EXPECT_EQ(seen[0].metadata.count("firebreaker"), 1U);
    EXPECT_EQ(f.engine()->core()->foreign_metadata(), 2);
  }
}

TEST_P(CallOptionsTest, AValueOfTheWrongSizeIsForeign) {
  EngineFixture f(kRetry);
  UnaryCall call;
  call.context.AddMetadata(interceptors::OptionsKey(), "short");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.engine()->core()->foreign_metadata(), 1);
  ExpectCleanWire(&f);
}

TEST_P(CallOptionsTest, WithoutPolicyTheyAreTakenOutAllTheSame) {
  EchoServer server;
  auto engine =
      Engine::FromText("method { name { service: \"elsewhere\" } breaker {} }");
  ASSERT_TRUE(engine.ok());
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  UnaryCall call;
  AskForReport(&call.context);
  Caller(GetParam(), channel).Run(&call);
  EXPECT_TRUE(call.status.ok());
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1U);
  for (const auto& entry : seen[0].metadata) {
    EXPECT_NE(entry.first.rfind("firebreak", 0), 0U) << entry.first;
  }
}

TEST(CallOptionsRangesTest, EveryFieldAtItsEdges) {
  using Ns = std::chrono::nanoseconds;
  const Ns hour = std::chrono::hours(1);
  struct Case {
    CallOptions options;
    const char* problem;  // "" for fine
  };
  std::vector<Case> cases(14);
  cases[0].options.max_attempts = 1;
  cases[1].options.max_attempts = 10;
  cases[2].options.hedge_delay = Ns(0);
  cases[3].options.hedge_delay = hour;
  cases[4].options.timeout = Ns(1);
  cases[5].options.timeout = hour;
  for (int i = 0; i < 6; ++i) cases[static_cast<size_t>(i)].problem = "";
  cases[6].options.max_attempts = 0;
  cases[6].problem = "max_attempts: is 0; allowed [1, 10]";
  cases[7].options.max_attempts = 11;
  cases[7].problem = "max_attempts: is 11; allowed [1, 10]";
  cases[8].options.hedge_delay = Ns(-1);
  cases[8].problem = "hedge_delay: is -1ns; allowed [0s, 1h]";
  cases[9].options.hedge_delay = hour + Ns(1);
  cases[9].problem = "hedge_delay: is 3600000000001ns; allowed [0s, 1h]";
  cases[10].options.timeout = Ns(0);
  cases[10].problem = "timeout: is 0s; allowed (0s, 1h]";
  cases[11].options.timeout = 2 * hour;
  cases[11].options.max_attempts = std::numeric_limits<int>::min();
  cases[11].problem =
      "max_attempts: is -2147483648; allowed [1, 10]; timeout: is 7200s; "
      "allowed (0s, 1h]";
  cases[12].options.authority = "[::1]:50051";
  cases[12].problem = "";
  cases[13].options.authority = "a b\n";
  cases[13].problem = R"(authority: is "a b\n"; allowed: printable ASCII)";
  for (const Case& c : cases) {
    grpc::ClientContext context;
    const absl::Status status = c.options.Set(&context);
    EXPECT_EQ(status.message(), c.problem);
    EXPECT_EQ(status.code(), *c.problem == '\0'
                                 ? absl::StatusCode::kOk
                                 : absl::StatusCode::kInvalidArgument);
  }
}

TEST(CallOptionsRangesTest, NotOnACallThatHasBegun) {
  EngineFixture f(kRetry);
  UnaryCall call;
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  EXPECT_EQ(CallOptions{}.Set(&call.context).code(),
            absl::StatusCode::kFailedPrecondition);
}

// --- Part of a server call ---------------------------------------------------

class InheritTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Modes, InheritTest, ::testing::Bool(),
                         [](const auto& mode) {
                           return mode.param ? "Driven" : "Guarded";
                         });

TEST_P(InheritTest, TheDeadlineShowsAndOnlyShrinks) {
  EngineFixture f(GetParam() ? kRetry : kGuarded);
  EchoServer front;
  const auto outer_deadline =
      std::chrono::system_clock::now() + std::chrono::minutes(10);
  const auto sooner =
      std::chrono::system_clock::now() + std::chrono::minutes(1);
  front.SetHandler([&](grpc::ServerContextBase* server) {
    grpc::ClientContext later;
    InheritFrom(*server, &later);
    EXPECT_LT(later.deadline(), outer_deadline + std::chrono::seconds(10));
    grpc::ClientContext own;
    own.set_deadline(sooner);
    InheritFrom(*server, &own);
    EXPECT_EQ(own.deadline(), sooner);
    EchoRequest request;
    EchoReply reply;
    EXPECT_TRUE(Echo::NewStub(f.channel())->Unary(&own, request, &reply).ok());
  });
  UnaryCall outer;
  outer.context.set_deadline(outer_deadline);
  Caller(
      StubStyle::kSync,
      grpc::CreateChannel(front.address(), grpc::InsecureChannelCredentials()))
      .Run(&outer);
  EXPECT_TRUE(outer.status.ok());
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_LT(seen[0].deadline, sooner + std::chrono::seconds(10));
}

TEST_P(InheritTest, TheCancellation) {
  EngineFixture f(GetParam() ? kRetry : kGuarded);
  EchoServer front;
  f.server().Script({Step::Hang()});
  grpc::Status inner;
  front.SetHandler([&](grpc::ServerContextBase* server) {
    grpc::ClientContext context;
    InheritFrom(*server, &context);
    EchoRequest request;
    EchoReply reply;
    inner = Echo::NewStub(f.channel())->Unary(&context, request, &reply);
  });
  UnaryCall outer;
  std::thread canceller([&] {
    EXPECT_TRUE(f.server().WaitForCalls(1));
    outer.context.TryCancel();
  });
  Caller(
      StubStyle::kSync,
      grpc::CreateChannel(front.address(), grpc::InsecureChannelCredentials()))
      .Run(&outer);
  canceller.join();
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  front.Stop();
  EXPECT_EQ(inner.error_code(), StatusCode::CANCELLED);
}

}  // namespace
}  // namespace firebreak::testing
