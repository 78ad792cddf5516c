// Takes calls through any order of results, timers, fallbacks, cancels and
// overrides: each ends exactly once, leaves nothing behind, and while it runs
// something is always still to come.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"
#include "tests/fuzz/planted.h"

namespace firebreak::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Always;

milliseconds SomeMs(FuzzedDataProvider* data, int most) {
  return milliseconds(data->ConsumeIntegralInRange<int>(0, most));
}

CodeSet SomeCodes(FuzzedDataProvider* data) {
  CodeSet codes;
  codes.Add(absl::StatusCode::kUnavailable);
  const auto bits = data->ConsumeIntegral<uint32_t>();
  for (int n = 1; n < kStatusCodes; ++n) {
    if ((bits >> n & 1) != 0) codes.Add(static_cast<absl::StatusCode>(n));
  }
  return codes;
}

MethodOptions SomeOptions(FuzzedDataProvider* data) {
  MethodOptions o;
  const int attempts = data->ConsumeIntegralInRange<int>(2, kMaxAttempts);
  if (data->ConsumeBool()) o.idempotent = data->ConsumeBool();
  if (data->ConsumeBool()) {
    o.breaker = BreakerOptions{};
    o.breaker->consecutive_failures = data->ConsumeIntegralInRange<int>(0, 5);
    o.breaker->minimum_calls = data->ConsumeIntegralInRange<int>(1, 10);
    o.breaker->open_duration = SomeMs(data, 500) + milliseconds(1);
    o.breaker->probes = data->ConsumeIntegralInRange<int>(1, 3);
    o.breaker->failure_codes = SomeCodes(data);
  }
  if (data->ConsumeBool()) {
    o.retry = RetryOptions{};
    o.retry->max_attempts = attempts;
    o.retry->backoff.initial = SomeMs(data, 50);
    o.retry->backoff.jitter =
        static_cast<BackoffOptions::Jitter>(data->ConsumeIntegralInRange(0, 3));
    o.retry->codes = SomeCodes(data);
    o.retry->attempt_timeout = SomeMs(data, 100);
    if (data->ConsumeBool()) o.retry->adaptive = AdaptiveRetryOptions{};
  }
  if (data->ConsumeBool()) {
    o.hedging = HedgingOptions{};
    o.hedging->max_attempts = attempts;
    o.hedging->delay = SomeMs(data, 60);
    if (data->ConsumeBool()) o.hedging->quantile = 0.9;
    if (data->ConsumeBool()) o.hedging->non_fatal_codes = SomeCodes(data);
  }
  if (data->ConsumeBool()) {
    o.deadline_gate = DeadlineGateOptions{};
    o.deadline_gate->first_attempt = data->ConsumeBool();
  }
  return o;
}

BudgetOptions SomeBudget(FuzzedDataProvider* data) {
  BudgetOptions o;
  o.burst = data->ConsumeIntegralInRange<int>(1, 10);
  o.initial.reset();
  if (data->ConsumeBool()) o.throttling = ThrottlingOptions{};
  return o;
}

// The state that all calls of one input share.
struct World {
  World(const MethodOptions& its, FuzzedDataProvider* data)
      : options(its), budget(SomeBudget(data), now) {
    if (options.retry && options.retry->adaptive) {
      estimator = std::make_unique<RetryEstimator>(*options.retry->adaptive);
    }
    for (int i = data->ConsumeIntegralInRange<int>(1, 3); i > 0; --i) {
      breakers.push_back(std::make_unique<Breaker>(
          Breaker::Identity{"c", "t", "m", &log, nullptr}, options.breaker,
          static_cast<uint64_t>(i), now));
      targets.push_back(breakers.back().get());
    }
    if (data->ConsumeBool()) model.Record(SomeMs(data, 100), now, 30);
  }

  const MethodOptions options;
  Time now = Time(std::chrono::hours(1));
  EventLog log{20};
  AttemptBudget budget;
  LatencyModel model;
  std::unique_ptr<RetryEstimator> estimator;
  std::vector<std::unique_ptr<Breaker>> breakers;
  std::vector<Breaker*> targets;
  MethodStats stats;
  int64_t launched = 0;
};

// Plays the host of one call.
class Call {
 public:
  Call(World* world, FuzzedDataProvider* data)
      : world_(*world),
        data_(*data),
        deadline_(data->ConsumeBool()
                      ? kInfiniteFuture
                      : world->now + SomeMs(data, 400) - milliseconds(2)) {
    for (int n = data->ConsumeIntegralInRange<int>(0, 2); n > 0; --n) {
      fallbacks_.push_back(data->ConsumeBool()
                               ? kInfiniteDuration
                               : Duration(SomeMs(data, 50) + milliseconds(1)));
    }
    CallDriver::Plan plan;
    plan.options = &world_.options;
    plan.targets = world_.targets;
    plan.budget = &world_.budget;
    plan.stats = &world_.stats;
    plan.latency = data->ConsumeBool() ? &world_.model : nullptr;
    plan.estimator = world_.estimator.get();
    plan.deadline = deadline_;
    plan.fallback_times = fallbacks_;
    plan.seed = data->ConsumeIntegral<uint64_t>();
    driver_ = std::make_unique<CallDriver>(plan);
  }

  void Step() {
    if (!is_started_) {
      Begin();
      return;
    }
    switch (data_.ConsumeIntegralInRange<int>(0, 8)) {
      case 0:
      case 1:
      case 2:
        EndAnAttempt();
        break;
      case 3:
        if (driver_->wake_at() < world_.now + seconds(60)) {
          world_.now = std::max(world_.now, driver_->wake_at());
        }
        Obey(driver_->OnTimer(world_.now, data_.ConsumeBool()));
        (void)driver_->TakeUnjudged();
        // If it were due again at once, a host would spin.
        Always(driver_->wake_at() > world_.now);
        break;
      case 4:
        Obey(driver_->OnTimer(world_.now));
        break;
      case 5: {
        const int link = data_.ConsumeIntegralInRange<int>(0, 2);
        if (data_.ConsumeBool()) (void)driver_->OnLinkBegin(link);
        Obey(data_.ConsumeBool()
                 ? driver_->OnLinkEnd(link, data_.ConsumeBool(), world_.now)
                 : driver_->OnLinkNotBegun(link, world_.now));
        break;
      }
      case 6:
        if (!runs_.empty()) {
          Obey(driver_->OnCommit(SomeRun(), world_.now));
        }
        break;
      case 7:
        Obey(driver_->OnCallersDeadline(world_.now));
        Always(driver_->finished());
        break;
      default:
        Obey(driver_->OnCallerCancel(world_.now));
        Always(driver_->finished());
    }
  }

  // Ends all attempts that are in flight.
  void Settle() {
    for (size_t n = 0; n < runs_.size(); ++n) {
      if (!runs_[n].has_ended) End(static_cast<int>(n), {});
    }
    Always(driver_->in_flight() == 0 || !driver_->finished());
  }

 private:
  struct Run {
    bool has_ended = false;
    bool is_cancelled = false;
  };

  void Begin() {
    is_started_ = true;
    if (data_.ConsumeBool()) driver_->Arrive(world_.now);
    if (data_.ConsumeBool() && data_.ConsumeBool()) {
      Refusal refusal;
      refusal.reason = Reason::kBulkheadFull;
      Obey(driver_->TurnAway(absl::StatusCode::kResourceExhausted, refusal,
                             world_.now));
    } else {
      Obey(driver_->Start(world_.now));
    }
  }

  int SomeRun() {
    return data_.ConsumeIntegralInRange<int>(
        0, static_cast<int>(runs_.size()) - 1);
  }

  void EndAnAttempt() {
    if (runs_.empty()) return;
    const int n = SomeRun();
    if (runs_[static_cast<size_t>(n)].has_ended) return;
    AttemptEnd end;
    end.code =
        static_cast<absl::StatusCode>(data_.ConsumeIntegralInRange(-1, 18));
    if (data_.ConsumeBool()) {
      end.pushback = Duration(data_.ConsumeIntegral<int64_t>());
    }
    end.origin = static_cast<Origin>(data_.ConsumeIntegralInRange(0, 4));
    const auto bits = data_.ConsumeIntegral<uint8_t>();
    end.channel_was_not_ready = (bits & 1) != 0;
    end.is_judged_later = (bits & 2) != 0;
    end.cancelled_by_caller = (bits & 4) != 0;
    end.deadline_was_too_short = (bits & 8) != 0;
    (void)driver_->Judge(n, end, world_.now);
    End(n, end);
  }

  void End(int n, const AttemptEnd& end) {
    runs_[static_cast<size_t>(n)].has_ended = true;
    Obey(driver_->OnAttemptEnd(n, end, world_.now));
    for (CallDriver::Unjudged& each : driver_->TakeUnjudged()) {
      each.permit.Settle(each.by_default, world_.now);
    }
  }

  void Obey(const CallDriver::Actions& actions) {
    if (has_finished_) {
      Always(actions.cancel.empty() && actions.launch.empty());
      Always(!actions.ask_link && !actions.finish);
    }
    for (const int n : actions.cancel) {
      Run& run = runs_.at(static_cast<size_t>(n));
      Always(!run.has_ended && !run.is_cancelled);
      run.is_cancelled = true;
    }
    for (const CallDriver::Launch& launch : actions.launch) {
      Always(launch.attempt == static_cast<int>(runs_.size()));
      Always(launch.target >= 0 &&
             launch.target < static_cast<int>(world_.targets.size()));
      Always(world_.now < launch.deadline && launch.deadline <= deadline_);
      runs_.emplace_back();
      ++world_.launched;
      testing::Planted(launch.attempt > 2 && launch.target > 0);
    }
    Always(driver_->launched() == static_cast<int>(runs_.size()));
    Always(driver_->launched() <= std::max(1, world_.options.max_attempts()));
    const bool flies = std::any_of(runs_.begin(), runs_.end(), [](Run run) {
      return !run.has_ended && !run.is_cancelled;
    });
    if (actions.finish) Check(*actions.finish, actions.ask_link, flies);
    Always(driver_->finished() == has_finished_);
    if (has_finished_) {
      Always(driver_->wake_at() == kInfiniteFuture);
    } else {
      Always(driver_->wake_at() <= deadline_);
      Always(flies || driver_->link_in_flight() ||
             driver_->wake_at() < kInfiniteFuture);
    }
  }

  void Check(const CallDriver::Finish& finish, absl::optional<int> asked,
             bool flies) {
    Always(!flies && finish.retry_after >= Duration::zero());
    if (asked) {
      Always(*asked == asked_++);
      Always(asked_ <= static_cast<int>(fallbacks_.size()));
    } else {
      has_finished_ = true;
    }
    if (finish.from_fallback) {
      Always(!asked && finish.code == absl::StatusCode::kOk);
    } else if (finish.attempt == CallDriver::Finish::kNoAttempt) {
      Always(finish.code != absl::StatusCode::kOk);
      Always(finish.reason != Reason::kNone);
    } else {
      Always(runs_.at(static_cast<size_t>(finish.attempt)).has_ended);
    }
    (void)driver_->VerdictOf(finish);
  }

  World& world_;
  FuzzedDataProvider& data_;
  const Time deadline_;
  std::vector<Duration> fallbacks_;
  std::unique_ptr<CallDriver> driver_;
  bool is_started_ = false;
  bool has_finished_ = false;
  int asked_ = 0;
  std::vector<Run> runs_;
};

void Meddle(World* world, FuzzedDataProvider* data) {
  Breaker* const breaker = world->targets.front();
  switch (data->ConsumeIntegralInRange<int>(0, 3)) {
    case 0:
      return breaker->ForceOpen(SomeMs(data, 100), world->now);
    case 1:
      return breaker->ForceClosed(SomeMs(data, 100), world->now);
    case 2:
      (void)breaker->ClearOverride(world->now);
      return;
    default:
      return breaker->Reset(world->now);
  }
}

template <class Counts>
int64_t Sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

void Live(FuzzedDataProvider* data) {
  const MethodOptions options = SomeOptions(data);
  if (!options.Validate().ok()) return;
  World world(options, data);
  std::vector<std::unique_ptr<Call>> calls(4);
  while (data->remaining_bytes() > 0) {
    const auto what = data->ConsumeIntegralInRange<int>(0, 15);
    if (what == 0) {
      Meddle(&world, data);
    } else if (what < 4) {
      world.now += SomeMs(data, 100);
    } else if (what == 4) {
      // Time may run back a little, as it does between threads.
      world.now -= SomeMs(data, 2);
    } else {
      std::unique_ptr<Call>& call = calls[static_cast<size_t>(what) % 4];
      if (call == nullptr) call = std::make_unique<Call>(&world, data);
      call->Step();
      if (what == 5) {
        // Some calls are dropped while attempts are still in flight.
        if (data->ConsumeBool()) call->Settle();
        call.reset();
      }
    }
  }
  calls.clear();
  const MethodCounts counts = world.stats.counts();
  Always(counts.calls == Sum(counts.ends) && counts.in_flight == 0);
  Always(Sum(counts.attempts) == world.launched);
  Always(Sum(counts.attributions) == world.launched);
  for (const auto& breaker : world.breakers) {
    Always(breaker->Snapshot(world.now).probes_in_flight == 0);
  }
}

}  // namespace
}  // namespace firebreak::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  firebreak::core::Live(&data);
  return 0;
}
