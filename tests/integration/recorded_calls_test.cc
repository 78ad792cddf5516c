// The record of calls over real sockets while there is a listener: each call
// once, with each of its attempts and their right kinds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "firebreak/call_options.h"
#include "firebreak/fallback.h"
#include "src/core/measure/call_tape.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using core::AttemptKind;
using core::Attribution;
using core::CallEnd;
using core::CallTape;
using core::Reason;

constexpr char kRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";

Step Down() { return Step::Fail(grpc::StatusCode::UNAVAILABLE, "down"); }

struct Written {
  CallTape::Call call;
  std::vector<CallTape::Attempt> attempts;
};

class RecordedCallsTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Returns what `run` leaves on the tape, once there are `calls` of them.
  template <class Run>
  static std::vector<Written> Record(EngineFixture* f, size_t calls,
                                     const Run& run) {
    CallTape* const tape = f->engine()->core()->tape();
    const auto session = tape->Start(1);
    run();
    std::vector<Written> all;
    Eventually([&] {
      EXPECT_EQ(
          tape->Drain(
              session,
              [&](const CallTape::Call& call,
                  const CallTape::Attempt* attempts) {
                all.push_back({call, {attempts, attempts + call.attempts}});
              }),
          0);
      return all.size() >= calls;
    });
    EXPECT_EQ(all.size(), calls);
    tape->Stop(session);
    // They are not sorted, since each thread has its own tray.
    std::sort(all.begin(), all.end(), [](const Written& a, const Written& b) {
      return a.call.started < b.call.started;
    });
    return all;
  }
  static Written RecordOne(EngineFixture* f, UnaryCall* call) {
    std::vector<Written> all =
        Record(f, 1, [&] { Caller(GetParam(), f->channel()).Run(call); });
    if (all.size() != 1) return {};
    EXPECT_EQ(all[0].call.method, &f->runtime()->stats);
    EXPECT_FALSE(all[0].call.is_stream);
    return all[0];
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, RecordedCallsTest, AllStyles(), StyleName);

TEST_P(RecordedCallsTest, AGuardedCall) {
  EngineFixture f("breaker {}");
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::minutes(1));
  const Written written = RecordOne(&f, &call);
  EXPECT_EQ(written.call.end, CallEnd::kSuccess);
  EXPECT_GT(written.call.took, core::Duration::zero());
  EXPECT_GT(written.call.granted, std::chrono::seconds(30));
  EXPECT_LE(written.call.granted, std::chrono::minutes(1));
  ASSERT_EQ(written.attempts.size(), 1);
  EXPECT_EQ(written.attempts[0].attribution, Attribution::kSuccess);
  EXPECT_EQ(written.attempts[0].breaker, f.runtime()->breakers().front());
  EXPECT_TRUE(written.attempts[0].answered);
}

TEST_P(RecordedCallsTest, Retries) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Down()});
  UnaryCall call;
  const Written written = RecordOne(&f, &call);
  EXPECT_EQ(written.call.end, CallEnd::kSuccess);
  EXPECT_EQ(written.call.granted, core::kInfiniteDuration);
  ASSERT_EQ(written.attempts.size(), 3);
  EXPECT_EQ(written.attempts[0].kind, AttemptKind::kFirst);
  EXPECT_EQ(written.attempts[0].code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(written.attempts[1].kind, AttemptKind::kRetry);
  EXPECT_EQ(written.attempts[2].kind, AttemptKind::kRetry);
  EXPECT_TRUE(written.attempts[2].answered);
  EXPECT_LT(written.attempts[0].started, written.attempts[1].started);
  EXPECT_LE(written.attempts[2].took, written.call.took);
}

TEST_P(RecordedCallsTest, WhyNoFurtherAttemptFollowed) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Down(), Down()});
  UnaryCall call;
  const Written written = RecordOne(&f, &call);
  EXPECT_EQ(written.call.end, CallEnd::kFailure);
  EXPECT_EQ(written.call.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(written.call.reason, Reason::kAttemptsExhausted);
  ASSERT_EQ(written.attempts.size(), 3);
  EXPECT_EQ(written.attempts[2].stopped, Reason::kAttemptsExhausted);
}

TEST_P(RecordedCallsTest, AHedgeThatWins) {
  EngineFixture f("idempotent: true hedging { delay: \"1ms\" }");
  // The steps are chosen by the attempts' numbers, since the hedge may arrive
  // first.
  f.server().ScriptAttempts({Step::Hang(), Step::Ok()});
  UnaryCall call;
  const auto all = Record(
      &f, 1, [&] { Caller(GetParam(), f.NewNumberingChannel()).Run(&call); });
  ASSERT_EQ(all.size(), 1);
  const Written& written = all[0];
  EXPECT_EQ(written.call.end, CallEnd::kSuccess);
  ASSERT_GE(written.attempts.size(), 2);
  EXPECT_EQ(written.attempts[0].attribution, Attribution::kSuperseded);
  EXPECT_FALSE(written.attempts[0].answered);
  EXPECT_EQ(written.attempts[1].kind, AttemptKind::kHedge);
  int answered = 0;
  for (const CallTape::Attempt& each : written.attempts) {
    answered += each.answered ? 1 : 0;
  }
  EXPECT_EQ(answered, 1);
}

TEST_P(RecordedCallsTest, ARefusedCall) {
  for (const char* more : {"", kRetry}) {
    EngineFixture f(absl::StrCat("breaker {}", more));
    Caller(GetParam(), f.channel()).Run(std::make_unique<UnaryCall>().get());
    f.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
    UnaryCall call;
    const Written written = RecordOne(&f, &call);
    EXPECT_EQ(written.call.end, CallEnd::kRejected);
    EXPECT_EQ(written.call.reason, Reason::kForcedOpen);
    EXPECT_EQ(written.call.code, absl::StatusCode::kUnavailable);
    EXPECT_EQ(written.attempts.size(), 0);
  }
}

TEST_P(RecordedCallsTest, ACallThatAdmissionTurnsAway) {
  for (const char* more : {"", kRetry}) {
    EngineFixture f(absl::StrCat("rate_limit { rate: 0.001 burst: 1 }", more));
    const auto all = Record(&f, 2, [&] {
      for (int i = 0; i < 2; ++i) {
        UnaryCall call;
        Caller(GetParam(), f.channel()).Run(&call);
      }
    });
    ASSERT_EQ(all.size(), 2);
    EXPECT_EQ(all[0].call.end, CallEnd::kSuccess);
    EXPECT_EQ(all[1].call.end, CallEnd::kRejected);
    EXPECT_EQ(all[1].call.reason, Reason::kRateLimited);
  }
}

TEST_P(RecordedCallsTest, ACallThatAFallbackAnswers) {
  EngineFixture f(kRetry);
  f.server().Script({Down(), Down(), Down()});
  ASSERT_TRUE(f.engine()
                  ->SetFallback("test", kUnaryMethod,
                                MakeFallback<EchoRequest, EchoReply>(
                                    [](const EchoRequest& /*request*/,
                                       const grpc::Status& /*failure*/,
                                       EchoReply* reply) {
                                      reply->set_text("instead");
                                      return grpc::Status::OK;
                                    }))
                  .ok());
  UnaryCall call;
  const Written written = RecordOne(&f, &call);
  EXPECT_EQ(call.reply.text(), "instead");
  EXPECT_EQ(written.call.end, CallEnd::kSuccess);
  EXPECT_TRUE(written.call.from_fallback);
  ASSERT_EQ(written.attempts.size(), 3);
  for (const CallTape::Attempt& each : written.attempts) {
    EXPECT_FALSE(each.answered);
  }
}

TEST_P(RecordedCallsTest, ACancelledCall) {
  for (const char* policy : {"breaker {}", kRetry}) {
    EngineFixture f(policy);
    f.server().Script({Step::Hang()});
    UnaryCall call;
    std::thread cancels([&] {
      f.server().WaitForCalls(1);
      call.context.TryCancel();
    });
    const Written written = RecordOne(&f, &call);
    cancels.join();
    EXPECT_EQ(written.call.end, CallEnd::kCancelled);
    EXPECT_EQ(written.call.reason, Reason::kCancelled);
    ASSERT_EQ(written.attempts.size(), 1);
    EXPECT_EQ(written.attempts[0].attribution, Attribution::kCancelledByCaller);
    EXPECT_FALSE(written.attempts[0].answered);
  }
}

TEST_P(RecordedCallsTest, ACallWithOptionsSetTwice) {
  EngineFixture f("breaker {}");
  UnaryCall call;
  CallOptions options;
  options.report = true;
  ASSERT_TRUE(options.Set(&call.context).ok());
  ASSERT_TRUE(options.Set(&call.context).ok());
  const Written written = RecordOne(&f, &call);
  EXPECT_EQ(written.call.end, CallEnd::kRejected);
  EXPECT_EQ(written.call.reason, Reason::kInvalidOptions);
}

// Each call is counted once at its end, and recorded once.
TEST_P(RecordedCallsTest, AsManyAsTheCountersSay) {
  EngineFixture f(absl::StrCat("breaker { consecutive_failures: 5 }", kRetry));
  std::vector<Step> steps;
  for (int i = 0; i < 200; ++i) {
    steps.push_back(i % 7 < 3 ? Down() : Step::Ok());
  }
  f.server().Script(steps);
  constexpr size_t kCalls = 60;
  const auto all = Record(&f, kCalls, [&] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (size_t i = 0; i < kCalls / 3; ++i) {
          UnaryCall call;
          Caller(GetParam(), f.channel()).Run(&call);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const core::MethodCounts counts = f.counts();
  std::array<int64_t, core::kCallEnds> ends{};
  std::array<int64_t, core::kAttemptKinds> kinds{};
  std::array<int64_t, core::kAttributions> attributions{};
  for (const Written& each : all) {
    ++ends[static_cast<size_t>(each.call.end)];
    for (const CallTape::Attempt& attempt : each.attempts) {
      ++kinds[static_cast<size_t>(attempt.kind)];
      ++attributions[static_cast<size_t>(attempt.attribution)];
    }
  }
  EXPECT_EQ(ends, counts.ends);
  EXPECT_EQ(kinds, counts.attempts);
  EXPECT_EQ(attributions, counts.attributions);
}

TEST(RecordedStreamsTest, AStreamIsOneCallOfOneAttempt) {
  EngineFixture f("breaker {}");
  CallTape* const tape = f.engine()->core()->tape();
  const auto session = tape->Start(1);
  const auto stub = Echo::NewStub(f.channel());
  grpc::ClientContext context;
  auto stream = stub->BidiStream(&context);
  EchoRequest request;
  EchoReply reply;
  EXPECT_TRUE(stream->Write(request));
  EXPECT_TRUE(stream->Read(&reply));
  stream->WritesDone();
  while (stream->Read(&reply)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  std::vector<CallTape::Call> calls;
  EXPECT_TRUE(Eventually([&] {
    tape->Drain(session,
                [&](const CallTape::Call& call, const CallTape::Attempt*) {
                  calls.push_back(call);
                });
    return !calls.empty();
  }));
  ASSERT_EQ(calls.size(), 1);
  EXPECT_TRUE(calls[0].is_stream);
  EXPECT_EQ(calls[0].attempts, 1);
  EXPECT_EQ(calls[0].end, CallEnd::kSuccess);
}

}  // namespace
}  // namespace firebreak::testing
