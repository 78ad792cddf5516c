#include "src/sim/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>

#include "src/sim/forecast_run.h"
#include "src/sim/what_if.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using core::Reason;
using core::Sec;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Code = absl::StatusCode;
using Call = Recording::Call;

constexpr char kCharge[] = "/shop.v1.PaymentService/Charge";
constexpr char kReserve[] = "/shop.v1.InventoryService/Reserve";

// The same options for every method.
Policy Of(const core::MethodOptions& options) {
  Policy policy;
  auto shared = std::make_shared<const core::MethodOptions>(options);
  policy.find = [shared](const std::string&) { return shared; };
  return policy;
}

std::vector<Incident> WhatIf(const char* text) { return *ParseWhatIf(text); }

int64_t EndedWith(const Forecast& forecast, Code code) {
  return forecast.codes[static_cast<size_t>(code)];
}
int64_t RefusedFor(const Forecast& forecast, Reason reason) {
  return forecast.refusals[static_cast<size_t>(reason)];
}
void ExpectNothingLost(const Forecast& f) {
  EXPECT_EQ(std::accumulate(f.codes.begin(), f.codes.end(), int64_t{0}) +
                f.unanswered,
            f.calls);
  EXPECT_EQ(f.calls - f.refused() + f.retries + f.hedges, f.attempts);
  EXPECT_EQ(EndedWith(f, Code::kOk), f.successes);
  EXPECT_EQ(static_cast<int64_t>(f.latencies_us.size()), f.successes);
}

// Makes `n` calls, one every 10 ms.
Recording Calls(int n, Duration latency, Code code = Code::kOk) {
  Recording recording;
  recording.methods = {kCharge};
  for (int i = 0; i < n; ++i) {
    recording.calls.push_back({Ms(10) * i, latency, 0, code});
  }
  return recording;
}

TEST(Forecast, WithoutPolicyARecordingIsWhatItWas) {
  Recording recording = Calls(100, Ms(20));
  recording.calls[3].code = Code::kUnavailable;
  recording.calls[4].code = Code::kNotFound;
  recording.calls[5].code = Code::kCancelled;
  recording.calls[6].latency = Ms(700);
  Workload workload;
  workload.recording = &recording;
  const Forecast forecast = RunForecast(workload, {});
  ExpectNothingLost(forecast);
  EXPECT_EQ(forecast.calls, 100);
  EXPECT_EQ(EndedWith(forecast, Code::kUnavailable), 1);
  EXPECT_EQ(EndedWith(forecast, Code::kNotFound), 1);
  EXPECT_EQ(forecast.cancelled, 1);
  EXPECT_EQ(forecast.attempts, 100);
  EXPECT_NEAR(forecast.success(), 97.0 / 99, 1e-9);
  EXPECT_EQ(forecast.Latency(0.5), Ms(20));
  EXPECT_EQ(forecast.Latency(1), Ms(700));
  EXPECT_FALSE(forecast.has_recovery);
}

TEST(Forecast, ATimeoutEndsTheRecordedCallsThatTookLonger) {
  Recording recording = Calls(100, Ms(20));
  for (size_t i = 0; i < 7; ++i) recording.calls[10 * i].latency = Ms(300);
  Workload workload;
  workload.recording = &recording;
  core::MethodOptions options;
  options.timeout = Ms(250);
  const Forecast forecast = RunForecast(workload, Of(options));
  EXPECT_EQ(EndedWith(forecast, Code::kDeadlineExceeded), 7);
  EXPECT_EQ(forecast.successes, 93);
  EXPECT_EQ(forecast.unwanted, 7);
  options.timeout = Ms(301);
  EXPECT_EQ(RunForecast(workload, Of(options)).successes, 100);
}

TEST(Forecast, TheCallersDeadlineHoldsWithoutPolicy) {
  Workload workload;
  workload.latency = Distribution::Constant(Ms(50));
  workload.length = Sec(1);
  workload.deadline = Ms(40);
  const Forecast forecast = RunForecast(workload, {});
  EXPECT_EQ(EndedWith(forecast, Code::kDeadlineExceeded), forecast.calls);
}

TEST(Forecast, RetriesMeetWhatOthersMetAtTheSameTime) {
  // An outage of five seconds, with single failures before and after it.
  Recording recording = Calls(1500, Ms(5));
  for (size_t i = 500; i < 1000; ++i) {
    recording.calls[i].code = Code::kUnavailable;
  }
  for (size_t i = 0; i < 500; i += 50) {
    recording.calls[i].code = Code::kUnavailable;
  }
  Workload workload;
  workload.recording = &recording;
  core::MethodOptions options;
  options.retry = core::RetryOptions{};
  options.retry->backoff.initial = Ms(1);
  options.retry->backoff.max = Ms(1);
  Policy policy = Of(options);
  policy.budget.ratio = 1;
  policy.budget.burst = 10'000;
  policy.budget.initial = 10'000;
  const Forecast forecast = RunForecast(workload, policy);
  ExpectNothingLost(forecast);
  // A retry repairs a single failure, but none during the outage.
  const int64_t failed = EndedWith(forecast, Code::kUnavailable);
  EXPECT_GT(failed, 480);
  EXPECT_LE(failed, 502);
  EXPECT_GT(forecast.retries, 900);
}

TEST(Forecast, TheSameSeedIsTheSameForecast) {
  Workload workload;
  workload.length = Sec(20);
  workload.latency = Distribution::LogNormal(Ms(20), Ms(40));
  workload.failure_rate = 0.05;
  workload.incidents = WhatIf("frozen for 2s at 5s; fails 40% for 5s at 10s");
  core::MethodOptions options;
  options.timeout = Ms(200);
  options.breaker = core::BreakerOptions{};
  options.retry = core::RetryOptions{};
  const Forecast one = RunForecast(workload, Of(options));
  const Forecast two = RunForecast(workload, Of(options));
  EXPECT_EQ(one.latencies_us, two.latencies_us);
  EXPECT_EQ(one.codes, two.codes);
  EXPECT_EQ(one.events.size(), two.events.size());
  // With another policy the calls are the same.
  EXPECT_EQ(one.calls, RunForecast(workload, {}).calls);
  workload.seed = 2;
  EXPECT_NE(one.latencies_us, RunForecast(workload, Of(options)).latencies_us);
}

TEST(Forecast, TellsTheStoryOfAFrozenServer) {
  Workload workload;
  workload.method = kCharge;
  workload.latency = Distribution::LogNormal(Ms(20), Ms(10));
  workload.length = Sec(60);
  workload.incidents = WhatIf("payment frozen for 20s at 10s");
  core::MethodOptions options;
  options.timeout = Ms(200);
  options.breaker = core::BreakerOptions{};
  const Forecast forecast = RunForecast(workload, Of(options));
  ExpectNothingLost(forecast);
  ASSERT_GE(forecast.times_opened, 1);
  ASSERT_THAT(forecast.events, ::testing::Not(IsEmpty()));
  EXPECT_EQ(forecast.events[0].from, "closed");
  EXPECT_EQ(forecast.events[0].to, "open");
  EXPECT_EQ(forecast.events[0].method, kCharge);
  EXPECT_GE(forecast.events[0].at, Time(Sec(10)));
  EXPECT_LE(forecast.events[0].at, Time(Sec(12)));
  EXPECT_GT(forecast.open_time, Sec(18));
  EXPECT_LT(forecast.open_time, Sec(25));
  EXPECT_GT(RefusedFor(forecast, Reason::kBreakerOpen), 1500);
  ASSERT_TRUE(forecast.recovery.has_value());
  EXPECT_LE(*forecast.recovery, Sec(4));
  EXPECT_EQ(forecast.seconds.size(), 60u);
  EXPECT_EQ(forecast.seconds[20].successes, 0);
  // Without a deadline no call fails, since all of them wait.
  const Forecast without = RunForecast(workload, {});
  EXPECT_EQ(without.success(), 1);
  EXPECT_GT(without.Latency(0.999), Sec(15));
  // If the server never recovers, they wait for ever.
  workload.incidents = WhatIf("frozen at 10s");
  const Forecast never = RunForecast(workload, {});
  ExpectNothingLost(never);
  EXPECT_GT(never.unanswered, 4000);
  EXPECT_FALSE(never.has_recovery);
}

TEST(Forecast, ADownServerRefusesAtOnce) {
  Workload workload;
  workload.length = Sec(10);
  workload.incidents = WhatIf("down for 5s at 2s");
  const Forecast forecast = RunForecast(workload, {});
  EXPECT_NEAR(static_cast<double>(EndedWith(forecast, Code::kUnavailable)) /
                  static_cast<double>(forecast.calls),
              0.5, 0.05);
}

TEST(Forecast, LoadMakesMoreCallsAndBusyServersMakeThemWait) {
  Workload workload;
  workload.per_second = 50;
  workload.length = Sec(60);
  workload.latency = Distribution::Constant(Ms(10));
  workload.replicas.workers = 1;
  const Forecast before = RunForecast(workload, {});
  workload.incidents = WhatIf("load x3 for 20s at 20s");
  const Forecast forecast = RunForecast(workload, {});
  ExpectNothingLost(forecast);
  EXPECT_NEAR(static_cast<double>(forecast.seconds[30].calls), 150, 50);
  EXPECT_NEAR(static_cast<double>(forecast.calls), 50 * 40 + 150 * 20, 250);
  // The load is 1.5 times the capacity of the one worker, so the queue grows to
  // ten seconds.
  EXPECT_GT(forecast.Latency(0.99), Sec(5));
  EXPECT_LT(before.Latency(0.99), Ms(100));
  workload.replicas.queue = 10;
  const Forecast bounded = RunForecast(workload, {});
  EXPECT_GT(EndedWith(bounded, Code::kResourceExhausted), 500);
  EXPECT_LE(bounded.Latency(1), Ms(110));
}

TEST(Forecast, LoadRepeatsRecordedCalls) {
  const Recording recording = Calls(3000, Ms(5));
  Workload workload;
  workload.recording = &recording;
  workload.incidents = WhatIf("load x2.5");
  EXPECT_NEAR(static_cast<double>(RunForecast(workload, {}).calls), 7500, 150);
  workload.incidents = WhatIf("load x0.1");
  EXPECT_NEAR(static_cast<double>(RunForecast(workload, {}).calls), 300, 60);
}

TEST(Forecast, AHedgeGoesToAnotherReplica) {
  Workload workload;
  workload.length = Sec(30);
  workload.latency = Distribution::Constant(Ms(10));
  workload.replicas.count = 10;
  workload.incidents = WhatIf("10% of replicas slow x100");
  const Forecast plain = RunForecast(workload, {});
  EXPECT_EQ(plain.Latency(0.85), Ms(10));
  EXPECT_EQ(plain.Latency(0.95), Ms(1000));
  core::MethodOptions options;
  options.idempotent = true;
  options.hedging = core::HedgingOptions{};
  options.hedging->delay = Ms(20);
  Policy policy = Of(options);
  policy.budget.ratio = 0.2;
  const Forecast hedged = RunForecast(workload, policy);
  ExpectNothingLost(hedged);
  EXPECT_EQ(hedged.Latency(0.99), Ms(30));
  EXPECT_NEAR(hedged.extra_load(), 0.1, 0.02);
  EXPECT_NEAR(static_cast<double>(hedged.hedge_wins),
              static_cast<double>(hedged.hedges), 20);
}

TEST(Forecast, CallsPassAdmission) {
  Workload workload;
  workload.per_second = 200;
  workload.length = Sec(10);
  workload.latency = Distribution::Constant(Ms(100));
  core::MethodOptions options;
  options.admission.bulkhead = core::BulkheadOptions{};
  options.admission.bulkhead->max_concurrent = 10;
  options.admission.bulkhead->max_queue = 5;
  options.admission.bulkhead->max_wait = Ms(20);
  const Forecast forecast = RunForecast(workload, Of(options));
  ExpectNothingLost(forecast);
  // Ten at a time, 100 ms each.
  EXPECT_NEAR(static_cast<double>(forecast.successes), 1000, 30);
  EXPECT_GT(RefusedFor(forecast, Reason::kBulkheadFull), 0);
  EXPECT_GT(RefusedFor(forecast, Reason::kQueueTimeout), 0);
  // Some calls have waited, but none longer than allowed.
  EXPECT_GT(forecast.Latency(1), Ms(101));
  EXPECT_LE(forecast.Latency(1), Ms(120));
  // The same for the whole channel.
  Policy of_channel = Of({});
  of_channel.admission = options.admission;
  EXPECT_EQ(RunForecast(workload, of_channel).successes, forecast.successes);
}

TEST(Forecast, MethodsOfAChannelShareWhatThePolicySays) {
  Recording recording = Calls(2000, Ms(5));
  recording.methods.emplace_back(kReserve);
  for (size_t i = 0; i < recording.calls.size(); i += 2) {
    recording.calls[i].method = 1;
    if (i > 500) recording.calls[i].code = Code::kUnavailable;
  }
  Workload workload;
  workload.recording = &recording;
  core::MethodOptions options;
  options.breaker = core::BreakerOptions{};
  const Forecast own = RunForecast(workload, Of(options));
  EXPECT_LT(own.refused(), 1000);
  ASSERT_FALSE(own.events.empty());
  EXPECT_EQ(own.events[0].method, kReserve);
  options.breaker->scope = core::BreakerOptions::Scope::kChannel;
  options.breaker->failure_rate = 0.3;
  options.breaker->minimum_calls = 20;
  const Forecast shared = RunForecast(workload, Of(options));
  ASSERT_FALSE(shared.events.empty());
  EXPECT_EQ(shared.events[0].method, "*");
  EXPECT_GT(shared.refused(), 0);
  // The other method gets half of the tokens for retries.
  core::MethodOptions retries;
  retries.retry = core::RetryOptions{};
  EXPECT_LE(RunForecast(workload, Of(retries)).retries, 8 + 200);
}

TEST(Forecast, IncidentsAreOfServices) {
  Recording recording = Calls(1000, Ms(5));
  recording.methods.emplace_back(kReserve);
  for (size_t i = 0; i < recording.calls.size(); i += 2) {
    recording.calls[i].method = 1;
  }
  Workload workload;
  workload.recording = &recording;
  workload.incidents = WhatIf("PAYMENT down");
  ASSERT_TRUE(CheckWorkload(workload, "").ok());
  EXPECT_EQ(RunForecast(workload, {}).successes, 500);
  // The name of a channel means all of its services.
  workload.incidents = WhatIf("backends down");
  EXPECT_THAT(std::string(CheckWorkload(workload, "").message()),
              HasSubstr("'backends' is a part of no service's name; there are "
                        "shop.v1.InventoryService, shop.v1.PaymentService"));
  ASSERT_TRUE(CheckWorkload(workload, "backends").ok());
  Policy policy;
  policy.channel = "backends";
  EXPECT_EQ(RunForecast(workload, policy).successes, 0);
}

TEST(Forecast, RefusesWorkloadsThatMakeNoSense) {
  Workload workload;
  EXPECT_TRUE(CheckWorkload(workload, "").ok());
  workload.incidents = WhatIf("5% of replicas slow");
  EXPECT_THAT(std::string(CheckWorkload(workload, "").message()),
              HasSubstr("less than one of 1 replicas"));
  workload.incidents = WhatIf("down at 1h");
  EXPECT_THAT(std::string(CheckWorkload(workload, "").message()),
              HasSubstr("begins after the last call"));
  workload.incidents.clear();
  for (const double rate : {0.0, -1.0, std::nan(""), 1e7}) {
    workload.per_second = rate;
    EXPECT_FALSE(CheckWorkload(workload, "").ok()) << rate;
  }
  workload.per_second = 1;
  workload.failure_rate = std::nan("");
  EXPECT_FALSE(CheckWorkload(workload, "").ok());
}

TEST(Forecast, TellsItsProgress) {
  Workload workload;
  workload.per_second = 10'000;
  workload.length = Sec(5);
  double last = 0;
  int told = 0;
  RunForecast(workload, {}, [&](double share) {
    EXPECT_GT(share, last);
    EXPECT_LE(share, 1);
    last = share;
    ++told;
  });
  EXPECT_GE(told, 5);
}

// With no combination of parts is a call lost or counted twice.
TEST(Forecast, NothingIsLostWhateverHappens) {
  core::Dice dice(5);
  const char* const incidents[] = {
      "frozen for 3s at 2s", "down for 1s at 1s",      "load x4 for 3s at 1s",
      "fails 30%",           "50% of replicas frozen", "slow x30 for 2s at 3s",
  };
  for (int round = 0; round < 60; ++round) {
    Recording recording = Calls(1000, Ms(0));
    for (Call& call : recording.calls) {
      call.latency = Ms(dice.Int(1, 300));
      call.code = dice.Chance(0.8)
                      ? Code::kOk
                      : static_cast<Code>(dice.Int(0, core::kStatusCodes - 1));
    }
    Workload workload;
    if (dice.Chance(0.5)) workload.recording = &recording;
    workload.length = Sec(10);
    workload.latency = Distribution::Exponential(Ms(30));
    workload.replicas.count = 2;
    workload.replicas.workers = dice.Int(0, 3);
    if (dice.Chance(0.5)) workload.deadline = Ms(500);
    workload.seed = static_cast<uint64_t>(round);
    for (const char* incident : incidents) {
      if (!dice.Chance(0.3)) continue;
      workload.incidents.push_back(WhatIf(incident)[0]);
    }
    ASSERT_TRUE(CheckWorkload(workload, "").ok());
    core::MethodOptions options;
    options.idempotent = dice.Chance(0.5);
    if (dice.Chance(0.7)) options.timeout = Ms(dice.Int(10, 400));
    if (dice.Chance(0.7)) options.breaker = core::BreakerOptions{};
    if (dice.Chance(0.5)) options.retry = core::RetryOptions{};
    if (dice.Chance(0.5)) {
      options.hedging = core::HedgingOptions{};
      options.hedging->max_attempts = options.retry ? 3 : 2;
    }
    if (dice.Chance(0.5)) {
      options.admission.bulkhead = core::BulkheadOptions{};
      options.admission.bulkhead->max_concurrent = dice.Int(1, 10);
    }
    if (dice.Chance(0.3)) options.admission.throttle = core::ThrottleOptions{};
    const Forecast forecast = RunForecast(workload, Of(options));
    ExpectNothingLost(forecast);
  }
}

TEST(Forecast, RecoveryIsFiveGoodSeconds) {
  const auto seconds = [](const std::string& shape) {
    std::vector<Forecast::Second> out;
    for (const char c : shape) {
      // '-': no calls; a digit: this many tenths succeed; 'A': all do.
      out.push_back({c == '-' ? 0 : 1000,
                     c == '-'   ? 0
                     : c == 'A' ? 1000
                                : 100 * (c - '0'),
                     0});
    }
    return out;
  };
  const auto recovery = [&](const char* shape) {
    return RecoveryOf(seconds(shape), Sec(3), Sec(6));
  };
  EXPECT_EQ(recovery("AAA000AAAAAA"), Sec(0));
  EXPECT_EQ(recovery("AAA0000AAAAA"), Sec(1));
  EXPECT_EQ(recovery("AAA00000AA0AAAAA"), Sec(5));
  EXPECT_EQ(recovery("AAA000--AAAA"), Sec(0));
  EXPECT_EQ(recovery("AAA0000AAAA"), absl::nullopt);
  EXPECT_EQ(recovery("AAA000"), absl::nullopt);
  // It has recovered when the success rate is as usual.
  EXPECT_EQ(recovery("9990008999999"), Sec(1));
  EXPECT_EQ(RecoveryOf(seconds("AAA0000AAAAA"), Sec(3), Ms(5500)), Ms(1500));
}

TEST(Forecast, KnowsTheServiceOfAMethod) {
  EXPECT_EQ(ServiceOf(kCharge), "shop.v1.PaymentService");
  EXPECT_EQ(ServiceOf("other"), "other");
  EXPECT_EQ(ServiceOf("/"), "/");
  EXPECT_EQ(ServiceOf(""), "");
  EXPECT_EQ(ServiceOf("a/b"), "a");
}

// A hedge after 20 ms that comes 10 ms late is none for who has his answer by
// then.
TEST(Forecast, TimersThatAreLateSendFewerHedges) {
  core::MethodOptions options;
  options.idempotent = true;
  options.hedging.emplace();
  options.hedging->delay = Ms(20);
  Recording recording = Calls(1000, Ms(5));
  for (size_t i = 0; i < 1000; i += 20) {
    recording.calls[i].latency = i % 40 == 0 ? Ms(60) : Ms(25);
  }
  Workload workload;
  workload.recording = &recording;
  const Forecast in_time = RunForecast(workload, Of(options));
  EXPECT_EQ(in_time.hedges, 50);
  workload.timers_late = {Ms(10)};
  const Forecast late = RunForecast(workload, Of(options));
  EXPECT_EQ(late.hedges, 25);
  EXPECT_EQ(late.calls, in_time.calls);
  ExpectNothingLost(late);
}

// As of a process that has run for a while. A hedge would come after 500 ms
// otherwise, until a hundred calls have succeeded.
TEST(Forecast, HedgesKnowWhatCallsTakeFromTheFirstOneOn) {
  Recording recording = Calls(200, Ms(10));
  recording.calls[0].latency = Ms(900);
  Workload workload;
  workload.recording = &recording;
  core::MethodOptions options;
  options.hedging = core::HedgingOptions{};
  options.hedging->quantile = 0.9;
  options.hedging->max_delay = Ms(500);
  const Forecast forecast = RunForecast(workload, Of(options));
  EXPECT_LT(forecast.Latency(1), Ms(30));
  Workload made_up;
  made_up.latency = Distribution::TwoPoint(Ms(10), Ms(900), 0.08);
  made_up.length = Sec(1);
  EXPECT_LT(RunForecast(made_up, Of(options)).Latency(0.97), Ms(100));
}

// A further attempt meets what another call met: the one failure of a recording
// is mended by every retry.
TEST(Forecast, FurtherAttemptsDoNotMeetTheirOwnCallAgain) {
  core::MethodOptions options;
  options.idempotent = true;
  options.retry.emplace();
  Recording recording = Calls(40, Ms(5));
  recording.calls[20].code = Code::kUnavailable;
  Workload workload;
  workload.recording = &recording;
  for (workload.seed = 1; workload.seed <= 200; ++workload.seed) {
    EXPECT_EQ(RunForecast(workload, Of(options)).successes, 40)
        << workload.seed;
  }
}

}  // namespace
}  // namespace firebreak::sim
