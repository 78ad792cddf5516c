// A million events in random order, and laws that hold in every order.
//
// Each seed makes a world: random options, up to three targets, one budget,
// and twenty calls at a time that share them. Attempts end with any code, in
// any order. Timers are late or early, callers cancel, drivers are destroyed,
// and operators force breakers. `Laws` is the host of one call, and checks
// every action. A failure names its seed, and the seed alone repeats it.
#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;

constexpr int kWorlds = 250;
constexpr int kStepsPerWorld = 5'000;
constexpr int kCallsAtATime = 20;

CodeSet SomeCodes(Dice* dice, bool may_be_empty) {
  CodeSet codes;
  if (!may_be_empty) codes.Add(Code::kUnavailable);
  for (int n = 1; n < kStatusCodes; ++n) {
    if (dice->Chance(0.15)) codes.Add(static_cast<Code>(n));
  }
  return codes;
}

MethodOptions SomeOptions(Dice* dice) {
  MethodOptions o;
  const int attempts = dice->Int(2, dice->Chance(0.2) ? 10 : 4);
  if (dice->Chance(0.8)) {
    o.breaker = BreakerOptions{};
    o.breaker->consecutive_failures = dice->Chance(0.3) ? 0 : dice->Int(1, 9);
    o.breaker->failure_rate = 0.2 + 0.1 * dice->Int(0, 8);
    o.breaker->minimum_calls = dice->Int(1, 20);
    if (dice->Chance(0.5)) {
      o.breaker->window.kind = WindowOptions::Kind::kCalls;
      o.breaker->window.calls = dice->Int(20, 50);
    } else {
      o.breaker->window.duration = Ms(dice->Int(100, 2000));
    }
    if (dice->Chance(0.5)) o.breaker->confidence = 0;
    o.breaker->probe_interval = Ms(dice->Chance(0.5) ? dice->Int(1, 200) : 0);
    o.breaker->open_duration = Ms(dice->Int(1, 200));
    o.breaker->max_open_duration = Ms(dice->Int(200, 2000));
    o.breaker->probes = dice->Int(1, 4);
    o.breaker->probe_samples = dice->Int(0, 1) * dice->Int(4, 9);
    o.breaker->probe_success_ratio = 0.1 * dice->Int(1, 10);
    o.breaker->probe_timeout = Ms(dice->Int(1, 300));
    if (dice->Chance(0.3)) o.breaker->failure_codes = SomeCodes(dice, false);
  }
  if (dice->Chance(0.7)) {
    o.retry = RetryOptions{};
    o.retry->max_attempts = attempts;
    o.retry->backoff.initial = Ms(dice->Int(0, 50));
    o.retry->backoff.max = Ms(dice->Int(50, 500));
    o.retry->backoff.jitter =
        static_cast<BackoffOptions::Jitter>(dice->Int(0, 3));
    o.retry->codes = SomeCodes(dice, false);
    if (dice->Chance(0.5)) o.retry->attempt_timeout = Ms(dice->Int(1, 100));
  }
  if (dice->Chance(0.6)) {
    o.hedging = HedgingOptions{};
    o.hedging->max_attempts = attempts;
    o.hedging->delay = dice->Int(0, 3) * Ms(dice->Int(0, 20));
    o.hedging->non_fatal_codes = SomeCodes(dice, true);
  }
  EXPECT_EQ(o.Validate(), absl::OkStatus());
  return o;
}

// The objects that all calls of a world share, and their total counts.
struct World {
  World(uint64_t seed, Dice* dice)
      : options(SomeOptions(dice)),
        budget_options{0.1 * dice->Int(0, 10), 2.0 * dice->Int(0, 10),
                       1.0 * dice->Int(1, 30), absl::nullopt},
        budget(budget_options, now) {
    for (int i = dice->Int(1, 3); i > 0; --i) {
      breakers.push_back(
          std::make_unique<Breaker>(Breaker::Identity{"c", "t", "m", &log, {}},
                                    options.breaker, seed + i, now));
      targets.push_back(breakers.back().get());
    }
  }

  const MethodOptions options;
  const BudgetOptions budget_options;
  Time now = At(Sec(1000));
  const Time start = now;
  EventLog log{50};
  std::vector<std::unique_ptr<Breaker>> breakers;
  std::vector<Breaker*> targets;
  AttemptBudget budget;
  MethodStats stats;
  int64_t first = 0;
  int64_t extra = 0;
  int64_t finished = 0;
};

// Hosts one call, and checks that the laws hold.
class Laws {
 public:
  Laws(World* world, Dice* dice)
      : world_(*world),
        dice_(*dice),
        deadline_(dice->Chance(0.2) ? kInfiniteFuture
                                    : world->now + dice->Upto(Ms(400)) - Ms(2)),
        fallback_times_(RandomTimes(dice)) {
    CallDriver::Plan plan;
    plan.options = &world_.options;
    plan.targets = world_.targets;
    plan.budget = &world_.budget;
    plan.stats = &world_.stats;
    plan.deadline = deadline_;
    plan.fallback_times = fallback_times_;
    plan.seed = dice->Seed();
    driver_ = std::make_unique<CallDriver>(plan);
  }

  // No fallback, or a chain of up to three.
  static std::vector<Duration> RandomTimes(Dice* dice) {
    std::vector<Duration> times;
    if (!dice->Chance(0.4)) return times;
    for (int links = dice->Int(1, 3); links > 0; --links) {
      times.push_back(dice->Chance(0.5) ? kInfiniteDuration
                                        : Ms(1) + dice->Upto(Ms(50)));
    }
    return times;
  }

  // Makes something happen to the call. Returns false if nothing more can.
  bool Step() {
    const Time now =
        world_.now - (dice_.Chance(0.1) ? dice_.Upto(Ms(1)) : Duration::zero());
    if (dice_.Chance(0.01)) {
      Obey(driver_->OnCallerCancel(now), now);
      EXPECT_TRUE(driver_->finished());
      return true;
    }
    if (!started_) {
      started_ = true;
      Obey(driver_->Start(now), now);
      return true;
    }
    if (dice_.Chance(0.3)) {
      Obey(driver_->OnTimer(now), now);
      // A timer that was handled is no longer due; otherwise a host would spin.
      EXPECT_GT(driver_->wake_at(), now);
      return true;
    }
    const int link = dice_.Int(0, 2);
    if (dice_.Chance(0.05)) driver_->OnLinkBegin(link);
    if (dice_.Chance(0.05) || asked_fallback_) {
      Obey(driver_->OnLinkEnd(driver_->link_in_flight().value_or(link),
                              dice_.Chance(0.5), now),
           now);
      EXPECT_TRUE(finished_ || !asked_fallback_ || driver_->link_in_flight());
    }
    return EndAnAttempt(now) || !finished_;
  }

  Time wake_at() const { return driver_->wake_at(); }

 private:
  struct Ran {
    bool reported = false;
    bool cancelled = false;
    Code code = Code::kOk;
  };

  bool EndAnAttempt(Time now) {
    std::vector<int> running;
    for (size_t n = 0; n < ran_.size(); ++n) {
      if (!ran_[n].reported) running.push_back(static_cast<int>(n));
    }
    if (running.empty()) return false;
    const int n = running[dice_.Below(running.size())];
    AttemptEnd end;
    // Sometimes the code is not a valid one.
    end.code = dice_.Chance(0.3)   ? Code::kOk
               : dice_.Chance(0.6) ? Code::kUnavailable
                                   : static_cast<Code>(dice_.Int(-1, 18));
    if (dice_.Chance(0.2)) {
      end.pushback = dice_.Chance(0.3) ? -Ms(1) : dice_.Upto(Ms(60));
    }
    end.origin = dice_.Chance(0.3)   ? Origin::kTransport
                 : dice_.Chance(0.1) ? Origin::kHere
                                     : Origin::kPeer;
    end.channel_was_not_ready = dice_.Chance(0.1);
    end.cancelled_by_caller = dice_.Chance(0.05);
    Ran& ran = ran_[static_cast<size_t>(n)];
    ran.reported = true;
    ran.code = end.code;
    const bool live = !ran.cancelled && !finished_;
    const bool is_local =
        end.origin == Origin::kHere && end.code != Code::kDeadlineExceeded;
    const bool may_go_on = world_.options.IsRetryable(end.code) && !is_local &&
                           driver_->launched() < world_.options.max_attempts();
    if (live && may_go_on && end.pushback.has_value()) {
      not_before_ = std::max(not_before_, *end.pushback < Duration::zero()
                                              ? kInfiniteFuture
                                              : now + *end.pushback);
    }
    if (live && !is_local) {
      failed_once_ |= world_.options.IsRetryable(end.code);
    }
    Obey(driver_->OnAttemptEnd(n, end, now), now);
    return true;
  }

  void Obey(const CallDriver::Actions& actions, Time now) {
    if (finished_) {
      EXPECT_TRUE(actions.cancel.empty());
      EXPECT_TRUE(actions.launch.empty());
      EXPECT_FALSE(actions.ask_link.has_value());
      EXPECT_FALSE(actions.finish.has_value()) << "finished twice";
    }
    for (int n : actions.cancel) {
      ASSERT_GE(n, 0);
      ASSERT_LT(n, static_cast<int>(ran_.size())) << "cancel before launch";
      Ran& ran = ran_[static_cast<size_t>(n)];
      EXPECT_FALSE(ran.reported) << "cancel of an ended attempt";
      EXPECT_FALSE(ran.cancelled) << "cancelled twice";
      ran.cancelled = true;
    }
    for (const CallDriver::Launch& launch : actions.launch) {
      Judge(launch, now);
      ran_.emplace_back();
    }
    EXPECT_EQ(driver_->launched(), static_cast<int>(ran_.size()));
    EXPECT_LE(driver_->launched(), world_.options.max_attempts());
    int in_flight = 0;
    for (const Ran& ran : ran_) in_flight += !ran.reported && !ran.cancelled;
    if (actions.finish.has_value()) {
      EXPECT_EQ(in_flight, 0) << "an attempt is left behind";
      EXPECT_TRUE(actions.launch.empty());
      if (actions.ask_link.has_value()) {
        EXPECT_EQ(static_cast<size_t>(*actions.ask_link), asked_links_++);
        EXPECT_LE(asked_links_, fallback_times_.size());
        EXPECT_LT(now, deadline_);
        asked_fallback_ = true;
      } else {
        finished_ = true;
        ++world_.finished;
      }
      Judge(*actions.finish, actions.ask_link.has_value());
    }
    EXPECT_EQ(driver_->finished(), finished_);
    if (finished_) {
      EXPECT_EQ(driver_->wake_at(), kInfiniteFuture);
    } else if (started_) {
      EXPECT_LE(driver_->wake_at(), deadline_);
      // Something is always pending; otherwise the call would hang.
      EXPECT_TRUE(in_flight > 0 || asked_fallback_ ||
                  driver_->wake_at() < deadline_)
          << "the call waits for nothing";
    }
  }

  void Judge(const CallDriver::Launch& launch, Time now) {
    EXPECT_EQ(launch.attempt, static_cast<int>(ran_.size()));
    EXPECT_GE(launch.target, 0);
    EXPECT_LT(launch.target, static_cast<int>(world_.targets.size()));
    EXPECT_LT(now, deadline_) << "launch at or after the deadline";
    EXPECT_GE(now, not_before_) << "launch before a pushback is over";
    EXPECT_LE(launch.deadline, deadline_);
    EXPECT_GT(launch.deadline, now);
    EXPECT_FALSE(asked_fallback_);
    EXPECT_EQ(launch.attempt == 0, launch.kind == AttemptKind::kFirst);
    if (launch.kind == AttemptKind::kHedge) {
      EXPECT_TRUE(world_.options.hedging.has_value());
      EXPECT_FALSE(probed_) << "a call that probes is not hedged";
      EXPECT_FALSE(launch.is_probe && used_.count(launch.target) > 0);
    } else if (launch.kind == AttemptKind::kRetry) {
      EXPECT_TRUE(failed_once_);
    }
    probed_ |= launch.is_probe && launch.kind != AttemptKind::kHedge;
    used_.insert(launch.target);
    ++(launch.attempt == 0 ? world_.first : world_.extra);
  }

  void Judge(const CallDriver::Finish& finish, bool provisional) {
    EXPECT_GE(finish.retry_after, Duration::zero());
    if (finish.from_fallback) {
      EXPECT_TRUE(asked_fallback_ && !provisional);
      EXPECT_EQ(finish.code, Code::kOk);
      EXPECT_EQ(finish.attempt, CallDriver::Finish::kNoAttempt);
    } else if (finish.attempt == CallDriver::Finish::kNoAttempt) {
      EXPECT_NE(finish.code, Code::kOk);
      EXPECT_NE(finish.reason, Reason::kNone);
    } else {
      ASSERT_LT(finish.attempt, static_cast<int>(ran_.size()));
      const Ran& ran = ran_[static_cast<size_t>(finish.attempt)];
      EXPECT_TRUE(ran.reported && !ran.cancelled);
      EXPECT_EQ(finish.code, ran.code);
    }
  }

  World& world_;
  Dice& dice_;
  const Time deadline_;
  const std::vector<Duration> fallback_times_;
  size_t asked_links_ = 0;
  std::unique_ptr<CallDriver> driver_;
  bool started_ = false;
  bool finished_ = false;
  bool asked_fallback_ = false;
  bool failed_once_ = false;
  bool probed_ = false;  // other than by a hedge
  std::set<int> used_;   // targets
  Time not_before_ = Time::min();
  std::vector<Ran> ran_;
};

void Meddle(World* world, Dice* dice) {
  Breaker& breaker = *world->targets[dice->Below(world->targets.size())];
  absl::optional<Duration> duration;
  if (dice->Chance(0.8)) duration = dice->Upto(Ms(100));
  switch (dice->Int(0, 4)) {
    case 0:
      return breaker.ForceOpen(duration, world->now);
    case 1:
      return breaker.ForceClosed(duration, world->now);
    case 2:
      breaker.ClearOverride(world->now);
      return;
    case 3:
      return breaker.Reset(world->now);
    default:
      return breaker.Tick(world->now);
  }
}

// Checks that successes can bring every breaker back to CLOSED.
void LeadBack(Breaker* breaker, Time now) {
  breaker->ClearOverride(now);
  for (int i = 0; i < 100; ++i) {
    const BreakerSnapshot s = breaker->Snapshot(now);
    EXPECT_EQ(s.probes_in_flight, 0);
    if (s.state == BreakerState::kClosed ||
        s.state == BreakerState::kDisabled) {
      return;
    }
    if (s.probe_due.has_value()) now = *s.probe_due;
    Admission a = breaker->Admit(now, kInfiniteFuture);
    if (s.state == BreakerState::kRamp && !a.permit) {
      now += Ms(100);
      continue;
    }
    ASSERT_TRUE(a.permit) << ReasonName(a.refusal.reason);
    a.permit.Settle(Verdict::kSuccess, now);
    // At the end of a ramp nearly all are admitted; only time ends it.
    if (s.state == BreakerState::kRamp) now += Ms(1);
  }
  ADD_FAILURE() << "successes do not close it";
}

template <class Counts>
int64_t Sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

void JudgeAtRest(const World& world) {
  const MethodCounts counts = world.stats.counts();
  EXPECT_EQ(counts.calls, Sum(counts.ends));
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(world.finished + counts.end(CallEnd::kAbandoned), counts.calls);
  EXPECT_EQ(Sum(counts.attempts), world.first + world.extra);
  EXPECT_EQ(Sum(counts.attempts), Sum(counts.attributions));
  EXPECT_EQ(counts.attempts_of(AttemptKind::kFirst), world.first);
}

// Returns the number of events.
int64_t Live(uint64_t seed, int64_t* extra) {
  Dice dice(seed);
  World world(seed, &dice);
  std::vector<std::unique_ptr<Laws>> calls(kCallsAtATime);
  int64_t events = 0;
  for (int i = 0; i < kStepsPerWorld; ++i) {
    auto& call = calls[dice.Below(calls.size())];
    if (call == nullptr) call = std::make_unique<Laws>(&world, &dice);
    if (dice.Chance(0.2)) {
      // Often moves to the exact time for which this call waits.
      world.now = dice.Chance(0.5) && call->wake_at() < world.now + Ms(300)
                      ? std::max(world.now, call->wake_at())
                      : world.now + dice.Upto(Ms(20));
    }
    if (dice.Chance(0.005)) Meddle(&world, &dice);
    ++events;
    if (dice.Chance(0.003) || !call->Step()) call.reset();
    const double tokens = world.budget.tokens(world.now);
    EXPECT_GE(tokens, 0.0);
    EXPECT_LE(
        static_cast<double>(world.extra),
        world.budget_options.ratio * static_cast<double>(world.first) +
            world.budget_options.floor * ToSeconds(world.now - world.start) +
            world.budget_options.burst + 1e-6);
    if (::testing::Test::HasFailure()) break;
  }
  calls.clear();
  JudgeAtRest(world);
  for (Breaker* breaker : world.targets) LeadBack(breaker, world.now);
  *extra += world.extra;
  return events;
}

TEST(CallDriverRandomTest, TheLawsHoldInAnyOrderOfEvents) {
  int64_t events = 0;
  int64_t extra = 0;
  for (uint64_t seed = 1; seed <= kWorlds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    events += Live(seed, &extra);
    if (HasFailure()) break;
  }
  if (!HasFailure()) {
    EXPECT_GE(events, 1'000'000);
    EXPECT_GE(extra, 45'000) << "too tame a world to prove anything";
  }
}

}  // namespace
}  // namespace firebreak::core
