// Many threads use one breaker, budget, admission, statistics and log at once.
// The tests check the totals at the end, and TSan finds races.
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "tests/support/hammer.h"

namespace firebreak::core {
namespace {

constexpr int kRounds = 10'000;

class Listener : public BreakerObserver {
 public:
  void OnStateChange(Breaker* breaker) override {
    breaker->next_tick();  // takes the breaker's lock
    told.fetch_add(1, std::memory_order_relaxed);
  }
  void OnTickWanted(Breaker* breaker) override { breaker->next_tick(); }
  std::atomic<int64_t> told{0};
};

BreakerOptions Nervous() {
  BreakerOptions options = TripsAfter(3);
  options.open_duration = Ms(1);
  options.max_open_duration = Ms(4);
  options.open_jitter = 0.5;
  options.probe_timeout = Ms(2);
  return options;
}

// Returns options with every rule on.
BreakerOptions NervousAllOver() {
  BreakerOptions options = Nervous();
  options.leaky_failures = 4;
  options.failure_rate = 0.9;
  options.slow_call_duration = Ms(1);
  options.slow_call_rate = 0.9;
  options.leaky_slow_calls = 50;
  options.confidence = 0.99;
  options.half_open_duration = Ms(3);
  options.ramp = {0.2, Ms(1)};
  return options;
}

class BreakerStressTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Rules, BreakerStressTest, ::testing::Bool());

TEST_P(BreakerStressTest, ABreakerComesToRestWhateverThreadsDidToIt) {
  EventLog log(50);
  Listener listener;
  Breaker breaker({"c", "t", "m", &log, &listener},
                  GetParam() ? NervousAllOver() : Nervous(), 1, Time{});
  SharedTime time;
  std::atomic<int64_t> admitted{0};
  std::atomic<int64_t> refused{0};
  std::atomic<int64_t> reloads{0};

  Hammer([&](int, Dice* dice) {
    std::vector<Permit> held;
    int64_t cursor = 0;
    uint64_t epoch = 0;
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(dice->Upto(Duration(20'000)));
      const Time now = time.Now();
      Admission a = breaker.Admit(
          now, now + dice->Upto(Ms(5)),
          dice->Chance(0.3) ? CallKind::kStream : CallKind::kUnary,
          static_cast<Hedge>(dice->Chance(0.1) ? dice->Int(1, 2) : 0));
      EXPECT_NE(static_cast<bool>(a.permit), a.refusal.reason != Reason::kNone);
      ++(a.permit ? admitted : refused);
      if (a.permit) held.push_back(std::move(a.permit));
      if (held.size() > 5 || dice->Chance(0.3)) {
        // Ends a permit in each possible way, at any thread's time.
        const int how = dice->Int(0, 5);
        if (!held.empty() && how > 0) {
          held.back().NoteProgress(now);
          held.back().Settle(how == 1   ? Verdict::kSuccess
                             : how == 2 ? Verdict::kNeutral
                             : how == 3 ? Verdict::kLost
                                        : Verdict::kFailure,
                             now);
        }
        if (!held.empty()) held.pop_back();
      }
      if (dice->Chance(0.01)) breaker.ForceOpen(dice->Upto(Ms(1)), now);
      if (dice->Chance(0.01)) breaker.ForceClosed(dice->Upto(Ms(1)), now);
      if (dice->Chance(0.01)) breaker.ClearOverride(now);
      if (dice->Chance(0.005)) breaker.Reset(now);
      // Reloads the policy, with other numbers each time.
      if (dice->Chance(0.01)) {
        BreakerOptions options = GetParam() ? NervousAllOver() : Nervous();
        options.consecutive_failures = dice->Int(1, 5);
        options.slow_call_duration = Ms(dice->Int(0, 2));
        options.window.duration = Ms(dice->Int(100, 200));
        breaker.SetOptions(options, now);
        ++reloads;
      }
      if (dice->Chance(0.05)) {
        breaker.Tick(now);
        breaker.IsStrained(now);
        breaker.WouldRefuse(now, now + Ms(1));
        const BreakerSnapshot s = breaker.Snapshot(now);
        EXPECT_GE(s.epoch, epoch) << "an epoch never comes back";
        EXPECT_LE(s.probes_in_flight, 3);
        epoch = s.epoch;
        const EventLog::Page page = log.Since(cursor, 10);
        for (const Event& e : page.events) {
          EXPECT_GT(e.sequence, cursor);
          cursor = e.sequence;
        }
        cursor = page.next;
      }
    }
  });

  breaker.ClearOverride(time.Now());
  const BreakerSnapshot s = breaker.Snapshot(time.Now());
  EXPECT_EQ(s.probes_in_flight, 0);
  EXPECT_EQ(admitted + refused, kHammerThreads * kRounds);
  EXPECT_GT(admitted, 0);
  EXPECT_GT(refused, 0);
  // Each change of state makes one event, one epoch and one callback. But two
  // changes in one step (an override expires during a reset) make one callback.
  // A reload makes a callback, too.
  EXPECT_EQ(log.last(), static_cast<int64_t>(s.epoch) - 1);
  EXPECT_LE(listener.told, log.last() + reloads);
  EXPECT_GE(listener.told, log.last() * 9 / 10);
  // Each event begins with the state in which the one before it ended.
  const std::vector<Event> events = log.Since(0, 50).events;
  ASSERT_EQ(events.size(), 50U);
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_EQ(events[i].from, events[i - 1].to);
    EXPECT_GE(events[i].at, events[i - 1].at);
  }
  breaker.Reset(time.Now());
  EXPECT_TRUE(breaker.Admit(time.Now(), kInfiniteFuture).permit);
}

TEST(CoreStressTest, ABudgetSpendsNoMoreThanItGot) {
  BudgetOptions options = FullBudget();
  options.ratio = 0.25;
  options.floor = 100;
  AttemptBudget budget(options, Time{});
  SharedTime time;
  std::atomic<int64_t> calls{0};
  std::atomic<int64_t> launched{0};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(Duration(1'000));
      const Time now = time.Now();
      if (dice->Chance(0.5)) {
        ++calls;
        budget.OnCallAdmitted();
      }
      if (!budget.TryAcquire(now)) continue;
      if (dice->Chance(0.3)) {
        budget.Refund();
      } else {
        ++launched;
      }
      EXPECT_GE(budget.tokens(now), 0.0);
    }
  });
  EXPECT_LE(static_cast<double>(launched),
            options.ratio * static_cast<double>(calls) +
                options.floor * ToSeconds(time.Now() - Time{}) + options.burst +
                1e-6);
  // No token is lost either: almost all that were added were used.
  EXPECT_GE(static_cast<double>(launched),
            options.ratio * static_cast<double>(calls) * 0.9);
}

TEST(CoreStressTest, EveryDepositOfEveryThreadArrives) {
  BudgetOptions options = FullBudget();
  options.ratio = 1;
  options.floor = 0;
  options.burst = 1'000'000;
  AttemptBudget budget(options, Time{});
  while (budget.TryAcquire(Time{}, 0)) {
  }
  std::atomic<int64_t> bought{0};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      budget.OnCallAdmitted();
      if (dice->Chance(0.2) && budget.TryAcquire(Time{})) ++bought;
    }
  });
  EXPECT_NEAR(budget.tokens(Time{}) + static_cast<double>(bought),
              kHammerThreads * kRounds, 1e-3);
}

TEST(CoreStressTest, StatisticsNeverRunBackAndEndExact) {
  MethodStats stats;
  LatencyModel model;
  SharedTime time;
  Hammer([&](int thread, Dice* dice) {
    MethodCounts before;
    int64_t seen = 0;
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(Duration(500));
      stats.OnCallStarted();
      stats.OnAttempt(AttemptKind::kFirst);
      const Duration took = Ms(1) + dice->Upto(Ms(9));
      model.OnAttemptEnd(absl::StatusCode::kOk, Attribution::kSuccess, took,
                         time.Now());
      stats.OnAttemptEnd(Attribution::kSuccess);
      stats.OnCallEnded(CallEnd::kSuccess, absl::StatusCode::kOk, took);
      if (!dice->Chance(thread == 0 ? 0.1 : 0.01)) continue;
      const MethodCounts now = stats.counts();
      EXPECT_GE(now.in_flight, 0);
      EXPECT_GE(now.calls, before.calls);
      EXPECT_GE(now.end(CallEnd::kSuccess), before.end(CallEnd::kSuccess));
      before = now;
      const int64_t recorded = stats.latency().count();
      EXPECT_GE(recorded, seen);
      seen = recorded;
      const auto median = model.Quantile(0.5, time.Now());
      EXPECT_GE(median.value_or(Ms(1)), Duration(980'000));
    }
  });
  constexpr int64_t kAll = int64_t{kHammerThreads} * kRounds;
  const MethodCounts counts = stats.counts();
  EXPECT_EQ(counts.calls, kAll);
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(counts.end(CallEnd::kSuccess), kAll);
  EXPECT_EQ(counts.attempts_of(AttemptKind::kFirst), kAll);
  EXPECT_EQ(stats.latency().count(), kAll);
  // All are from the same few seconds. The time is later, so that the model
  // computes its values again.
  time.Pass(Ms(200));
  EXPECT_EQ(model.samples(time.Now()), kAll);
}

// A call that waits for a place; any thread may handle it.
class QueuedVisit final : public Bulkhead::Waiter {
 public:
  void OnPlace() override { told.store(true, std::memory_order_release); }
  std::atomic<bool> told{false};
};

TEST(CoreStressTest, AdmissionControlHasEverythingBackAtTheEnd) {
  RateLimitOptions rate;
  rate.rate = 0.001;
  rate.burst = 1'000'000;
  rate.max_wait = Ms(1);
  BulkheadOptions places;
  places.max_concurrent = 2;
  places.max_queue = 3;
  places.max_wait = Ms(1);
  const auto limit = std::make_shared<RateLimit>(rate, Time{});
  const auto bulkhead = std::make_shared<Bulkhead>(places);
  const auto throttle =
      std::make_shared<Throttle>(ThrottleOptions{}, 1, Time{});
  AdmissionControl admission(throttle, limit, bulkhead);
  SharedTime time;
  std::atomic<int64_t> sent{0};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(dice->Upto(Duration(20'000)));
      AdmissionPermit permit;
      const auto waiter = std::make_shared<QueuedVisit>();
      const Time deadline = time.Now() + dice->Upto(Ms(3));
      AdmissionControl::Step step =
          permit.Begin(&admission, time.Now(), deadline, dice->Upto(Ms(1)));
      bool is_cancelled = false;
      while (step.kind == AdmissionControl::Step::Kind::kWait &&
             !is_cancelled) {
        time.Pass(dice->Upto(Duration(20'000)));
        is_cancelled = dice->Chance(0.05);
        if (is_cancelled) {
          permit.End(AdmissionControl::Verdict::kNotSent, time.Now());
        } else {
          step = permit.Continue(waiter, time.Now());
        }
      }
      if (is_cancelled ||
          step.kind != AdmissionControl::Step::Kind::kAdmitted) {
        continue;
      }
      std::this_thread::yield();
      const bool was_sent = dice->Chance(0.8);
      if (was_sent) ++sent;
      permit.End(was_sent
                     ? (dice->Chance(0.5) ? AdmissionControl::Verdict::kAccepted
                                          : AdmissionControl::Verdict::kUnknown)
                     : AdmissionControl::Verdict::kNotSent,
                 time.Now());
    }
  });
  EXPECT_EQ(bulkhead->snapshot().active, 0);
  EXPECT_EQ(bulkhead->snapshot().queued, 0);
  EXPECT_EQ(bulkhead->snapshot().completed, sent);
  EXPECT_NEAR(limit->tokens(time.Now()), static_cast<double>(1'000'000 - sent),
              0.5);
}

TEST(CoreStressTest, AnAnswerThatIsJudgedByAnotherThreadIsCountedOnce) {
  EventLog log(50);
  BreakerOptions options = NervousAllOver();
  Breaker breaker({"c", "t", "m", &log, nullptr}, options, 1, Time{});
  SharedTime time;
  Mutex mu;
  std::vector<Permit> answered;
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(dice->Upto(Duration(200'000)));
      Admission a = breaker.Admit(time.Now(), time.Now() + dice->Upto(Ms(5)));
      if (a.permit) {
        if (dice->Chance(0.8)) a.permit.NoteAnswered(time.Now());
        MutexLock lock(&mu);
        answered.push_back(std::move(a.permit));
      }
      Permit judged;
      {
        MutexLock lock(&mu);
        if (answered.size() > 8) {
          std::swap(judged, answered[dice->Below(answered.size())]);
        }
        while (!answered.empty() && !answered.back()) answered.pop_back();
      }
      judged.Settle(dice->Chance(0.7) ? Verdict::kSuccess : Verdict::kFailure,
                    time.Now());
      if (dice->Chance(0.05)) {
        EXPECT_LE(breaker.Snapshot(time.Now()).probes_in_flight, 3);
      }
    }
  });
  answered.clear();
  EXPECT_EQ(breaker.Snapshot(time.Now()).probes_in_flight, 0);
  breaker.Reset(time.Now());
  EXPECT_TRUE(breaker.Admit(time.Now(), kInfiniteFuture).permit);
}

TEST(CoreStressTest, ARateLimitGivesNoMoreThanBurstAndRate) {
  RateLimitOptions options;
  options.rate = 1e5;
  options.burst = 100;
  RateLimit limit(options, Time{});
  SharedTime time;
  std::atomic<int64_t> used{0};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(Duration(1'000));
      const Time now = time.Now();
      const RateLimit::Turn turn = limit.Take(now, now);
      if (!turn.is_ours) {
        limit.CountRejection();
      } else if (dice->Chance(0.3)) {
        limit.GiveBack(turn, time.Now());
      } else {
        ++used;
      }
    }
  });
  EXPECT_LE(static_cast<double>(used),
            options.rate * ToSeconds(time.Now() - Time{}) + options.burst);
  EXPECT_GT(used, 1'000);
}

TEST(CoreStressTest, AThrottleCountsEveryEnd) {
  Throttle throttle({}, 1, Time{});
  std::atomic<int64_t> ended{0};
  std::atomic<int64_t> accepted{0};
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      if (!throttle.Admit(Time{})) {
        ++ended;
      } else if (dice->Chance(0.9)) {
        const bool accept = dice->Chance(0.3);
        throttle.OnEnd(accept, Time{});
        ++ended;
        if (accept) ++accepted;
      }
      if (dice->Chance(0.01)) throttle.snapshot(Time{});
    }
  });
  const Throttle::Snapshot s = throttle.snapshot(Time{});
  EXPECT_EQ(s.requests, ended);
  EXPECT_EQ(s.accepts, accepted);
  EXPECT_GT(s.rejected, 0);
}

TEST(CoreStressTest, ABulkheadLosesNoPlaceWhoeverGivesUpWhen) {
  BulkheadOptions bulkhead;
  bulkhead.max_concurrent = 2;
  bulkhead.max_queue = 3;
  bulkhead.max_wait = Sec(1);
  RateLimitOptions rate;
  rate.rate = 1e6;
  rate.burst = 1'000'000;
  AdmissionControl admission(
      std::make_shared<Throttle>(ThrottleOptions{}, 1, Time{}),
      std::make_shared<RateLimit>(rate, Time{}),
      std::make_shared<Bulkhead>(bulkhead));
  std::atomic<int> inside{0};
  std::atomic<int64_t> ran{0};
  // A waiting thread yields, which takes long on a busy machine.
  constexpr int kVisits = 1'000;
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kVisits; ++i) {
      auto waiter = std::make_shared<QueuedVisit>();
      AdmissionPermit permit;
      AdmissionControl::Step step =
          permit.Begin(&admission, Time{}, kInfiniteFuture, Duration::zero());
      const int patience = dice->Int(0, 4);
      for (int looks = 0; step.kind == AdmissionControl::Step::Kind::kWait;
           ++looks) {
        if (looks > patience) break;
        // Sometimes it times out, possibly just when its place comes.
        const Time now = dice->Chance(0.05) ? At(Sec(2)) : Time{};
        step = permit.Continue(waiter, now);
        if (!waiter->told.load(std::memory_order_acquire)) {
          std::this_thread::yield();
        }
      }
      if (step.kind != AdmissionControl::Step::Kind::kAdmitted) {
        if (dice->Chance(0.5)) {
          permit.End(AdmissionControl::Verdict::kNotSent, Time{});
        }
        continue;  // or it is dropped where it is
      }
      EXPECT_LE(++inside, bulkhead.max_concurrent);
      ++ran;
      if (dice->Chance(0.1)) std::this_thread::yield();
      --inside;
      permit.End(AdmissionControl::Verdict::kAccepted, Time{});
    }
  });
  const Bulkhead::Snapshot s = admission.bulkhead()->snapshot();
  EXPECT_EQ(s.active, 0);
  EXPECT_EQ(s.queued, 0);
  EXPECT_EQ(s.completed, ran);
  EXPECT_GT(ran, kVisits / 10);
  EXPECT_EQ(admission.throttle()->snapshot(Time{}).accepts, ran);
}

TEST(CoreStressTest, StatisticsLoseNoCall) {
  MethodStats stats;
  Hammer([&](int, Dice* dice) {
    for (int i = 0; i < kRounds; ++i) {
      stats.OnCallStarted();
      stats.OnAttempt(AttemptKind::kFirst);
      stats.OnAttemptEnd(static_cast<Attribution>(dice->Int(0, 8)));
      if (dice->Chance(0.1)) {
        stats.OnRejected(Reason::kBreakerOpen);
      } else {
        stats.OnCallEnded(static_cast<CallEnd>(dice->Int(0, 4)),
                          absl::StatusCode::kOk, dice->Upto(Ms(5)));
      }
      if (dice->Chance(0.01)) {
        EXPECT_GE(stats.counts().calls, i);
        EXPECT_LE(stats.latency().Quantile(0.99), Ms(6));
      }
    }
  });
  const MethodCounts counts = stats.counts();
  EXPECT_EQ(counts.calls, kHammerThreads * kRounds);
  EXPECT_EQ(counts.in_flight, 0);
  int64_t ends = 0;
  for (int64_t n : counts.ends) ends += n;
  EXPECT_EQ(ends, counts.calls);
  int64_t attributions = 0;
  for (int64_t n : counts.attributions) attributions += n;
  EXPECT_EQ(attributions, counts.calls);
  EXPECT_EQ(stats.latency().count(), counts.end(CallEnd::kSuccess));
}

TEST(CoreStressTest, ALogNumbersEventsWithoutGaps) {
  EventLog log(64);
  std::atomic<int64_t> read{0};
  std::atomic<int64_t> missed{0};
  Hammer([&](int thread, Dice*) {
    int64_t cursor = 0;
    for (int i = 0; i < kRounds; ++i) {
      if (thread != 0) {
        log.Append(Event{});
        continue;
      }
      const EventLog::Page page = log.Since(cursor, 7);
      missed += page.missed;
      read += static_cast<int64_t>(page.events.size());
      cursor = page.next;
    }
    if (thread == 0) {
      EXPECT_EQ(read + missed, cursor);
    }
  });
  EXPECT_EQ(log.last(), (kHammerThreads - 1) * kRounds);
}

}  // namespace
}  // namespace firebreak::core
