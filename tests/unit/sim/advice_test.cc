#include "src/sim/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using core::Sec;
using ::testing::HasSubstr;
using Code = absl::StatusCode;
using Field = Suggestion::Field;

// Makes 100 calls a second for `seconds`. Of a thousand, 100 take 30 ms, 8 take
// `tail`, and the others take 10 ms.
Recording CallsWithTail(int seconds, Duration tail) {
  Recording recording;
  recording.methods = {"/a.S/M"};
  for (int i = 0; i < 100 * seconds; ++i) {
    const int n = i * 7919 % 1000;
    const Duration latency = n < 8 ? tail : n < 108 ? Ms(30) : Ms(10);
    recording.calls.push_back({Ms(10) * i, latency, 0, Code::kOk});
  }
  return recording;
}

Suggestion For(Field field, const Recording& recording,
               const core::MethodOptions& now = {}) {
  const auto facts = FactsOf(recording);
  EXPECT_TRUE(facts.ok()) << facts.status();
  for (const Suggestion& each : Suggest(*facts, now)) {
    if (each.field == field) return each;
  }
  ADD_FAILURE() << "no suggestion for " << FieldName(field);
  return {};
}

TEST(Advice, RefusesTooLittle) {
  EXPECT_EQ(FactsOf(CallsWithTail(56, Ms(100))).status().message(),
            "too little to advise on: 5600 successes in 56 s; it takes 1000 in "
            "60s or more");
  EXPECT_TRUE(FactsOf(CallsWithTail(59, Ms(100))).ok())
      << "a recording of a minute has a little less from call to call";
  Recording failing = CallsWithTail(100, Ms(100));
  for (size_t i = 0; i < 9001; ++i) failing.calls[i].code = Code::kUnavailable;
  EXPECT_EQ(FactsOf(failing).status().code(),
            absl::StatusCode::kFailedPrecondition);
  failing.calls[0].code = Code::kOk;
  EXPECT_TRUE(FactsOf(failing).ok());
  EXPECT_FALSE(FactsOf(Recording{}).ok());
}

TEST(Advice, CountsFacts) {
  Recording recording = CallsWithTail(100, Ms(100));
  recording.calls[10].code = Code::kUnavailable;
  recording.calls[11].code = Code::kUnavailable;
  recording.calls[12].code = Code::kCancelled;
  recording.calls[13].code = Code::kDeadlineExceeded;
  recording.calls[20].code = Code::kNotFound;
  const auto facts = FactsOf(recording);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->calls, 9999);
  EXPECT_NEAR(facts->per_second, 100, 0.1);
  EXPECT_NEAR(facts->failing, 3.0 / 9999, 1e-9);
  EXPECT_NEAR(facts->unavailable, 2.0 / 9999, 1e-9);
  EXPECT_NEAR(facts->at_deadline, 1.0 / 9999, 1e-9);
  // The call that its caller cancelled does not count.
  EXPECT_NEAR(facts->together, 2.0 / 3, 1e-9);
  EXPECT_EQ(facts->Quantile(0.5), Ms(10));
  EXPECT_EQ(facts->Quantile(0.95), Ms(30));
  EXPECT_EQ(facts->Quantile(0.999), Ms(100));
  EXPECT_NEAR(facts->Beyond(Ms(30)), 0.008, 1e-4);
  EXPECT_EQ(facts->Beyond(Ms(100)), 0);
  // 0.892 * 10 ms + 0.1 * 30 ms + 0.008 * 100 ms, a hundred times a second.
  EXPECT_NEAR(facts->mean_at_once, 1.27, 0.01);
}

TEST(Advice, CountsCallsAtOnce) {
  Recording recording = CallsWithTail(100, Ms(10));
  for (Recording::Call& call : recording.calls) call.latency = Ms(10);
  // Each call ends when the next one begins.
  EXPECT_EQ(FactsOf(recording)->most_at_once, 1);
  recording.calls[50].latency = Ms(35);
  EXPECT_EQ(FactsOf(recording)->most_at_once, 2);
  for (size_t i = 100; i < 110; ++i) recording.calls[i].latency = Sec(1);
  EXPECT_EQ(FactsOf(recording)->most_at_once, 11);
  for (Recording::Call& call : recording.calls) call.latency = Ms(0);
  EXPECT_EQ(FactsOf(recording)->most_at_once, 1);
}

TEST(Advice, TimeoutIsBeyondTheTail) {
  const Suggestion many = For(Field::kTimeout, CallsWithTail(200, Ms(180)));
  EXPECT_TRUE(many.is_proposed);
  EXPECT_EQ(many.duration, Ms(250));
  EXPECT_THAT(many.reason, HasSubstr("p99.9 is 180ms; a timeout of 250ms costs "
                                     "0% of calls"));
  // With few calls the p99.9 is not known.
  const Suggestion few = For(Field::kTimeout, CallsWithTail(80, Ms(180)));
  EXPECT_EQ(few.duration, Ms(60));
  EXPECT_THAT(few.reason, HasSubstr("p99 is 30ms; a timeout of 60ms costs "
                                    "0.8% of calls"));
  core::MethodOptions now;
  now.timeout = Ms(300);
  EXPECT_FALSE(
      For(Field::kTimeout, CallsWithTail(200, Ms(180)), now).is_proposed);
  now.timeout = Sec(10);
  EXPECT_THAT(For(Field::kTimeout, CallsWithTail(200, Ms(180)), now).reason,
              HasSubstr("ends then, and not after 10s"));
  // The duration of a call that its deadline cut off is not known.
  Recording cut = CallsWithTail(200, Ms(180));
  for (size_t i = 0; i < 300; ++i) cut.calls[i].code = Code::kDeadlineExceeded;
  EXPECT_FALSE(For(Field::kTimeout, cut).is_proposed);
}

TEST(Advice, HedgesALongTailOfCallsThatMayRunTwice) {
  Recording recording = CallsWithTail(200, Ms(400));
  for (size_t i = 0; i < recording.calls.size(); i += 50) {
    recording.calls[i].latency = Ms(400);
  }
  core::MethodOptions now;
  const Suggestion unknown = For(Field::kHedgeQuantile, recording, now);
  EXPECT_FALSE(unknown.is_proposed);
  EXPECT_THAT(unknown.reason, HasSubstr("does not say idempotent: true"));
  now.idempotent = true;
  const Suggestion hedge = For(Field::kHedgeQuantile, recording, now);
  EXPECT_TRUE(hedge.is_proposed);
  EXPECT_EQ(hedge.number, 0.95);
  EXPECT_THAT(hedge.reason, HasSubstr("p95 is 30ms and p99 400ms: a hedge "
                                      "after p95 brings p99 to about 40ms"));
  EXPECT_FALSE(
      For(Field::kHedgeQuantile, CallsWithTail(200, Ms(35)), now).is_proposed);
}

TEST(Advice, RetriesFailuresThatComeAlone) {
  Recording alone = CallsWithTail(200, Ms(50));
  for (size_t i = 0; i < alone.calls.size(); i += 50) {
    alone.calls[i].code = Code::kUnavailable;
  }
  const Suggestion retry = For(Field::kMaxAttempts, alone);
  EXPECT_TRUE(retry.is_proposed);
  EXPECT_EQ(retry.number, 2);
  EXPECT_THAT(retry.reason, HasSubstr("2% of calls are UNAVAILABLE"));
  core::MethodOptions now;
  now.idempotent = false;
  EXPECT_FALSE(For(Field::kMaxAttempts, alone, now).is_proposed);
  now = {};
  now.retry = core::RetryOptions{};
  EXPECT_FALSE(For(Field::kMaxAttempts, alone, now).is_proposed);
  // The same number of failures, but in one outage.
  Recording outage = CallsWithTail(200, Ms(50));
  for (size_t i = 5000; i < 5400; ++i) {
    outage.calls[i].code = Code::kUnavailable;
  }
  const Suggestion none = For(Field::kMaxAttempts, outage);
  EXPECT_FALSE(none.is_proposed);
  EXPECT_THAT(none.reason, HasSubstr("come right after another"));
  EXPECT_THAT(For(Field::kMaxAttempts, CallsWithTail(200, Ms(50))).reason,
              HasSubstr("hardly anything to retry"));
}

TEST(Advice, SlowIsWellBelowTheTimeout) {
  const Suggestion slow =
      For(Field::kSlowCallDuration, CallsWithTail(200, Ms(180)));
  EXPECT_TRUE(slow.is_proposed);
  EXPECT_EQ(slow.duration, Ms(60));
  const Suggestion late =
      For(Field::kSlowCallDuration, CallsWithTail(200, Ms(40)));
  EXPECT_FALSE(late.is_proposed);
  EXPECT_THAT(late.reason, HasSubstr("the timeout of 50ms ends calls"));
}

TEST(Advice, MinimumCallsAreWhatChanceDoesNotReach) {
  EXPECT_THAT(For(Field::kMinimumCalls, CallsWithTail(200, Ms(50))).reason,
              HasSubstr("the present 20 are enough"));
  // With 20 % failures, chance gives 10 of 20 in 3 of a thousand windows.
  Recording failing = CallsWithTail(200, Ms(50));
  for (size_t i = 0; i < failing.calls.size(); i += 5) {
    failing.calls[i].code = Code::kInternal;
  }
  const Suggestion more = For(Field::kMinimumCalls, failing);
  EXPECT_TRUE(more.is_proposed);
  EXPECT_NEAR(more.number, 51, 10);
  // With one call in five seconds, a window never has that many.
  Recording rare = failing;
  rare.calls.resize(2000);
  for (Recording::Call& call : rare.calls) call.at *= 500;
  const Suggestion few = For(Field::kMinimumCalls, rare);
  EXPECT_FALSE(few.is_proposed);
  EXPECT_THAT(few.reason, HasSubstr("hardly ever come"));
}

TEST(Advice, TheBulkheadIsTwiceWhatWasUnderWay) {
  Recording recording = CallsWithTail(200, Ms(400));
  const auto facts = FactsOf(recording);
  const Suggestion bulkhead = For(Field::kMaxConcurrent, recording);
  EXPECT_TRUE(bulkhead.is_proposed);
  EXPECT_EQ(bulkhead.number, 2.0 * static_cast<double>(facts->most_at_once));
  core::MethodOptions now;
  now.admission.bulkhead = core::BulkheadOptions{};
  now.admission.bulkhead->max_concurrent =
      static_cast<int>(bulkhead.number) + 1;
  EXPECT_FALSE(For(Field::kMaxConcurrent, recording, now).is_proposed);
  // A short timeout is enough: 100 calls a second for 40 ms.
  const Suggestion none =
      For(Field::kMaxConcurrent, CallsWithTail(200, Ms(31)));
  EXPECT_FALSE(none.is_proposed);
  EXPECT_THAT(none.reason, HasSubstr("would never be reached"));
}

TEST(Advice, RoundsUpToWhatPeopleWrite) {
  EXPECT_EQ(RoundUpNicely(Ms(0)), Ms(1));
  EXPECT_EQ(RoundUpNicely(Ms(1)), Ms(1));
  EXPECT_EQ(RoundUpNicely(std::chrono::microseconds(1100)), Ms(2));
  EXPECT_EQ(RoundUpNicely(Ms(225)), Ms(250));
  EXPECT_EQ(RoundUpNicely(Ms(12)), Ms(15));
  EXPECT_EQ(RoundUpNicely(Ms(801)), Ms(1000));
  EXPECT_EQ(RoundUpNicely(Ms(1001)), Ms(1250));
}

}  // namespace
}  // namespace firebreak::sim
