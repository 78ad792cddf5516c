// The caller's TryCancel in every state of a call and in every stub style: the
// call ends once, with CANCELLED, and nothing continues to run.
#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

class CancelTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Runs `call` and cancels it from another thread once `when` holds.
  void RunAndCancel(EngineFixture* f, UnaryCall* call,
                    const std::function<bool()>& when) {
    std::thread canceller([&] {
      EXPECT_TRUE(when());
      call->context.TryCancel();
    });
    Caller(GetParam(), f->channel()).Run(call);
    canceller.join();
    EXPECT_EQ(call->status.error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_EQ(f->counts().end(core::CallEnd::kCancelled), 1);
    EXPECT_EQ(f->counts().in_flight, 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, CancelTest, AllStyles(), StyleName);

TEST_P(CancelTest, BeforeItStarts) {
  EngineFixture f("retry {}");
  UnaryCall call;
  call.context.TryCancel();
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(f.server().calls(), 0);
}

TEST_P(CancelTest, WhileAnAttemptIsInFlight) {
  EngineFixture f("retry {}");
  f.server().Script({Step::Hang()});
  UnaryCall call;
  RunAndCancel(&f, &call, [&] { return f.server().WaitForCalls(1); });
  EXPECT_TRUE(f.server().WaitForCancelled(1));
}

TEST_P(CancelTest, WhileTwoAttemptsAreInFlight) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1ms\" }");
  f.server().Script({Step::Hang(), Step::Hang()});
  UnaryCall call;
  RunAndCancel(&f, &call, [&] { return f.server().WaitForCalls(2); });
  EXPECT_TRUE(f.server().WaitForCancelled(2));
}

TEST_P(CancelTest, WhileItWaitsOutABackoff) {
  EngineFixture f(
      "retry { backoff { initial: \"1h\" max: \"1h\" jitter: NONE } }");
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall call;
  RunAndCancel(&f, &call, [&] {
    return Eventually([&] {
      return f.counts().attributions[static_cast<size_t>(
                 core::Attribution::kServerFailure)] == 1;
    });
  });
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(CancelTest, WhileAFallbackRuns) {
  EngineFixture f("");
  // The fallback may end after this test.
  const auto running = std::make_shared<std::promise<void>>();
  std::promise<void> may_end;
  const auto end = may_end.get_future().share();
  // A method is only known once it has been bound.
  ASSERT_TRUE(
      f.engine()
          ->SetFallback("test", kUnaryMethod,
                        [running, end](const grpc::ByteBuffer&,
                                       const grpc::Status&, grpc::ByteBuffer*) {
                          running->set_value();
                          end.wait();
                          return grpc::Status::OK;
                        })
          .ok());
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall call;
  RunAndCancel(&f, &call, [&] {
    running->get_future().wait();
    return true;
  });
  may_end.set_value();
}

TEST_P(CancelTest, AGuardedCall) {
  EngineFixture f("breaker { consecutive_failures: 1 }");
  f.server().Script({Step::Hang()});
  UnaryCall call;
  RunAndCancel(&f, &call, [&] { return f.server().WaitForCalls(1); });
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed)
      << "a cancel is not the server's failure";
}

TEST_P(CancelTest, AfterTheEndItDoesNothing) {
  EngineFixture f("retry {}");
  UnaryCall call("x");
  Caller(GetParam(), f.channel()).Run(&call);
  call.context.TryCancel();
  call.context.TryCancel();
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
}

TEST_P(CancelTest, ACancelledProbeDecidesNothing) {
  EngineFixture f(
      "breaker { consecutive_failures: 1 probes: 1 open_duration: \"1ms\" "
      "max_open_duration: \"1ms\" }");
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL), Step::Hang()});
  UnaryCall trips;
  caller.Run(&trips);
  ASSERT_EQ(f.breaker().state, core::BreakerState::kOpen);
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() > *f.breaker().probe_due; }));
  UnaryCall probe;
  RunAndCancel(&f, &probe, [&] { return f.server().WaitForCalls(2); });
  EXPECT_EQ(f.breaker().state, core::BreakerState::kHalfOpen);
  EXPECT_EQ(f.breaker().probes_in_flight, 0) << "its slot is free again";
  UnaryCall next;
  caller.Run(&next);
  EXPECT_TRUE(next.status.ok());
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
}

// Cancels happen at any time of a call: before, at and after each step.
TEST_P(CancelTest, AtRandomMomentsEveryCallEndsOnce) {
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"2ms\" } }"
      "hedging { max_attempts: 3 delay: \"1ms\" }");
  const Caller caller(GetParam(), f.channel());
  constexpr int kCalls = 300;
  core::Rng rng(42);
  int ended = 0;
  for (int i = 0; i < kCalls; ++i) {
    f.server().Script(
        {i % 3 == 0 ? Step::Hang() : Step::Fail(grpc::StatusCode::UNAVAILABLE),
         i % 2 == 0 ? Step::Hang() : Step::Ok(), Step::Ok()});
    UnaryCall call;
    const auto wait = std::chrono::microseconds(rng.Next() % 3000);
    std::thread canceller([&] {
      std::this_thread::sleep_for(wait);
      call.context.TryCancel();
    });
    caller.Run(&call);
    canceller.join();
    EXPECT_TRUE(call.status.ok() ||
                call.status.error_code() == grpc::StatusCode::CANCELLED ||
                call.status.error_code() == grpc::StatusCode::UNAVAILABLE)
        << call.status.error_message();
    ++ended;
  }
  EXPECT_EQ(ended, kCalls);
  const core::MethodCounts counts = f.counts();
  EXPECT_EQ(counts.calls, kCalls);
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(counts.end(core::CallEnd::kSuccess) +
                counts.end(core::CallEnd::kFailure) +
                counts.end(core::CallEnd::kCancelled),
            kCalls);
}

}  // namespace
}  // namespace firebreak::testing
