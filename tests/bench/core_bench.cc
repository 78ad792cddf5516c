// What the core costs a call, beside the floor of one bare mutex.
//
//   scripts/bench core
//
// Each row is the median of five runs, in nanoseconds of wall time per
// operation, on one thread and on two that share everything. The last line is
// for comparing commits: absolute figures belong to a machine, the ratio to
// the floor of the same run travels better.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "src/core/attempt_budget.h"
#include "src/core/breaker.h"
#include "src/core/bulkhead.h"
#include "src/core/call_driver.h"
#include "src/core/intake.h"
#include "src/core/method_stats.h"
#include "src/core/mutex.h"
#include "src/core/options.h"
#include "src/core/outcome.h"
#include "src/core/rate_limit.h"
#include "src/core/throttle.h"
#include "src/core/time.h"
#include "tests/bench/overhead/allocations.h"

namespace firebreak::core {
namespace {

constexpr Time kStart{};
// Between two operations: a busy method, so that time windows do roll.
constexpr Duration kStep = std::chrono::microseconds(10);

BreakerOptions OpenForAnHour() {
  BreakerOptions options;
  options.open_duration = std::chrono::hours(1);
  options.max_open_duration = std::chrono::hours(1);
  return options;
}

void MutexFloor(benchmark::State& state) {
  static Mutex mu;
  for (auto _ : state) {
    MutexLock lock(&mu);
    benchmark::ClobberMemory();
  }
}

void BreakerAdmitSettle(benchmark::State& state) {
  static Breaker breaker({}, BreakerOptions{}, /*seed=*/1, kStart);
  Time now = kStart;
  for (auto _ : state) {
    now += kStep;
    Admission admission = breaker.Admit(now, kInfiniteFuture);
    admission.permit.Settle(Verdict::kSuccess, now);
  }
}

void BreakerReject(benchmark::State& state) {
  static Breaker* const breaker = [] {
    auto* b = new Breaker({}, OpenForAnHour(), /*seed=*/1, kStart);
    while (b->Snapshot(kStart).state != BreakerState::kOpen) {
      b->Admit(kStart, kInfiniteFuture)
          .permit.Settle(Verdict::kFailure, kStart);
    }
    return b;
  }();
  for (auto _ : state) {
    Admission admission = breaker->Admit(kStart, kInfiniteFuture);
    benchmark::DoNotOptimize(admission.refusal.retry_after);
    if (admission.permit) state.SkipWithError("the breaker is not open");
  }
}

void BudgetAcquireRefund(benchmark::State& state) {
  static AttemptBudget budget(BudgetOptions{}, kStart);
  Time now = kStart;
  for (auto _ : state) {
    now += kStep;
    budget.OnCallAdmitted(now);
    if (budget.TryAcquire(now)) budget.Refund();
  }
}

// Runs the loop, then once more and tells how often it allocates.
template <class Operation>
void Measure(benchmark::State& state, Operation operation) {
  for (auto _ : state) operation();
  if (state.thread_index() != 0) return;
  constexpr int kOnceMore = 1000;
  bench::StartCounting();
  for (int i = 0; i < kOnceMore; ++i) operation();
  state.counters["allocs"] =
      static_cast<double>(bench::StopCounting().all) / kOnceMore;
}

void BulkheadEnterLeave(benchmark::State& state) {
  static Bulkhead bulkhead{BulkheadOptions{}};
  Measure(state, [] {
    bulkhead.Enter();
    bulkhead.Leave();
  });
}

void BulkheadReject(benchmark::State& state) {
  static Bulkhead* const bulkhead = [] {
    BulkheadOptions options;
    options.max_queue = 0;
    auto* b = new Bulkhead(options);
    while (b->Enter() == Bulkhead::Entry::kIn) {
    }
    return b;
  }();
  Measure(state, [] { benchmark::DoNotOptimize(bulkhead->Enter()); });
}

void RateLimitTake(benchmark::State& state) {
  RateLimitOptions options;
  options.rate = 1'000'000;
  static RateLimit limit(options, kStart);
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    benchmark::DoNotOptimize(limit.Take(now, now));
  });
}

void RateLimitReject(benchmark::State& state) {
  RateLimitOptions options;
  options.rate = 1;
  static RateLimit limit(options, kStart);
  limit.Take(kStart, kStart);
  Measure(state, [] { benchmark::DoNotOptimize(limit.Take(kStart, kStart)); });
}

void ThrottleAdmitEnd(benchmark::State& state) {
  static Throttle throttle(ThrottleOptions{}, /*seed=*/1, kStart);
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    if (throttle.Admit(now)) throttle.OnEnd(true, now);
  });
}

// A call's way through all three.
void IntakeVisit(benchmark::State& state) {
  RateLimitOptions rate;
  rate.rate = 1'000'000;
  static Intake intake(
      std::make_shared<Throttle>(ThrottleOptions{}, /*seed=*/1, kStart),
      std::make_shared<RateLimit>(rate, kStart),
      std::make_shared<Bulkhead>(BulkheadOptions{}));
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    Visit visit;
    benchmark::DoNotOptimize(
        visit.Begin(&intake, now, kInfiniteFuture, Duration::zero()).kind);
    visit.End(Intake::Verdict::kAccepted, now);
  });
}

void MethodStatsCall(benchmark::State& state) {
  static MethodStats stats;
  for (auto _ : state) {
    stats.OnCallStarted();
    stats.OnAttempt(AttemptKind::kFirst);
    stats.OnAttemptEnd(Attribution::kSuccess);
    stats.OnCallEnded(CallEnd::kSuccess, absl::StatusCode::kOk,
                      std::chrono::microseconds(300));
  }
}

// A call that succeeds at once, with every part of the policy on.
void CallDriverSuccess(benchmark::State& state) {
  static const MethodOptions* const options = [] {
    auto* o = new MethodOptions;
    o->breaker = BreakerOptions{};
    o->retry = RetryOptions{};
    o->hedging = HedgingOptions{};
    o->hedging->max_attempts = o->retry->max_attempts;
    return o;
  }();
  static Breaker breaker({}, BreakerOptions{}, /*seed=*/1, kStart);
  static AttemptBudget budget(BudgetOptions{}, kStart);
  static MethodStats stats;
  Breaker* const targets[] = {&breaker};

  CallDriver::Plan plan;
  plan.options = options;
  plan.targets = targets;
  plan.budget = &budget;
  plan.stats = &stats;
  Time now = kStart;
  for (auto _ : state) {
    now += kStep;
    plan.deadline = now + std::chrono::seconds(1);
    CallDriver driver(plan);
    benchmark::DoNotOptimize(driver.Start(now));
    benchmark::DoNotOptimize(driver.OnAttemptEnd(0, AttemptEnd{}, now));
    if (!driver.finished()) state.SkipWithError("the call did not finish");
  }
}

// Prints medians only, and keeps them by name.
class MedianReporter : public benchmark::ConsoleReporter {
 public:
  // No colours: the table goes into logs and issues.
  MedianReporter() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> shown;
    for (const Run& run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.error_occurred || run.aggregate_name == "median") {
        shown.push_back(run);
        // Leave only the name and the number of threads.
        shown.back().run_type = Run::RT_Iteration;
        shown.back().run_name.min_time.clear();
        shown.back().run_name.repetitions.clear();
        shown.back().run_name.time_type.clear();
        medians_[run.run_name.function_name + "/" + run.run_name.threads] =
            run.GetAdjustedRealTime();
      }
    }
    ConsoleReporter::ReportRuns(shown);
  }

  bool failed() const { return failed_; }
  // 0 when a filter left it out.
  double Median(const std::string& name) const {
    auto it = medians_.find(name + "/threads:1");
    return it == medians_.end() ? 0 : it->second;
  }

 private:
  bool failed_ = false;
  std::map<std::string, double> medians_;
};

void Register(const char* name, void (*function)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name, function)
      ->ThreadRange(1, 2)
      ->UseRealTime()
      ->MinTime(0.1)
      ->Repetitions(5);
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Register("MutexFloor", MutexFloor);
  Register("BreakerAdmitSettle", BreakerAdmitSettle);
  Register("BreakerReject", BreakerReject);
  Register("BudgetAcquireRefund", BudgetAcquireRefund);
  Register("BulkheadEnterLeave", BulkheadEnterLeave);
  Register("BulkheadReject", BulkheadReject);
  Register("RateLimitTake", RateLimitTake);
  Register("RateLimitReject", RateLimitReject);
  Register("ThrottleAdmitEnd", ThrottleAdmitEnd);
  Register("IntakeVisit", IntakeVisit);
  Register("MethodStatsCall", MethodStatsCall);
  Register("CallDriverSuccess", CallDriverSuccess);

  MedianReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  const double floor = reporter.Median("MutexFloor");
  const double admit_settle = reporter.Median("BreakerAdmitSettle");
  std::printf(
      "core: admit_settle_ns=%.1f floor_ns=%.1f ratio=%.2f "
      "reject_ns=%.1f\n",
      admit_settle, floor, floor > 0 ? admit_settle / floor : 0,
      reporter.Median("BreakerReject"));
  return reporter.failed() ? 1 : 0;
}

}  // namespace
}  // namespace firebreak::core

int main(int argc, char** argv) { return firebreak::core::Main(argc, argv); }
