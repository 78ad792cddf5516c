// Measures what the core costs a call, and what the engine does before and
// after gRPC, and compares it with one bare mutex, the floor.
//
//   scripts/bench core
//
// Each row is the median of five runs: the nanoseconds that an operation takes
// its thread, with one thread and with two that share everything. CPU leaves
// out the time in which the thread did not run. The last lines are for
// comparing commits. Absolute figures depend on the machine, the ratio to the
// floor of the same run (one bare mutex locked and unlocked) less so.
// `allocs` adds up, over all rows, how often one operation took something from
// the heap. `method_bytes` is what one method with a breaker keeps there, with
// the default windows.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "src/core/admission/admission_control.h"
#include "src/core/admission/bulkhead.h"
#include "src/core/admission/rate_limit.h"
#include "src/core/admission/throttle.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/call_tape.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/measure/window.h"
#include "src/core/options.h"
#include "tests/bench/measure.h"

namespace {

// How often this program has taken something from the heap, and how much.
std::atomic<int64_t> heap_calls{0};
std::atomic<int64_t> heap_bytes{0};

}  // namespace

void* operator new(size_t size) {
  heap_calls.fetch_add(1, std::memory_order_relaxed);
  heap_bytes.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  if (void* const p = std::malloc(size)) return p;
  std::abort();
}
void* operator new(size_t size, std::align_val_t alignment) {
  heap_calls.fetch_add(1, std::memory_order_relaxed);
  heap_bytes.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  const auto align = static_cast<size_t>(alignment);
  if (void* const p = std::aligned_alloc(align, size)) return p;
  std::abort();
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

int64_t firebreak::bench::HeapCalls() { return heap_calls; }

namespace firebreak::core {
namespace {

using bench::Measure;

constexpr Time kStart{};
// The time between two operations, as of a busy method: time windows do roll.
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
  Measure(state, [&] {
    now += kStep;
    Admission admission = breaker.Admit(now, kInfiniteFuture);
    admission.permit.Settle(Verdict::kSuccess, now);
  });
}

// One call in twenty fails, and a failure takes the lock.
void BreakerSomeFail(benchmark::State& state) {
  static Breaker breaker({}, BreakerOptions{}, /*seed=*/1, kStart);
  Time now = kStart;
  int calls = 0;
  Measure(state, [&] {
    now += kStep;
    Admission admission = breaker.Admit(now, kInfiniteFuture);
    admission.permit.Settle(
        ++calls % 20 == 0 ? Verdict::kFailure : Verdict::kSuccess, now);
  });
}

// Every rule is on, and calls are watched while they are in flight.
BreakerOptions AllRules() {
  BreakerOptions options;
  options.leaky_failures = 1'000;
  options.slow_call_duration = std::chrono::seconds(1);
  options.leaky_slow_calls = 1'000;
  options.confidence = 0.99;
  return options;
}

void BreakerAllRules(benchmark::State& state) {
  static Breaker breaker({}, AllRules(), /*seed=*/1, kStart);
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    Admission admission = breaker.Admit(now, kInfiniteFuture);
    admission.permit.Settle(Verdict::kSuccess, now);
  });
}

void WindowUpdate(benchmark::State& state) {
  static Mutex mu;
  static Window window(WindowOptions{}, kStart);
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    MutexLock lock(&mu);
    window.Add(/*failed=*/false, now);
  });
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
  Measure(state, [&] {
    Admission admission = breaker->Admit(kStart, kInfiniteFuture);
    benchmark::DoNotOptimize(admission.refusal.retry_after);
    if (admission.permit) state.SkipWithError("the breaker is not open");
  });
}

void BudgetAcquireRefund(benchmark::State& state) {
  static AttemptBudget budget(BudgetOptions{}, kStart);
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    budget.OnCallAdmitted();
    if (budget.TryAcquire(now)) budget.Refund();
  });
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
    while (b->Enter() == Bulkhead::Entry::kAdmitted) {
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

// A call passes throttle, rate limit and bulkhead.
void PassAdmission(benchmark::State& state) {
  RateLimitOptions rate;
  rate.rate = 1'000'000;
  static AdmissionControl admission(
      std::make_shared<Throttle>(ThrottleOptions{}, /*seed=*/1, kStart),
      std::make_shared<RateLimit>(rate, kStart),
      std::make_shared<Bulkhead>(BulkheadOptions{}));
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    AdmissionPermit permit;
    benchmark::DoNotOptimize(
        permit.Begin(&admission, now, kInfiniteFuture, Duration::zero()).kind);
    permit.End(AdmissionControl::Verdict::kAccepted, now);
  });
}

void MethodStatsCall(benchmark::State& state) {
  static MethodStats stats;
  Measure(state, [] {
    stats.OnCallStarted();
    stats.OnAttempt(AttemptKind::kFirst);
    stats.OnAttemptEnd(Attribution::kSuccess);
    stats.OnCallEnded(CallEnd::kSuccess, absl::StatusCode::kOk,
                      std::chrono::microseconds(300));
  });
}

// Calls have one attempt each. A listener drains the tape before it is full.
void TapeWrite(benchmark::State& state) {
  static CallTape tape;
  static Breaker breaker({}, BreakerOptions{}, /*seed=*/1, kStart);
  const bool is_listener = state.thread_index() == 0;
  const auto session = is_listener ? tape.Start(1) : CallTape::kNone;
  CallTape::Call call;
  call.attempts = 1;
  size_t since = 0;
  Measure(state, [&] {
    call.started += kStep;
    tape.Write(call, [&](int) {
      CallTape::Attempt attempt;
      attempt.breaker = &breaker;
      attempt.started = call.started;
      return attempt;
    });
    if (is_listener && ++since == CallTape::kCalls) {
      since = 0;
      tape.Drain(session,
                 [](const CallTape::Call&, const CallTape::Attempt*) {});
    }
  });
  if (is_listener) tape.Stop(session);
}

void LatencyRecord(benchmark::State& state) {
  static LatencyModel model;
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    // 1 ms to 2 ms covers all buckets of one factor of two.
    model.Record(std::chrono::nanoseconds(
                     1'000'000 + now.time_since_epoch().count() % 1'000'000),
                 now);
  });
}

void LatencyQuantile(benchmark::State& state) {
  static LatencyModel* const model = [] {
    auto* m = new LatencyModel;
    for (int i = 0; i < 1000; ++i) m->Record(i * kStep, kStart);
    return m;
  }();
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    benchmark::DoNotOptimize(model->Quantile(0.5, now));
    benchmark::DoNotOptimize(model->Quantile(0.95, now));
  });
}

// A call succeeds at once, under breaker, retry, hedging and deadline gate.
void CallDriverSuccess(benchmark::State& state) {
  static const MethodOptions* const options = [] {
    auto* o = new MethodOptions;
    o->breaker = BreakerOptions{};
    o->retry = RetryOptions{};
    o->hedging = HedgingOptions{};
    o->hedging->max_attempts = o->retry->max_attempts;
    o->hedging->quantile = 0.95;
    o->deadline_gate = DeadlineGateOptions{};
    o->deadline_gate->first_attempt = true;
    return o;
  }();
  static Breaker breaker({}, BreakerOptions{}, /*seed=*/1, kStart);
  static AttemptBudget budget(BudgetOptions{}, kStart);
  static MethodStats stats;
  static LatencyModel latency;
  Breaker* const targets[] = {&breaker};

  CallDriver::Plan plan;
  plan.options = options;
  plan.targets = targets;
  plan.budget = &budget;
  plan.stats = &stats;
  plan.latency = &latency;
  Time now = kStart;
  Measure(state, [&] {
    now += kStep;
    plan.deadline = now + std::chrono::seconds(1);
    CallDriver driver(plan);
    benchmark::DoNotOptimize(driver.Start(now));
    benchmark::DoNotOptimize(driver.OnAttemptEnd(0, AttemptEnd{}, now));
    if (!driver.finished()) state.SkipWithError("the call did not finish");
  });
}

// Prints only medians and errors, and keeps the medians by name.
class MedianReporter : public benchmark::ConsoleReporter {
 public:
  // The table has no colours, since it goes into logs and issues.
  MedianReporter() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> shown;
    for (const Run& run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.error_occurred || run.aggregate_name == "median") {
        shown.push_back(run);
        // Until here: wall time divided by the operations of all threads.
        shown.back().real_accumulated_time *= static_cast<double>(run.threads);
        // Leave only the name and the number of threads.
        shown.back().run_type = Run::RT_Iteration;
        shown.back().run_name.min_time.clear();
        shown.back().run_name.repetitions.clear();
        shown.back().run_name.time_type.clear();
        medians_[run.run_name.function_name + "/" + run.run_name.threads] =
            shown.back().GetAdjustedRealTime();
        auto allocs = run.counters.find("allocs");
        if (allocs != run.counters.end()) allocs_ += allocs->second;
      }
    }
    ConsoleReporter::ReportRuns(shown);
  }

  bool failed() const { return failed_; }
  // The sum over all rows.
  double allocs() const { return allocs_; }
  // 0 if a filter left the row out.
  double Median(const std::string& name, int threads = 1) const {
    auto it = medians_.find(name + "/threads:" + std::to_string(threads));
    return it == medians_.end() ? 0 : it->second;
  }

 private:
  bool failed_ = false;
  double allocs_ = 0;
  std::map<std::string, double> medians_;
};

void Register(const char* name, void (*function)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name, function)
      ->ThreadRange(1, 2)
      ->UseRealTime()
      ->MinTime(0.1)
      ->Repetitions(5);
}

int64_t MethodBytes() {
  const int64_t before = heap_bytes;
  auto options = std::make_unique<MethodOptions>();
  options->breaker = BreakerOptions{};
  auto stats = std::make_unique<MethodStats>();
  auto latency = std::make_unique<LatencyModel>();
  auto breaker = std::make_unique<Breaker>(Breaker::Identity{},
                                           options->breaker, 1, kStart);
  return heap_bytes - before;
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Register("MutexFloor", MutexFloor);
  Register("BreakerAdmitSettle", BreakerAdmitSettle);
  Register("BreakerSomeFail", BreakerSomeFail);
  Register("BreakerAllRules", BreakerAllRules);
  Register("BreakerReject", BreakerReject);
  Register("WindowUpdate", WindowUpdate);
  Register("BudgetAcquireRefund", BudgetAcquireRefund);
  Register("BulkheadEnterLeave", BulkheadEnterLeave);
  Register("BulkheadReject", BulkheadReject);
  Register("RateLimitTake", RateLimitTake);
  Register("RateLimitReject", RateLimitReject);
  Register("ThrottleAdmitEnd", ThrottleAdmitEnd);
  Register("PassAdmission", PassAdmission);
  Register("MethodStatsCall", MethodStatsCall);
  Register("TapeWrite", TapeWrite);
  Register("LatencyRecord", LatencyRecord);
  Register("LatencyQuantile", LatencyQuantile);  // two quantiles each
  Register("CallDriverSuccess", CallDriverSuccess);
  Register("NoPolicyCall", bench::NoPolicyCall);
  Register("FindBinding", bench::FindBinding);
  Register("GuardedCall", bench::GuardedCall);
  Register("CandidateCall", bench::CandidateCall);

  MedianReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  const double floor = reporter.Median("MutexFloor");
  const double floor2 = reporter.Median("MutexFloor", 2);
  const double closed = reporter.Median("BreakerAdmitSettle");
  const double closed2 = reporter.Median("BreakerAdmitSettle", 2);
  const double reject = reporter.Median("BreakerReject");
  auto ratio = [](double ns, double of) { return of > 0 ? ns / of : 0; };
  std::printf(
      "floor: one_ns=%.1f two_ns=%.1f closed=%.2f closed2=%.2f "
      "reject=%.2f (times the floor)\n",
      floor, floor2, ratio(closed, floor), ratio(closed2, floor2),
      ratio(reject, floor));
  std::printf(
      "core: closed_ns=%.1f closed2_ns=%.1f reject_ns=%.1f nopolicy_ns=%.1f "
      "driver_ns=%.1f driver2_ns=%.1f tape_ns=%.1f candidate_ns=%.1f allocs=%g "
      "method_bytes=%lld\n",
      closed, closed2, reject, reporter.Median("NoPolicyCall"),
      reporter.Median("CallDriverSuccess"),
      reporter.Median("CallDriverSuccess", 2), reporter.Median("TapeWrite"),
      reporter.Median("CandidateCall"), reporter.allocs(),
      static_cast<long long>(MethodBytes()));
  return reporter.failed() ? 1 : 0;
}

}  // namespace
}  // namespace firebreak::core

int main(int argc, char** argv) { return firebreak::core::Main(argc, argv); }
