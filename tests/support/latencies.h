// Distributions of latencies, and many calls of one method in virtual time.
//
//   Crowd::Setup setup;
//   setup.options = options;
//   Crowd crowd(setup);
//   crowd.Run(50'000);
//   Duration p999 = crowd.Quantile(0.999);
//
// A Crowd runs CallDrivers as a host does, all on one timeline: a fixed number
// of calls in flight, each followed by the next. Backends are independent and
// the network takes no time, so the result is the best that a policy can
// achieve.
#ifndef FIREBREAK_TESTS_SUPPORT_LATENCIES_H_
#define FIREBREAK_TESTS_SUPPORT_LATENCIES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/rng.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"

namespace firebreak::core {

constexpr Duration Us(int64_t n) { return std::chrono::microseconds(n); }

// Lognormal with mean 5 ms and deviation 2 ms, and ten times that in one of
// twenty: the straggler model of the bhope/hedge benchmark. Its p90 is 8.67 ms.
inline Duration WithStragglers(Rng* rng) {
  const double normal = std::sqrt(-2 * std::log(1 - rng->Uniform())) *
                        std::cos(2 * M_PI * rng->Uniform());
  const double variance = std::log(1 + 0.4 * 0.4);
  const double ms = 5 * std::exp(-variance / 2 + std::sqrt(variance) * normal);
  return Scale(std::chrono::milliseconds(1),
               rng->Uniform() < 0.05 ? 10 * ms : ms);
}

class Crowd {
 public:
  struct Setup {
    MethodOptions options;
    BudgetOptions budget;
    int concurrency = 20;
    uint64_t seed = 1;
    // The latency of an attempt that starts at the given time.
    std::function<Duration(Rng*, Time)> latency = [](Rng* rng, Time) {
      return WithStragglers(rng);
    };
  };

  explicit Crowd(Setup setup)
      : setup_(std::move(setup)),
        rng_(setup_.seed),
        breaker_({}, setup_.options.breaker, setup_.seed, Time{}),
        targets_{&breaker_},
        budget_(setup_.budget, Time{}) {}

  // Runs `calls` further calls.
  void Run(int calls) {
    to_start_ = calls;
    taken_.clear();
    for (int i = 0; i < setup_.concurrency; ++i) StartNext();
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = std::max(now_, event.at);
      CallDriver* const driver = calls_[event.call].driver.get();
      // The event is from an attempt that lost, or from an old timer.
      if (driver == nullptr) continue;
      if (event.attempt >= 0) {
        Do(event.call, driver->OnAttemptEnd(event.attempt, AttemptEnd{}, now_));
      } else {
        Do(event.call, driver->OnTimer(now_));
      }
    }
  }

  // A quantile of the calls of the last Run().
  Duration Quantile(double q) {
    std::sort(taken_.begin(), taken_.end());
    return taken_[static_cast<size_t>(q * static_cast<double>(taken_.size()))];
  }
  Time now() const { return now_; }
  MethodCounts counts() const { return stats_.counts(); }
  LatencyModel& model() { return model_; }

 private:
  struct Call {
    std::unique_ptr<CallDriver> driver;
    Time began;
  };
  struct Event {
    Time at;
    size_t call;
    int attempt;  // or -1 for its timer
    bool operator<(const Event& other) const { return at > other.at; }
  };

  void StartNext() {
    if (to_start_-- <= 0) return;
    CallDriver::Plan plan;
    plan.options = &setup_.options;
    plan.targets = targets_;
    plan.budget = &budget_;
    plan.stats = &stats_;
    plan.latency = &model_;
    plan.seed = rng_.Next();
    calls_.push_back({std::make_unique<CallDriver>(plan), now_});
    const size_t call = calls_.size() - 1;
    Do(call, calls_[call].driver->Start(now_));
  }

  void Do(size_t call, const CallDriver::Actions& actions) {
    for (const CallDriver::Launch& launch : actions.launch) {
      events_.push({now_ + setup_.latency(&rng_, now_), call, launch.attempt});
    }
    const Time wake = calls_[call].driver->wake_at();
    if (wake != kInfiniteFuture) events_.push({wake, call, -1});
    if (!actions.finish.has_value()) return;
    taken_.push_back(now_ - calls_[call].began);
    calls_[call].driver.reset();
    StartNext();
  }

  const Setup setup_;
  Rng rng_;
  Breaker breaker_;
  std::vector<Breaker*> targets_;
  AttemptBudget budget_;
  MethodStats stats_;
  LatencyModel model_;
  Time now_{};
  int to_start_ = 0;
  std::vector<Call> calls_;
  std::priority_queue<Event> events_;
  std::vector<Duration> taken_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_TESTS_SUPPORT_LATENCIES_H_
