// Calls that share one count of tokens, from gRFC A6, section "Throttling Retry
// Attempts and Hedged RPCs".
#include <utility>

#include "tests/conformance/a6_cases.h"

namespace firebreak::testing {
namespace {

// Returns `times` calls that differ only in `tokens`: after each further call
// there are `step` more than before.
std::vector<ThrottledCall> Times(int times, ThrottledCall call, double step) {
  std::vector<ThrottledCall> calls;
  for (int i = 0; i < times; ++i) {
    calls.push_back(call);
    call.tokens += step;
  }
  return calls;
}

std::vector<ThrottledCall> InARow(
    const std::vector<std::vector<ThrottledCall>>& parts) {
  std::vector<ThrottledCall> calls;
  for (const auto& part : parts) {
    calls.insert(calls.end(), part.begin(), part.end());
  }
  return calls;
}

A6Policy Throttled(A6Policy policy, double max_tokens, double token_ratio) {
  policy.throttling = core::ThrottlingOptions{max_tokens, token_ratio};
  return policy;
}

}  // namespace

std::vector<ThrottlingCase> A6ThrottlingCases() {
  const std::vector<Reply> fails = {Fail(kUnavailable), Fail(kUnavailable),
                                    Fail(kUnavailable)};
  return {
      // At half of max_tokens, the threshold itself, there is no retry.
      {"FailuresTakeOneEach",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{fails, 3, kUnavailable, 7},
        {fails, 2, kUnavailable, 5},
        {fails, 1, kUnavailable, 4}}},
      {"TheCountEndsAtZero",
       Throttled(RetryPolicy(2, 1, 1), 2, 0.5),
       {{fails, 1, kUnavailable, 1},
        {fails, 1, kUnavailable, 0},
        {fails, 1, kUnavailable, 0},
        {{Ok()}, 1, Code::kOk, 0.5}}},
      {"SuccessesGiveTheRatioUpToTheMost",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.7),
       InARow({{{{Ok()}, 1, Code::kOk, 10},
                {fails, 3, kUnavailable, 7},
                {{Ok()}, 1, Code::kOk, 7.7}},
               Times(3, {{Ok()}, 1, Code::kOk, 8.4}, 0.7),
               {{{Ok()}, 1, Code::kOk, 10}}})},
      // A failure at 6 leaves 5, too few for a retry. A failure at 6.1 leaves
      // enough.
      {"RetriesComeBackWithTheTokens", Throttled(RetryPolicy(2, 1, 1), 10, 0.1),
       InARow({{{fails, 2, kUnavailable, 8},
                {fails, 2, kUnavailable, 6},
                {fails, 1, kUnavailable, 5}},
               Times(10, {{Ok()}, 1, Code::kOk, 5.1}, 0.1),
               {{{Fail(kUnavailable), Ok()}, 1, kUnavailable, 5},
                {{Ok()}, 1, Code::kOk, 5.1}},
               Times(10, {{Ok()}, 1, Code::kOk, 5.2}, 0.1),
               {{{Fail(kUnavailable), Ok()}, 2, Code::kOk, 5.2}}})},
      {"OnlyRetryableCodesTakeTokens",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{{Fail(Code::kPermissionDenied)}, 1, Code::kPermissionDenied, 10},
        {{Fail(Code::kNotFound)}, 1, Code::kNotFound, 10}}},
      {"APushbackThatForbidsTakesOne",
       Throttled(RetryPolicy(3, 1, 1), 10, 0.1),
       {{{PushBack("-1")}, 1, kUnavailable, 9},
        {{PushBack("-1", Code::kPermissionDenied)},
         1,
         Code::kPermissionDenied,
         8},
        {{PushBack("soon")}, 1, kUnavailable, 7}}},
      {"AlsoThatOfAFatalCode",
       Throttled(RetryPolicy(3, 1, 1), 4, 0.1),
       {{{PushBack("-1", Code::kPermissionDenied)},
         1,
         Code::kPermissionDenied,
         3},
        {{Fail(kUnavailable), Ok()}, 1, kUnavailable, 2}}},
      {"APushbackDoesNotOutrankTheCount",
       Throttled(RetryPolicy(3, 1, 1), 2, 0.1),
       {{{PushBack("0"), Ok()}, 1, kUnavailable, 1}}},
      {"ThreeDecimalsCount",
       Throttled(RetryPolicy(2, 1, 1), 3, 0.501),
       {{fails, 2, kUnavailable, 1},
        {{Ok()}, 1, Code::kOk, 1.501},
        {{Ok()}, 1, Code::kOk, 2.002},
        {{Ok()}, 1, Code::kOk, 2.503},
        // 1.503 is more than half of 3 only because of the third decimal.
        {{Fail(kUnavailable), Ok()}, 2, Code::kOk, 2.004}}},
      {"HedgesAreThrottledToo",
       Throttled(HedgingPolicy(3, kNever), 10, 0.1),
       {{fails, 3, kUnavailable, 7},
        {fails, 2, kUnavailable, 5},
        {fails, 1, kUnavailable, 4}}},
      // The delay passes twice before the second call is answered. It is long
      // enough for the first call to fail within it on any machine.
      {"NoHedgeByTimeEither",
       Throttled(HedgingPolicy(3, 250), 2, 0.5),
       {{fails, 1, kUnavailable, 1},
        {{Ok(600)}, 1, Code::kOk, 1.5},
        {{Hang(), Hang(), Ok()}, 3, Code::kOk, 2}}},
  };
}

}  // namespace firebreak::testing
