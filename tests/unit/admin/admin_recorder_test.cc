// RecordCalls: the recorded calls, who is allowed, and the end of a stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/admin/streams/call_recorder.h"
#include "src/core/measure/call_tape.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using core::CallTape;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Recorder : public StreamReader<v1::RecordCallsResponse> {
 public:
  Recorder(AdminFixture* f, const v1::RecordCallsRequest& request)
      : StreamReader(std::chrono::seconds(60),
                     [&](grpc::ClientContext* context) {
                       return f->stub()->RecordCalls(context, request);
                     }) {}
  // Reads until there are `count` calls, in any number of blocks.
  std::vector<v1::CallBlock> ReadCalls(int count) {
    std::vector<v1::CallBlock> blocks;
    while (count > 0 && Read()) {
      count -= block().calls_size();
      if (block().calls_size() > 0) blocks.push_back(block());
    }
    return blocks;
  }
  const v1::CallBlock& block() const { return response().calls(); }
};

v1::RecordCallsRequest For(std::chrono::milliseconds length) {
  v1::RecordCallsRequest request;
  request.mutable_duration()->set_seconds(length.count() / 1000);
  request.mutable_duration()->set_nanos(
      static_cast<int32_t>(length.count() % 1000 * 1'000'000));
  return request;
}

// Writes a call with two attempts, of which the second won.
void WriteCall(AdminFixture* f, const engine::MethodBinding& method) {
  CallTape::Call call;
  call.method = &method.runtime->stats;
  call.started = engine::Now();
  call.took = std::chrono::milliseconds(30);
  call.granted = core::kInfiniteDuration;
  call.attempts = 2;
  f->core()->tape()->Write(call, [&](int n) {
    CallTape::Attempt attempt;
    attempt.breaker = method.targets.front();
    attempt.started = call.started + n * std::chrono::milliseconds(20);
    attempt.took = std::chrono::milliseconds(30 - 20 * n);
    attempt.granted = std::chrono::milliseconds(100);
    attempt.code =
        n == 0 ? absl::StatusCode::kCancelled : absl::StatusCode::kOk;
    attempt.attribution =
        n == 0 ? core::Attribution::kSuperseded : core::Attribution::kSuccess;
    attempt.kind =
        n == 0 ? core::AttemptKind::kFirst : core::AttemptKind::kHedge;
    attempt.answered = n == 1;
    return attempt;
  });
}

void WriteRefused(AdminFixture* f, const engine::MethodBinding& method) {
  CallTape::Call call;
  call.method = &method.runtime->stats;
  call.started = engine::Now();
  call.code = absl::StatusCode::kUnavailable;
  call.end = core::CallEnd::kRejected;
  call.reason = core::Reason::kBreakerOpen;
  f->core()->tape()->Write(call, [](int) { return CallTape::Attempt(); });
}

TEST(AdminRecorderTest, ShowsCallsWithTheirAttempts) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  const auto refund = f.Method("payment", "a:1", kRefund);
  WriteCall(&f, *charge);  // there is no recording yet
  const auto before = std::chrono::system_clock::now();
  Recorder recorder(&f, For(std::chrono::seconds(60)));
  ASSERT_TRUE(recorder.Read());
  EXPECT_EQ(recorder.block().calls_size(), 0);
  EXPECT_EQ(recorder.block().instance(), f.core()->instance());
  EXPECT_TRUE(recorder.response().has_as_of());
  WriteCall(&f, *charge);
  WriteRefused(&f, *refund);
  std::vector<v1::RecordedCall> calls;
  std::vector<v1::CallBlock> of;
  for (const v1::CallBlock& block : recorder.ReadCalls(2)) {
    EXPECT_EQ(block.names(0), "");
    EXPECT_EQ(block.lost(), 0);
    for (const v1::RecordedCall& call : block.calls()) {
      calls.push_back(call);
      of.push_back(block);
    }
  }
  ASSERT_EQ(calls.size(), 2);
  const auto name = [&](size_t i, uint32_t n) {
    return of[i].names(static_cast<int>(n));
  };
  EXPECT_EQ(name(0, calls[0].channel()), "payment");
  EXPECT_EQ(name(0, calls[0].method()), kCharge);
  EXPECT_EQ(calls[0].end(), v1::RECORDED_END_SUCCESS);
  EXPECT_EQ(calls[0].took_ns(), 30'000'000);
  EXPECT_EQ(calls[0].granted_ns(), 0) << "it had no deadline";
  const std::chrono::nanoseconds began(of[0].base_ns() + calls[0].started_ns());
  EXPECT_GE(began + std::chrono::seconds(5), before.time_since_epoch());
  EXPECT_LE(began - std::chrono::seconds(5),
            std::chrono::system_clock::now().time_since_epoch());
  ASSERT_EQ(calls[0].attempts_size(), 2);
  const v1::RecordedAttempt& lost = calls[0].attempts(0);
  EXPECT_EQ(name(0, lost.target()), "a:1");
  EXPECT_EQ(name(0, lost.attribution()), "superseded");
  EXPECT_EQ(lost.code(), v1::CANCELLED);
  EXPECT_EQ(lost.granted_ns(), 100'000'000);
  const v1::RecordedAttempt& won = calls[0].attempts(1);
  EXPECT_EQ(won.kind(), v1::RecordedAttempt::HEDGE);
  EXPECT_EQ(won.after_ns(), 20'000'000);
  EXPECT_EQ(won.took_ns(), 10'000'000);
  EXPECT_TRUE(won.answered());
  EXPECT_EQ(name(1, calls[1].method()), kRefund);
  EXPECT_EQ(calls[1].end(), v1::RECORDED_END_REJECTED);
  EXPECT_EQ(name(1, calls[1].reason()), "breaker_open");
  EXPECT_EQ(calls[1].attempts_size(), 0);
  recorder.Cancel();
  recorder.Finish();
  EXPECT_TRUE(Eventually([&] { return !f.core()->tape()->is_on(); }))
      << "nobody listens any more";
}

TEST(AdminRecorderTest, OnlyTheCallsThatAreAskedFor) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  const auto refund = f.Method("payment", "a:1", kRefund);
  const auto other = f.Method("elsewhere", "a:1", kRefund);
  v1::RecordCallsRequest request = For(std::chrono::seconds(60));
  request.mutable_selector()->set_method("Refund");
  request.mutable_selector()->set_channel("payment");
  Recorder recorder(&f, request);
  ASSERT_TRUE(recorder.Read());
  WriteCall(&f, *charge);
  WriteCall(&f, *other);
  WriteCall(&f, *refund);
  const auto blocks = recorder.ReadCalls(1);
  ASSERT_EQ(blocks.size(), 1);
  ASSERT_EQ(blocks[0].calls_size(), 1);
  EXPECT_EQ(blocks[0].names(static_cast<int>(blocks[0].calls(0).method())),
            kRefund);
}

TEST(AdminRecorderTest, EndsAfterItsTimeWithAllThatWasWritten) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  int calls = 0;
  // If the machine stalls, the time may pass before the call is written.
  for (int i = 0; i < 1000 && calls == 0; ++i) {
    Recorder recorder(&f, For(std::chrono::milliseconds(300)));
    if (!recorder.Read()) {
      // The stream before has ended at the client, but not yet at the server.
      EXPECT_EQ(recorder.Finish().error_code(),
                grpc::StatusCode::RESOURCE_EXHAUSTED);
      continue;
    }
    WriteCall(&f, *charge);
    while (recorder.Read()) calls += recorder.block().calls_size();
    EXPECT_TRUE(recorder.Finish().ok());
    EXPECT_TRUE(Eventually([&] { return !f.core()->tape()->is_on(); }));
  }
  EXPECT_EQ(calls, 1);
}

TEST(AdminRecorderTest, OneAtATime) {
  AdminFixture f;
  Recorder first(&f, For(std::chrono::seconds(60)));
  ASSERT_TRUE(first.Read());
  Recorder second(&f, For(std::chrono::seconds(60)));
  const grpc::Status refused = second.Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(),
            "calls are being recorded already, for unix socket");
  // A recording of the same engine, through another service.
  first.Cancel();
  first.Finish();
  ASSERT_TRUE(Eventually([&] { return !f.core()->tape()->is_on(); }));
  Recorder third(&f, For(std::chrono::seconds(60)));
  EXPECT_TRUE(third.Read());
}

TEST(AdminRecorderTest, NeedsTheConsentThatAChangeNeedsAndIsInTheAudit) {
  AdminOptions options;
  std::atomic<bool> may{false};
  options.authorizer = [&](AdminCall* call) {
    EXPECT_TRUE(call->is_change);
    EXPECT_EQ(call->rpc, "RecordCalls");
    call->actor = "alice";
    return may ? absl::OkStatus() : absl::PermissionDeniedError("not she");
  };
  AdminFixture f(options);
  v1::RecordCallsRequest request = For(std::chrono::seconds(90));
  request.set_reason("ticket 7");
  EXPECT_EQ(Recorder(&f, request).Finish().error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_FALSE(f.core()->tape()->is_on());
  may = true;
  Recorder recorder(&f, request);
  ASSERT_TRUE(recorder.Read());
  const auto events = f.core()->events().Since(0, 10).events;
  ASSERT_EQ(events.size(), 2);
  EXPECT_TRUE(events[0].refused);
  EXPECT_FALSE(events[1].refused);
  EXPECT_EQ(events[1].action, "RecordCalls for 90s (reason: \"ticket 7\")");
  EXPECT_THAT(events[1].actor, HasSubstr("alice"));
}

TEST(AdminRecorderTest, NamesWhatIsWrong) {
  AdminFixture f;
  const auto message = [&](const v1::RecordCallsRequest& request) {
    const grpc::Status status = Recorder(&f, request).Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  EXPECT_EQ(message(For(std::chrono::milliseconds(0))),
            "duration: is 0s and 0ns; allowed (0, 1h]");
  EXPECT_EQ(message(For(std::chrono::milliseconds(3'600'001))),
            "duration: is 3600s and 1000000ns; allowed (0, 1h]");
  v1::RecordCallsRequest request;
  request.set_share(1.5);
  EXPECT_EQ(message(request), "share: is 1.5; allowed (0, 1]");
  request.set_share(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(message(request), "share: is nan; allowed (0, 1]");
  f.Method("payment", "a:1", kCharge);
  v1::RecordCallsRequest other = For(std::chrono::seconds(60));
  other.mutable_selector()->set_channel("paymnet");
  const grpc::Status unknown = Recorder(&f, other).Finish();
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(
      unknown.error_message(),
      AllOf(HasSubstr("no channel \"paymnet\""), HasSubstr("\"payment\"")));
  EXPECT_FALSE(f.core()->tape()->is_on());
}

// If a client does not read, calls are lost, and each of them is counted.
TEST(AdminRecorderTest, ASlowReaderIsToldWhatItHasLost) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  Recorder recorder(&f, For(std::chrono::seconds(60)));
  ASSERT_TRUE(recorder.Read());
  // More than the tape, the blocks that wait and a connection hold.
  constexpr int64_t kWritten = 200'000;
  for (int64_t i = 0; i < kWritten; ++i) WriteCall(&f, *charge);
  int64_t calls = 0;
  int64_t lost = 0;
  while (calls + lost < kWritten && recorder.Read()) {
    calls += recorder.block().calls_size();
    lost += recorder.block().lost();
  }
  EXPECT_GT(lost, 0);
  EXPECT_EQ(calls + lost, kWritten);
  recorder.Cancel();
}

// Blocks that have not been read do not prolong the recording, and the reader
// still gets them.
TEST(AdminRecorderTest, ASlowReaderGetsTheEndToo) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  Recorder recorder(&f, For(std::chrono::milliseconds(700)));
  ASSERT_TRUE(recorder.Read());
  int64_t written = 0;
  for (; f.core()->tape()->is_on(); ++written) WriteCall(&f, *charge);
  int64_t calls = 0;
  int64_t lost = 0;
  while (recorder.Read()) {
    calls += recorder.block().calls_size();
    lost += recorder.block().lost();
  }
  const grpc::Status status = recorder.Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_LE(calls + lost, written);
}

TEST(AdminRecorderTest, ADeadlineThatHasPassedIsOne) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  Recorder recorder(&f, For(std::chrono::seconds(60)));
  ASSERT_TRUE(recorder.Read());
  CallTape::Call call;
  call.method = &charge->runtime->stats;
  call.started = engine::Now();
  call.granted = core::Duration::zero();
  f.core()->tape()->Write(call, [](int) { return CallTape::Attempt(); });
  const auto blocks = recorder.ReadCalls(1);
  ASSERT_EQ(blocks.size(), 1);
  EXPECT_EQ(blocks[0].calls(0).granted_ns(), 1);
  recorder.Cancel();
}

TEST(AdminRecorderTest, ShutdownEndsIt) {
  AdminFixture f;
  Recorder recorder(&f, For(std::chrono::seconds(60)));
  ASSERT_TRUE(recorder.Read());
  f.service()->Shutdown();
  EXPECT_EQ(recorder.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  Recorder late(&f, For(std::chrono::seconds(60)));
  EXPECT_EQ(late.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Eventually([&] { return !f.core()->tape()->is_on(); }));
}

TEST(AdminRecorderTest, AReaderThatGoesFreesThePlace) {
  AdminFixture f;
  const auto charge = f.Method("payment", "a:1", kCharge);
  for (int i = 0; i < 5; ++i) {
    Recorder recorder(&f, For(std::chrono::seconds(60)));
    ASSERT_TRUE(recorder.Read()) << i;
    WriteCall(&f, *charge);
    recorder.Cancel();
    recorder.Finish();
    ASSERT_TRUE(Eventually([&] { return !f.core()->tape()->is_on(); }));
  }
}

}  // namespace
}  // namespace firebreak::testing
