// gRFC A6, "Throttling Retry Attempts and Hedged RPCs": a table of calls that
// share one count of tokens, in virtual time and over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/core/attempt_budget.h"
#include "tests/conformance/a6_cases.h"
#include "tests/conformance/wire_rig.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/echo_server.h"

namespace firebreak::testing {
namespace {

using core::AttemptBudget;
using core::CallRig;
using core::Ms;
using Code = absl::StatusCode;

constexpr Code kUnavailable = Code::kUnavailable;
constexpr int kNever = 10'000;  // a delay that no test waits for

// False: the policy language has no `channel { throttling }`, and the tests of
// it over sockets are skipped.
constexpr bool kPolicyHasThrottling = false;

struct ThrottledCall {
  std::vector<Reply> server;
  size_t attempts;
  Code status;
  double tokens;  // after it
};

// `times` calls alike; `tokens` after the first of them, `step` more after each
// further one.
std::vector<ThrottledCall> Times(int times, ThrottledCall call, double step) {
  std::vector<ThrottledCall> calls;
  for (int i = 0; i < times; ++i) {
    calls.push_back(call);
    call.tokens += step;
  }
  return calls;
}

struct ThrottlingCase {
  std::string name;
  A6Policy policy;
  std::vector<std::vector<ThrottledCall>> calls;
};

void PrintTo(const ThrottlingCase& c, std::ostream* out) {
  *out << c.name << ": " << c.policy.Text();
}

A6Policy Throttled(A6Policy policy, double max_tokens, double token_ratio) {
  policy.throttling = core::ThrottlingOptions{max_tokens, token_ratio};
  return policy;
}

std::vector<ThrottlingCase> Cases() {
  const std::vector<Reply> fails = {Fail(kUnavailable), Fail(kUnavailable),
                                    Fail(kUnavailable)};
  return {
      // Down to half of max_tokens: not one retry at the threshold itself.
      {"FailuresTakeOneEach",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{{fails, 3, kUnavailable, 7},
         {fails, 2, kUnavailable, 5},
         {fails, 1, kUnavailable, 4}}}},
      {"TheCountEndsAtZero",
       Throttled(RetryPolicy(2, 1, 1), 2, 0.5),
       {{{fails, 1, kUnavailable, 1},
         {fails, 1, kUnavailable, 0},
         {fails, 1, kUnavailable, 0},
         {{Ok()}, 1, Code::kOk, 0.5}}}},
      {"SuccessesGiveTheRatioUpToTheMost",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.7),
       {{{{Ok()}, 1, Code::kOk, 10},
         {fails, 3, kUnavailable, 7},
         {{Ok()}, 1, Code::kOk, 7.7}},
        Times(3, {{Ok()}, 1, Code::kOk, 8.4}, 0.7),
        {{{Ok()}, 1, Code::kOk, 10}}}},
      // A failure at 6 leaves 5, and no retry; one at 6.1 leaves enough.
      {"RetriesComeBackWithTheTokens",
       Throttled(RetryPolicy(2, 1, 1), 10, 0.1),
       {{{fails, 2, kUnavailable, 8},
         {fails, 2, kUnavailable, 6},
         {fails, 1, kUnavailable, 5}},
        Times(10, {{Ok()}, 1, Code::kOk, 5.1}, 0.1),
        {{{Fail(kUnavailable), Ok()}, 1, kUnavailable, 5},
         {{Ok()}, 1, Code::kOk, 5.1}},
        Times(10, {{Ok()}, 1, Code::kOk, 5.2}, 0.1),
        {{{Fail(kUnavailable), Ok()}, 2, Code::kOk, 5.2}}}},
      {"OnlyRetryableCodesTakeTokens",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{{{Fail(Code::kPermissionDenied)}, 1, Code::kPermissionDenied, 10},
         {{Fail(Code::kNotFound)}, 1, Code::kNotFound, 10}}}},
      {"APushbackThatForbidsTakesOne",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{{{PushBack("-1")}, 1, kUnavailable, 9},
         {{PushBack("-1", Code::kPermissionDenied)},
          1,
          Code::kPermissionDenied,
          8},
         {{PushBack("soon")}, 1, kUnavailable, 7}}}},
      {"APushbackDoesNotOutrankTheCount",
       Throttled(RetryPolicy(3, 1, 1), 2, 0.1),
       {{{{PushBack("0"), Ok()}, 1, kUnavailable, 1}}}},
      {"ThreeDecimalsCount",
       Throttled(RetryPolicy(2, 1, 1), 3, 0.501),
       {{{fails, 2, kUnavailable, 1},
         {{Ok()}, 1, Code::kOk, 1.501},
         {{Ok()}, 1, Code::kOk, 2.002},
         {{Ok()}, 1, Code::kOk, 2.503},
         // 1.503 is over the half of 3 by the third decimal.
         {{Fail(kUnavailable), Ok()}, 2, Code::kOk, 2.004}}}},
      {"HedgesAreThrottledToo",
       Throttled(HedgingPolicy(3, kNever), 10, 0.1),
       {{{fails, 3, kUnavailable, 7},
         {fails, 2, kUnavailable, 5},
         {fails, 1, kUnavailable, 4}}}},
      // The delay of 20 ms passes twice before the answer.
      {"NoHedgeByTimeEither",
       Throttled(HedgingPolicy(3, 20), 2, 0.5),
       {{{{Fail(kUnavailable)}, 1, kUnavailable, 1},
         {{Ok(60)}, 1, Code::kOk, 1.5},
         {{Hang(), Hang(), Ok()}, 3, Code::kOk, 2}}}},
  };
}

class A6ThrottlingTest : public ::testing::TestWithParam<ThrottlingCase> {};

TEST_P(A6ThrottlingTest, InVirtualTime) {
  AttemptBudget budget(GetParam().policy.Budget(), core::Time{});
  int number = 0;
  for (const auto& calls : GetParam().calls) {
    for (const ThrottledCall& call : calls) {
      SCOPED_TRACE(absl::StrCat("call ", number++));
      CallRig::Setup setup;
      setup.shared_budget = &budget;
      CallRig rig(GetParam().policy.Options(), setup);
      for (size_t n = 0; n < call.server.size(); ++n) {
        if (call.server[n].hangs) continue;
        rig.AnswerWith(static_cast<int>(n), Ms(call.server[n].latency_ms),
                       call.server[n].ToEnd());
      }
      rig.Run();
      EXPECT_EQ(rig.driver().launched(), static_cast<int>(call.attempts));
      EXPECT_THAT(rig.lines().back(),
                  ::testing::HasSubstr(absl::StatusCodeToString(call.status)));
      EXPECT_DOUBLE_EQ(budget.throttle_tokens(), call.tokens);
    }
  }
}

TEST_P(A6ThrottlingTest, OverSockets) {
  if (!kPolicyHasThrottling) {
    GTEST_SKIP() << "the policy language has no channel.throttling";
  }
  EchoServer server;
  WireRig rig(&server, GetParam().policy);
  int number = 0;
  for (const auto& calls : GetParam().calls) {
    for (const ThrottledCall& call : calls) {
      const std::string text = absl::StrCat("call ", number++);
      SCOPED_TRACE(text);
      const Played played = rig.Play(text, call.server);
      EXPECT_EQ(played.code, static_cast<grpc::StatusCode>(call.status));
      EXPECT_EQ(played.seen.size(), call.attempts);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, A6ThrottlingTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace firebreak::testing
