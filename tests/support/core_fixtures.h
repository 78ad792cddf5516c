// Shared by the tests of the core: virtual time, and one call on a timeline.
//
//   CallRig rig(options);
//   rig.Answer(0, Ms(5), absl::StatusCode::kUnavailable);  // 5 ms after launch
//   rig.Answer(1, Ms(5));                                  // OK
//   rig.Run();
//   EXPECT_THAT(rig.lines(),
//               ElementsAre("0ms launch 0", "105ms launch 1 retry",
//                           "110ms finish attempt 1 OK"));
//
// Run() is a small host of a CallDriver: it reports the ends of attempts, wakes
// the driver at wake_at(), and logs its actions. Time is only a number. Nothing
// happens but what is on the timeline.
#ifndef FIREBREAK_TESTS_SUPPORT_CORE_FIXTURES_H_
#define FIREBREAK_TESTS_SUPPORT_CORE_FIXTURES_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "gtest/gtest.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/base/duration.h"
#include "src/core/base/rng.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"

namespace firebreak::core {

constexpr Duration Ms(int64_t n) { return std::chrono::milliseconds(n); }
constexpr Duration Sec(int64_t n) { return std::chrono::seconds(n); }
// A point of virtual time.
constexpr Time At(Duration since_start) { return Time{} + since_start; }

// A breaker without jitter that trips on `failures` in a row, whatever the
// usual rate is, opens for 10 s, and then needs 3 successes of 3 probes within
// 5 s each.
inline BreakerOptions TripsAfter(int failures) {
  BreakerOptions options;
  options.consecutive_failures = failures;
  options.failure_rate = 0;
  options.confidence = 0;
  options.probe_interval = Duration::zero();
  options.open_jitter = 0;
  options.ramp.duration = Duration::zero();
  return options;
}

// Retries UNAVAILABLE after exactly 100 ms, 200 ms, 400 ms...
inline MethodOptions Retrying(int max_attempts) {
  MethodOptions options;
  options.retry = RetryOptions{};
  options.retry->max_attempts = max_attempts;
  options.retry->backoff.jitter = BackoffOptions::Jitter::kNone;
  return options;
}

inline MethodOptions Hedging(int max_attempts, Duration delay) {
  MethodOptions options;
  options.hedging = HedgingOptions{};
  options.hedging->max_attempts = max_attempts;
  options.hedging->delay = delay;
  return options;
}

// Random values of several types, from one seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : rng_(seed) {}
  bool Chance(double p) { return rng_.Uniform() < p; }
  int Int(int low, int high) {
    return low + static_cast<int>(rng_.Uniform() * (high - low + 1));
  }
  // An index into something of this size.
  size_t Below(size_t size) {
    return static_cast<size_t>(Int(0, static_cast<int>(size) - 1));
  }
  Duration Upto(Duration d) { return Scale(d, rng_.Uniform()); }
  uint64_t Seed() { return rng_.Next(); }

 private:
  Rng rng_;
};

inline std::string CodeName(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

// All events of a log as text: "closed -> open: 3 failures ...".
inline std::vector<std::string> Told(const EventLog& log) {
  std::vector<std::string> lines;
  for (const Event& e : log.Since(0, 1'000'000).events) {
    lines.push_back(absl::StrCat(e.from, " -> ", e.to, ": ", e.cause));
  }
  return lines;
}

// A budget that starts full.
inline BudgetOptions FullBudget() {
  BudgetOptions options;
  options.initial.reset();
  return options;
}

class CallRig {
 public:
  struct Setup {
    int targets = 1;
    Duration deadline = kInfiniteDuration;  // after the start of virtual time
    // The time limit of each fallback.
    std::vector<Duration> fallbacks;
    bool fallback_begins = true;  // as soon as it is asked
    BudgetOptions budget = FullBudget();
    // Used instead of a budget made from `budget`; outlives the rig.
    AttemptBudget* shared_budget = nullptr;
    LatencyModel* latency = nullptr;  // outlives the rig
    // The results of earlier retries; outlives the rig.
    RetryEstimator* estimator = nullptr;
    uint64_t seed = 1;
  };

  // (Not a default argument: Setup is still incomplete there.)
  explicit CallRig(MethodOptions options)
      : CallRig(std::move(options), Setup{}) {}
  CallRig(MethodOptions options, Setup setup)
      : options_(std::move(options)),
        fallback_times_(setup.fallbacks),
        fallback_begins_(setup.fallback_begins),
        own_budget_(setup.budget, Time{}),
        budget_(setup.shared_budget != nullptr ? setup.shared_budget
                                               : &own_budget_) {
    EXPECT_EQ(options_.Validate(), absl::OkStatus());
    for (int i = 0; i < setup.targets; ++i) {
      breakers_.push_back(std::make_unique<Breaker>(
          Breaker::Identity{"shop", absl::StrCat("t", i), "m", &log_, nullptr},
          options_.breaker, /*seed=*/1, Time{}));
      targets_.push_back(breakers_.back().get());
    }
    CallDriver::Plan plan;
    plan.options = &options_;
    plan.targets = targets_;
    plan.budget = budget_;
    plan.stats = &stats_;
    plan.latency = setup.latency;
    plan.estimator = setup.estimator;
    plan.deadline = setup.deadline == kInfiniteDuration ? kInfiniteFuture
                                                        : At(setup.deadline);
    plan.fallback_times = fallback_times_;
    plan.seed = setup.seed;
    driver_ = std::make_unique<CallDriver>(plan);
  }

  // Attempt `n` will end like this, `latency` after its launch. Others never
  // end.
  void Answer(int n, Duration latency,
              absl::StatusCode code = absl::StatusCode::kOk,
              absl::optional<Duration> pushback = absl::nullopt) {
    AttemptEnd end;
    end.code = code;
    end.pushback = pushback;
    AnswerWith(n, latency, end);
  }
  void AnswerWith(int n, Duration latency, const AttemptEnd& end) {
    answers_[n] = {latency, end};
  }
  // The same answer for the attempts 0 to n - 1.
  void AnswerAll(int n, Duration latency, absl::StatusCode code) {
    for (int i = 0; i < n; ++i) Answer(i, latency, code);
  }

  void Start() {
    started_ = true;
    Do(driver_->Start(now_));
  }
  // Runs until the call has finished and no end is pending, or until `until`.
  void Run(Duration until = kForEver) {
    if (!started_ && !driver_->finished()) Start();
    for (int events = 0; events < 1000; ++events) {
      // If an answer and the timer are due at the same time, the answer is
      // first.
      int next = -1;
      Time at = driver_->wake_at();
      for (const auto& [n, when] : due_) {
        if (when < at || (when == at && next == -1)) {
          next = n;
          at = when;
        }
      }
      if (at > At(until)) {
        if (until != kForEver) now_ = std::max(now_, At(until));
        return;
      }
      now_ = std::max(now_, at);
      if (next >= 0) {
        due_.erase(next);
        Do(driver_->OnAttemptEnd(next, answers_[next].second, now_));
      } else {
        Do(driver_->OnTimer(now_));
      }
    }
    ADD_FAILURE() << "the call comes to no end";
  }

  // These make single events happen at now().
  void MoveTo(Duration since_start) { now_ = At(since_start); }
  void End(int n, absl::StatusCode code,
           absl::optional<Duration> pushback = absl::nullopt) {
    AttemptEnd end;
    end.code = code;
    end.pushback = pushback;
    EndWith(n, end);
  }
  void EndWith(int n, const AttemptEnd& end) {
    due_.erase(n);
    Do(driver_->OnAttemptEnd(n, end, now_));
  }
  void Timer() { Do(driver_->OnTimer(now_)); }
  void Cancel() { Do(driver_->OnCallerCancel(now_)); }
  void Commit(int n) { Do(driver_->OnCommit(n, now_)); }
  void CallersDeadline() { Do(driver_->OnCallersDeadline(now_)); }
  void FallbackEnds(bool ok, int link = 0) {
    Do(driver_->OnLinkEnd(link, ok, now_));
  }
  void Destroy() { driver_.reset(); }

  const std::vector<std::string>& lines() const { return lines_; }
  // The driver's actions after the last event.
  const CallDriver::Actions& last() const { return last_; }
  Time now() const { return now_; }
  CallDriver& driver() { return *driver_; }
  Breaker& breaker(int target = 0) {
    return *breakers_[static_cast<size_t>(target)];
  }
  AttemptBudget& budget() { return *budget_; }
  double tokens() { return budget_->tokens(now_); }
  MethodCounts counts() const { return stats_.counts(); }
  const MethodStats& stats() const { return stats_; }
  EventLog& log() { return log_; }

  // Trips the breaker of `target` now, by failures of other calls.
  void Trip(int target = 0) {
    for (int i = 0; i < 1000; ++i) {
      Admission a = breaker(target).Admit(now_, kInfiniteFuture);
      if (!a.permit) return;
      a.permit.Settle(Verdict::kFailure, now_);
    }
    ADD_FAILURE() << "target " << target << " does not trip";
  }

 private:
  static constexpr Duration kForEver = std::chrono::hours(1000);

  void Do(const CallDriver::Actions& actions) {
    last_ = actions;
    const std::string when =
        absl::StrCat(FormatDuration(now_.time_since_epoch()), " ");
    for (int n : actions.cancel) {
      lines_.push_back(absl::StrCat(when, "cancel ", n));
    }
    for (const CallDriver::Launch& launch : actions.launch) {
      lines_.push_back(absl::StrCat(
          when, "launch ", launch.attempt,
          launch.kind == AttemptKind::kRetry   ? " retry"
          : launch.kind == AttemptKind::kHedge ? " hedge"
                                               : "",
          launch.target != 0 ? absl::StrCat(" on ", launch.target) : "",
          launch.is_probe ? " probe" : ""));
      const auto answer = answers_.find(launch.attempt);
      if (answer != answers_.end()) {
        due_[launch.attempt] = SaturatingAdd(now_, answer->second.first);
      }
    }
    if (actions.ask_link.has_value()) {
      const int link = *actions.ask_link;
      lines_.push_back(
          absl::StrCat(when, link == 0 ? "ask the fallback" : "ask fallback ",
                       link == 0 ? "" : absl::StrCat(link)));
      if (fallback_begins_) driver_->OnLinkBegin(link);
    } else if (actions.finish.has_value()) {
      lines_.push_back(when + Describe(*actions.finish));
    }
  }

  static std::string Describe(const CallDriver::Finish& finish) {
    return absl::StrCat(
        "finish ",
        finish.from_fallback ? "fallback "
        : finish.attempt != CallDriver::Finish::kNoAttempt
            ? absl::StrCat("attempt ", finish.attempt, " ")
            : "",
        CodeName(finish.code), finish.reason == Reason::kNone ? "" : " ",
        ReasonName(finish.reason),
        finish.retry_after != Duration::zero()
            ? absl::StrCat(", retry after ", FormatDuration(finish.retry_after))
            : "");
  }

  EventLog log_{1000};
  const MethodOptions options_;
  const std::vector<Duration> fallback_times_;
  const bool fallback_begins_;
  std::vector<std::unique_ptr<Breaker>> breakers_;
  std::vector<Breaker*> targets_;
  AttemptBudget own_budget_;
  AttemptBudget* const budget_;
  MethodStats stats_;
  std::unique_ptr<CallDriver> driver_;

  Time now_{};
  bool started_ = false;
  std::map<int, std::pair<Duration, AttemptEnd>> answers_;
  std::map<int, Time> due_;  // pending ends
  std::vector<std::string> lines_;
  CallDriver::Actions last_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_TESTS_SUPPORT_CORE_FIXTURES_H_
