// Every bad field is named, with its value and its range, all at once.
#include "src/core/options.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

MethodOptions Everything() {
  MethodOptions options;
  options.timeout = Sec(2);
  options.breaker = BreakerOptions{};
  options.retry = RetryOptions{};
  options.hedging = HedgingOptions{};
  options.hedging->max_attempts = options.retry->max_attempts;
  options.admission.bulkhead = BulkheadOptions{};
  options.admission.rate_limit = RateLimitOptions{};
  options.admission.rate_limit->rate = 100;
  options.admission.throttle = ThrottleOptions{};
  return options;
}

TEST(OptionsTest, TheDefaultsAreValid) {
  EXPECT_EQ(MethodOptions{}.Validate(), absl::OkStatus());
  EXPECT_EQ(Everything().Validate(), absl::OkStatus());
  FieldErrors errors;
  BudgetOptions{}.Check("budget", &errors);
  EXPECT_THAT(errors, IsEmpty());
}

struct Case {
  std::function<void(MethodOptions*)> change;
  std::string want;  // the message, "" when valid
};

void Judge(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    MethodOptions options = Everything();
    c.change(&options);
    const absl::Status status = options.Validate();
    EXPECT_EQ(status.message(), c.want);
    if (!c.want.empty()) {
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
    }
  }
}

TEST(OptionsTest, TripRuleFields) {
  using M = MethodOptions*;
  // No trip rule but the one that a case sets.
  auto only = [](M o) {
    o->breaker->failure_rate = 0;
    o->breaker->consecutive_failures = 0;
  };
  const std::string no_rule =
      "breaker.failure_rate: is 0, and every other trip rule is off; allowed: "
      "at least one trip rule";
  Judge({
      {[&](M o) { only(o), o->breaker->leaky_failures = 1; }, ""},
      {[](M o) { o->breaker->leaky_failures = 1'000'000; }, ""},
      {[](M o) { o->breaker->leaky_failures = 1'000'001; },
       "breaker.leaky_failures: is 1000001; allowed [0, 1000000]"},
      {[](M o) { o->breaker->leaky_failures = -1; },
       "breaker.leaky_failures: is -1; allowed [0, 1000000]"},
      {[&](M o) { only(o), o->breaker->slow_call_duration = Ms(1); }, ""},
      {[&](M o) {
         only(o);
         o->breaker->slow_call_duration = Ms(1);
         o->breaker->slow_call_rate = 0;
       },
       no_rule},
      {[&](M o) {
         only(o);
         o->breaker->slow_call_duration = Ms(1);
         o->breaker->slow_call_rate = 0;
         o->breaker->leaky_slow_calls = 10;
       },
       ""},
      {[&](M o) { only(o), o->breaker->leaky_slow_calls = 10; }, no_rule},
      {[](M o) { o->breaker->leaky_slow_calls = -1; },
       "breaker.leaky_slow_calls: is -1; allowed [0, 1000000]"},
      {[](M o) { o->breaker->slow_call_duration = Duration(-1); },
       "breaker.slow_call_duration: is -1ns; allowed [0s, 3600s]"},
      {[](M o) { o->breaker->slow_call_duration = Sec(3600); }, ""},
      {[](M o) { o->breaker->slow_call_duration = Sec(3601); },
       "breaker.slow_call_duration: is 3601s; allowed [0s, 3600s]"},
      {[](M o) { o->breaker->slow_call_duration = Duration::max(); },
       "breaker.slow_call_duration: is infinite; allowed [0s, "
       "3600s]"},
      {[](M o) { o->breaker->slow_call_rate = kNan; },
       "breaker.slow_call_rate: is nan; allowed [0, 1]"},
      {[](M o) { o->breaker->slow_call_rate = 1; }, ""},
      {[](M o) { o->breaker->slow_call_rate = 1.01; },
       "breaker.slow_call_rate: is 1.01; allowed [0, 1]"},
      {[](M o) { o->breaker->confidence = 0.5; }, ""},
      {[](M o) { o->breaker->confidence = 0.9999; }, ""},
      {[](M o) { o->breaker->confidence = 0.49; },
       "breaker.confidence: is 0.49; allowed [0.5, 0.9999]"},
      {[](M o) { o->breaker->confidence = 1; },
       "breaker.confidence: is 1; allowed [0.5, 0.9999]"},
      {[](M o) { o->breaker->confidence = kNan; },
       "breaker.confidence: is nan; allowed [0.5, 0.9999]"},
      {[](M o) { o->breaker->confidence = -kInf; },
       "breaker.confidence: is -inf; allowed [0.5, 0.9999]"},
      {[](M o) {
         o->breaker->failure_rate = 0;
         o->breaker->slow_call_duration = Sec(1);
         o->breaker->window.kind = WindowOptions::Kind::kCalls;
         o->breaker->window.calls = 19;
       },
       "breaker.minimum_calls: is 20; allowed [1, window.calls = 19], or the "
       "rate rule can never hold"},
  });
}

TEST(OptionsTest, ReturnAndBlameFields) {
  using M = MethodOptions*;
  Judge({
      {[](M o) { o->breaker->half_open_duration = Duration::zero(); }, ""},
      {[](M o) { o->breaker->half_open_duration = Sec(3601); },
       "breaker.half_open_duration: is 3601s; allowed [0s, 3600s]"},
      {[](M o) { o->breaker->half_open_duration = Sec(-1); },
       "breaker.half_open_duration: is -1s; allowed [0s, 3600s]"},
      {[](M o) {
         o->breaker->ramp = {1, Sec(3600)};
       },
       ""},
      {[](M o) {
         o->breaker->ramp = {0, Sec(3601)};
       },
       "breaker.ramp.initial: is 0; allowed (0, 1]; breaker.ramp.duration: is "
       "3601s; allowed [0s, 3600s]"},
      {[](M o) {
         o->breaker->ramp = {kNan, Sec(-1)};
       },
       "breaker.ramp.initial: is nan; allowed (0, 1]; breaker.ramp.duration: "
       "is -1s; allowed [0s, 3600s]"},
      {[](M o) { o->breaker->ramp.initial = 1.1; },
       "breaker.ramp.initial: is 1.1; allowed (0, 1]"},
      {[](M o) { o->breaker->ignored_codes = {Code::kUnavailable}; }, ""},
      {[](M o) { o->breaker->ignored_codes = {Code::kOk}; },
       "breaker.ignored_codes: contains OK; allowed: codes other than OK"},
      {[](M o) { o->breaker->ignored_codes = kDefaultFailureCodes; },
       "breaker.ignored_codes: contains all of failure_codes; allowed: at "
       "least one code that is a failure"},
  });
}

TEST(OptionsTest, AdmissionFields) {
  using M = MethodOptions*;
  auto bulkhead = [](M o) -> BulkheadOptions& {
    return *o->admission.bulkhead;
  };
  auto rate = [](M o) -> RateLimitOptions& { return *o->admission.rate_limit; };
  auto throttle = [](M o) -> ThrottleOptions& {
    return *o->admission.throttle;
  };
  Judge({
      {[&](M o) { bulkhead(o).max_concurrent = 1; }, ""},
      {[&](M o) { bulkhead(o).max_concurrent = 100'000; }, ""},
      {[&](M o) { bulkhead(o).max_concurrent = 0; },
       "bulkhead.max_concurrent: is 0; allowed [1, 100000]"},
      {[&](M o) { bulkhead(o).max_concurrent = -1; },
       "bulkhead.max_concurrent: is -1; allowed [1, 100000]"},
      {[&](M o) { bulkhead(o).max_concurrent = 100'001; },
       "bulkhead.max_concurrent: is 100001; allowed [1, 100000]"},
      {[&](M o) { bulkhead(o).max_queue = 0; }, ""},
      {[&](M o) { bulkhead(o).max_queue = -1; },
       "bulkhead.max_queue: is -1; allowed [0, 100000]"},
      {[&](M o) { bulkhead(o).max_queue = std::numeric_limits<int>::max(); },
       "bulkhead.max_queue: is 2147483647; allowed [0, 100000]"},
      {[&](M o) { bulkhead(o).max_wait = Duration::zero(); }, ""},
      {[&](M o) { bulkhead(o).max_wait = Sec(3600); }, ""},
      {[&](M o) { bulkhead(o).max_wait = Sec(3600) + Duration(1); },
       "bulkhead.max_wait: is 3600000000001ns; allowed [0s, 3600s]"},
      {[&](M o) { bulkhead(o).max_wait = Ms(-1); },
       "bulkhead.max_wait: is -1ms; allowed [0s, 3600s]"},
      {[&](M o) { rate(o).rate = 0.001; }, ""},
      {[&](M o) { rate(o).rate = 0; },
       "rate_limit.rate: is 0; allowed [0.001, 1000000]"},
      {[&](M o) { rate(o).rate = -1; },
       "rate_limit.rate: is -1; allowed [0.001, 1000000]"},
      {[&](M o) { rate(o).rate = kNan; },
       "rate_limit.rate: is nan; allowed [0.001, 1000000]"},
      {[&](M o) { rate(o).rate = kInf; },
       "rate_limit.rate: is inf; allowed [0.001, 1000000]"},
      {[&](M o) { rate(o).rate = 1'000'001; },
       "rate_limit.rate: is 1000001; allowed [0.001, 1000000]"},
      {[&](M o) { rate(o).burst = 1'000'000; }, ""},
      {[&](M o) { rate(o).burst = -1; },
       "rate_limit.burst: is -1; allowed [0, 1000000]"},
      {[&](M o) { rate(o).burst = 1'000'001; },
       "rate_limit.burst: is 1000001; allowed [0, 1000000]"},
      {[&](M o) { rate(o).max_wait = Duration::min(); },
       "rate_limit.max_wait: is " + FormatDuration(Duration::min()) +
           "; allowed [0s, 3600s]"},
      {[&](M o) { throttle(o).k = 1; }, ""},
      {[&](M o) { throttle(o).k = 0.99; },
       "throttle.k: is 0.99; allowed [1, 1000]"},
      {[&](M o) { throttle(o).k = kNan; },
       "throttle.k: is nan; allowed [1, 1000]"},
      {[&](M o) { throttle(o).k = 1001; },
       "throttle.k: is 1001; allowed [1, 1000]"},
      {[&](M o) { throttle(o).window = Sec(1); }, ""},
      {[&](M o) { throttle(o).window = Ms(999); },
       "throttle.window: is 999ms; allowed [1s, 3600s]"},
  });
}

TEST(OptionsTest, BreakerFields) {
  using M = MethodOptions*;
  auto calls = [](M o, int n) {
    o->breaker->window.kind = WindowOptions::Kind::kCalls;
    o->breaker->window.calls = n;
  };
  Judge({
      {[](M o) { o->breaker->consecutive_failures = 0; }, ""},
      {[](M o) { o->breaker->failure_rate = 0; }, ""},
      {[](M o) { o->breaker->consecutive_failures = 1'000'000; }, ""},
      {[](M o) { o->breaker->consecutive_failures = -1; },
       "breaker.consecutive_failures: is -1; allowed [0, 1000000]"},
      {[](M o) { o->breaker->failure_rate = 1.5; },
       "breaker.failure_rate: is 1.5; allowed [0, 1]"},
      {[](M o) { o->breaker->failure_rate = kNan; },
       "breaker.failure_rate: is nan; allowed [0, 1]"},
      {[](M o) {
         o->breaker->failure_rate = 0;
         o->breaker->consecutive_failures = 0;
       },
       "breaker.failure_rate: is 0, and every other trip rule is off; allowed: "
       "at least one trip rule"},
      {[](M o) { o->breaker->minimum_calls = 0; },
       "breaker.minimum_calls: is 0; allowed [1, 10000]"},
      {[](M o) { o->breaker->window.duration = Ms(99); },
       "breaker.window.duration: is 99ms; allowed [100ms, 3600s]"},
      {[&](M o) { calls(o, 20); }, ""},
      {[&](M o) { calls(o, 19); },
       "breaker.minimum_calls: is 20; allowed [1, window.calls = 19], or the "
       "rate rule can never hold"},
      {[&](M o) {
         calls(o, 19);
         o->breaker->failure_rate = 0;
       },
       ""},
      {[&](M o) { calls(o, 10'001); },
       "breaker.window.calls: is 10001; allowed [1, 10000]"},
      {[](M o) { o->breaker->open_duration = Duration::zero(); },
       "breaker.open_duration: is 0s; allowed [1ms, 3600s]"},
      {[](M o) { o->breaker->open_growth = 0.5; },
       "breaker.open_growth: is 0.5; allowed [1, 10]"},
      {[](M o) { o->breaker->max_open_duration = Sec(9); },
       "breaker.max_open_duration: is 9s; allowed [10s, 3600s]"},
      {[](M o) { o->breaker->open_jitter = 0.51; },
       "breaker.open_jitter: is 0.51; allowed [0, 0.5]"},
      {[](M o) { o->breaker->probes = 0; },
       "breaker.probes: is 0; allowed [1, 1000]"},
      {[](M o) { o->breaker->probe_samples = 3; }, ""},
      {[](M o) { o->breaker->probe_samples = 2; },
       "breaker.probe_samples: is 2; allowed [3, 10000]"},
      {[](M o) { o->breaker->probe_success_ratio = 0.001; }, ""},
      {[](M o) { o->breaker->probe_success_ratio = 0; },
       "breaker.probe_success_ratio: is 0; allowed (0, 1]"},
      {[](M o) { o->breaker->probe_success_ratio = kInf; },
       "breaker.probe_success_ratio: is inf; allowed (0, 1]"},
      {[](M o) { o->breaker->probe_timeout = Duration(999'999); },
       "breaker.probe_timeout: is 999999ns; allowed [1ms, 3600s]"},
      {[](M o) { o->breaker->failure_codes = {}; },
       "breaker.failure_codes: is empty; allowed: at least one code"},
      {[](M o) { o->breaker->failure_codes.Add(Code::kOk); },
       "breaker.failure_codes: contains OK; allowed: codes other than OK"},
  });
}

TEST(OptionsTest, RetryAndHedgingFields) {
  using M = MethodOptions*;
  auto attempts = [](M o, int n) {
    o->retry->max_attempts = o->hedging->max_attempts = n;
  };
  Judge({
      {[&](M o) { attempts(o, 2); }, ""},
      {[&](M o) { attempts(o, 10); }, ""},
      {[&](M o) { attempts(o, 1); },
       "retry.max_attempts: is 1; allowed [2, 10]; "
       "hedging.max_attempts: is 1; allowed [2, 10]"},
      {[&](M o) { attempts(o, 11); },
       "retry.max_attempts: is 11; allowed [2, 10]; "
       "hedging.max_attempts: is 11; allowed [2, 10]"},
      {[](M o) { o->hedging->max_attempts = 2; },
       "hedging.max_attempts: is 2; allowed 3, as retry.max_attempts: both "
       "share one limit"},
      {[](M o) { o->retry->backoff.initial = -Ms(1); },
       "retry.backoff.initial: is -1ms; allowed [0s, 3600s]"},
      {[](M o) { o->retry->backoff.multiplier = 0; },
       "retry.backoff.multiplier: is 0; allowed (0, 100]"},
      {[](M o) { o->retry->backoff.max = Ms(50); },
       "retry.backoff.max: is 50ms; allowed [100ms, 3600s]"},
      {[](M o) { o->retry->codes = {}; },
       "retry.codes: is empty; allowed: at least one code"},
      {[](M o) { o->retry->codes.Add(Code::kOk); },
       "retry.codes: contains OK; allowed: codes other than OK"},
      {[](M o) { o->retry->attempt_timeout = -Ms(1); },
       "retry.attempt_timeout: is -1ms; allowed [0s, 3600s]"},
      {[](M o) { o->hedging->delay = Duration::zero(); }, ""},
      {[](M o) { o->hedging->non_fatal_codes = {}; }, ""},
      {[](M o) { o->hedging->non_fatal_codes.Add(Code::kOk); },
       "hedging.non_fatal_codes: contains OK; allowed: codes other than OK"},
      {[](M o) { o->hedging->delay = Sec(2) - Duration(1); }, ""},
      {[](M o) { o->hedging->delay = Sec(2); },
       "hedging.delay: is 2s; allowed less than timeout = 2s, or no hedge is "
       "ever sent"},
      {[](M o) {
         o->hedging->delay = Sec(3601);
         o->timeout = Duration::zero();
       },
       "hedging.delay: is 3601s; allowed [0s, 3600s]"},
      {[](M o) { o->timeout = -Ms(1); },
       "timeout: is -1ms; allowed [0s, 3600s]"},
  });
}

TEST(OptionsTest, LiveDelayAndDeadlineGateFields) {
  using M = MethodOptions*;
  Judge({
      {[](M o) { o->hedging->quantile = 0.95; }, ""},
      {[](M o) { o->hedging->quantile = 1; },
       "hedging.quantile: is 1; allowed (0, 1)"},
      {[](M o) { o->hedging->quantile = -0.1; },
       "hedging.quantile: is -0.1; allowed (0, 1)"},
      {[](M o) { o->hedging->quantile = kNan; },
       "hedging.quantile: is nan; allowed (0, 1)"},
      {[](M o) { o->hedging->min_delay = -Ms(1); },
       "hedging.min_delay: is -1ms; allowed [0s, 3600s]"},
      {[](M o) { o->hedging->max_delay = Duration(999'999); },
       "hedging.max_delay: is 999999ns; allowed [1ms, 3600s]"},
      // Not used: it need not fit the timeout of 2 s.
      {[](M o) {
         o->hedging->quantile = 0.9;
         o->hedging->delay = Sec(3);
         o->hedging->max_delay = Sec(3);
       },
       ""},
      {[](M o) {
         o->hedging->quantile = 0.9;
         o->hedging->min_delay = o->hedging->max_delay = Sec(2);
       },
       "hedging.min_delay: is 2s; allowed less than timeout = 2s, or no hedge "
       "is ever sent"},
      {[](M o) {
         o->deadline_gate = DeadlineGateOptions{0.01, true};
       },
       ""},
      {[](M o) {
         o->deadline_gate = DeadlineGateOptions{0, false};
       },
       "deadline_gate.quantile: is 0; allowed (0, 1)"},
      {[](M o) {
         o->deadline_gate = DeadlineGateOptions{kNan, false};
       },
       "deadline_gate.quantile: is nan; allowed (0, 1)"},
  });
}

TEST(OptionsTest, BudgetFields) {
  BudgetOptions options;
  options.ratio = -0.1;
  options.floor = 1001;
  options.burst = 0.5;
  FieldErrors errors;
  options.Check("channel.budget", &errors);
  EXPECT_EQ(ToStatus(errors).message(),
            "channel.budget.ratio: is -0.1; allowed [0, 1]; "
            "channel.budget.floor: is 1001; allowed [0, 1000]; "
            "channel.budget.burst: is 0.5; allowed [1, 10000]");
}

TEST(OptionsTest, AllErrorsAreReportedAtOnceUnderTheirPath) {
  MethodOptions options = Everything();
  options.timeout = -Ms(1);
  options.breaker->probes = 0;
  options.retry->codes = {};
  FieldErrors errors;
  options.Check("method[2]", &errors);
  EXPECT_THAT(std::string(ToStatus(errors).message()),
              AllOf(HasSubstr("method[2].timeout: "),
                    HasSubstr("method[2].breaker.probes: "),
                    HasSubstr("method[2].retry.codes: ")));
  EXPECT_EQ(errors.size(), 3U);
}

TEST(OptionsTest, RetriesAndHedgesShareOneLimit) {
  EXPECT_EQ(MethodOptions{}.max_attempts(), 1);
  EXPECT_EQ(Retrying(4).max_attempts(), 4);
  EXPECT_EQ(Hedging(5, Ms(1)).max_attempts(), 5);
  EXPECT_EQ(Everything().max_attempts(), 3);
}

TEST(OptionsTest, ACodeIsRetryableForEitherOfTheTwo) {
  MethodOptions options;
  EXPECT_FALSE(options.IsRetryable(Code::kUnavailable));
  options.retry = RetryOptions{};
  options.retry->codes = {Code::kAborted};
  options.hedging = HedgingOptions{};
  options.hedging->non_fatal_codes = {Code::kInternal};
  EXPECT_TRUE(options.IsRetryable(Code::kAborted));
  EXPECT_TRUE(options.IsRetryable(Code::kInternal));
  EXPECT_FALSE(options.IsRetryable(Code::kUnavailable));
  EXPECT_FALSE(options.IsRetryable(Code::kOk));
}

TEST(OptionsTest, OnlyWhatMakesAttemptsNeedsADriver) {
  MethodOptions options;
  EXPECT_FALSE(options.NeedsDriver());
  options.breaker = BreakerOptions{};
  EXPECT_FALSE(options.NeedsDriver());
  EXPECT_TRUE(Retrying(2).NeedsDriver());
  EXPECT_TRUE(Hedging(2, Ms(1)).NeedsDriver());
  options.timeout = Ms(1);
  EXPECT_TRUE(options.NeedsDriver());
}

TEST(OptionsTest, WhatAPartLeavesOutHasItsDefault) {
  MethodOptions options;
  EXPECT_EQ(options.attempt_timeout(0), Duration::zero());
  EXPECT_EQ(options.blame().failures, kDefaultFailureCodes);
  options = Everything();
  options.retry->attempt_timeout = Ms(7);
  options.breaker->failure_codes = {Code::kAborted};
  EXPECT_EQ(options.attempt_timeout(0), Ms(7));
  EXPECT_EQ(options.blame().failures, CodeSet{Code::kAborted});
  EXPECT_EQ(options.breaker->samples(), options.breaker->probes);
  options.breaker->probe_samples = 9;
  EXPECT_EQ(options.breaker->samples(), 9);
}

}  // namespace
}  // namespace firebreak::core
