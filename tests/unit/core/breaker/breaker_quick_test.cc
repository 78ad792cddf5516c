// Without its lock, a breaker does the same as it would do with it.
//
// Two breakers see the same events. One of them has a rule on slow calls, which
// no call here breaks. So it has to time each call, and takes the lock for each
// one while CLOSED.
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/hammer.h"

namespace firebreak::core {
namespace {

constexpr Duration kSlowerThanAll = std::chrono::hours(24 * 365);

class Twins {
 public:
  explicit Twins(uint64_t seed) : dice_(seed) {
    const BreakerOptions options = RandomOptions();
    quick_ = std::make_unique<Breaker>(Called(&quick_log_), options, 1, now_);
    locked_ = std::make_unique<Breaker>(Called(&locked_log_), Locked(options),
                                        1, now_);
  }

  void Run(int events) {
    for (int i = 0; i < events; ++i) {
      if (dice_.Chance(0.002)) health_ = dice_.Chance(0.3) ? 0.5 : 0.98;
      PassTime();
      if (dice_.Chance(0.01)) Operate();
      if (out_.empty() || dice_.Chance(0.5)) {
        Admit();
      } else {
        Settle();
      }
      // Compares rarely, since that takes the lock.
      if (dice_.Chance(0.05)) Compare();
      if (::testing::Test::HasFailure()) return;
    }
    Compare();
    CompareEvents();
  }

 private:
  struct Out {
    Permit quick;
    Permit locked;
  };

  static Breaker::Identity Called(EventLog* log) {
    return {"c", "t", "m", log, nullptr};
  }

  BreakerOptions RandomOptions() {
    BreakerOptions options;
    auto maybe = [&](int low, int high) {
      return dice_.Chance(0.4) ? dice_.Int(low, high) : 0;
    };
    options.consecutive_failures = maybe(1, 6);
    options.leaky_failures = maybe(1, 8);
    options.failure_rate = dice_.Chance(0.3) ? 0 : 0.1 * dice_.Int(1, 10);
    options.minimum_calls = dice_.Int(1, 30);
    if (dice_.Chance(0.6)) options.confidence = dice_.Chance(0.3) ? 0.9 : 0;
    options.probe_interval = dice_.Chance(0.5) ? Ms(dice_.Int(1, 30)) : Ms(0);
    if (dice_.Chance(0.5)) {
      options.window.kind = WindowOptions::Kind::kCalls;
      options.window.calls = dice_.Int(1, 60);
    } else {
      options.window.duration = Ms(dice_.Int(20, 500));
    }
    options.open_duration = Ms(dice_.Int(1, 50));
    options.max_open_duration = Ms(100);
    options.probes = dice_.Int(1, 3);
    options.probe_timeout = Ms(20);
    options.half_open_duration = Ms(dice_.Int(0, 50));
    if (dice_.Chance(0.3)) options.ramp = {0.5, Ms(20)};
    if (dice_.Chance(0.2)) options.mode = BreakerOptions::Mode::kShadow;
    return options;
  }
  static BreakerOptions Locked(BreakerOptions options) {
    options.slow_call_duration = kSlowerThanAll;
    options.slow_call_rate = 1;
    return options;
  }

  // Moves the time, mostly a little, sometimes back, and sometimes past
  // everything that is due.
  void PassTime() {
    const double how = dice_.Upto(Duration(1'000'000)).count() / 1e6;
    if (how < 0.1) {
      now_ -= dice_.Upto(Ms(2));
    } else if (how > 0.995) {
      now_ += dice_.Upto(Ms(700));
    } else {
      now_ += dice_.Upto(Ms(1));
    }
  }

  void Operate() {
    const absl::optional<Duration> time =
        dice_.Chance(0.7) ? absl::optional<Duration>(dice_.Upto(Ms(30)))
                          : absl::nullopt;
    absl::optional<BreakerOptions> options;
    if (dice_.Chance(0.9)) options = RandomOptions();
    const int what = dice_.Int(0, 8);
    for (Breaker* b : {quick_.get(), locked_.get()}) {
      switch (what) {
        case 0:
          b->ForceOpen(time, now_);
          break;
        case 1:
          b->ForceClosed(time, now_);
          break;
        case 2:
        case 3:
          b->ClearOverride(now_);
          break;
        case 4:
          b->Reset(now_);
          break;
        case 5:
          b->Tick(now_);
          break;
        case 6:
          b->IsStrained(now_);
          break;
        default:
          if (!options) {
            b->SetOptions(absl::nullopt, now_);
          } else {
            b->SetOptions(b == quick_.get() ? *options : Locked(*options),
                          now_);
          }
          break;
      }
    }
  }

  void Admit() {
    const Time deadline =
        dice_.Chance(0.5) ? kInfiniteFuture : now_ + dice_.Upto(Ms(30));
    const auto kind = static_cast<CallKind>(dice_.Int(0, 1));
    const auto hedge = static_cast<Hedge>(dice_.Chance(0.1) ? 1 : 0);
    Admission a = quick_->Admit(now_, deadline, kind, hedge);
    Admission b = locked_->Admit(now_, deadline, kind, hedge);
    EXPECT_EQ(static_cast<bool>(a.permit), static_cast<bool>(b.permit));
    EXPECT_EQ(a.permit.is_probe(), b.permit.is_probe());
    EXPECT_EQ(a.permit.is_careful(), b.permit.is_careful());
    EXPECT_EQ(a.refusal.reason, b.refusal.reason);
    EXPECT_EQ(a.refusal.retry_after, b.refusal.retry_after);
    EXPECT_EQ(a.refusal.epoch, b.refusal.epoch);
    out_.push_back({std::move(a.permit), std::move(b.permit)});
  }

  void Settle() {
    const size_t n = dice_.Below(out_.size());
    std::swap(out_[n], out_.back());
    Out out = std::move(out_.back());
    out_.pop_back();
    if (dice_.Chance(0.05)) {
      out.quick.NoteAnswered(now_);
      out.locked.NoteAnswered(now_);
      PassTime();
    }
    if (dice_.Chance(0.02)) return;  // dropped
    const Verdict verdict = dice_.Chance(health_) ? Verdict::kSuccess
                            : dice_.Chance(0.9)   ? Verdict::kFailure
                            : dice_.Chance(0.5)   ? Verdict::kNeutral
                                                  : Verdict::kLost;
    out.quick.Settle(verdict, now_);
    out.locked.Settle(verdict, now_);
  }

  void Compare() {
    const BreakerSnapshot a = quick_->Snapshot(now_);
    const BreakerSnapshot b = locked_->Snapshot(now_);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.epoch, b.epoch);
    EXPECT_EQ(a.since, b.since);
    EXPECT_EQ(a.probe_due, b.probe_due);
    EXPECT_EQ(a.probes_in_flight, b.probes_in_flight);
    EXPECT_EQ(a.admitted_share, b.admitted_share);
    EXPECT_EQ(a.window_calls, b.window_calls);
    EXPECT_EQ(a.window_failures, b.window_failures);
    EXPECT_EQ(a.consecutive_failures, b.consecutive_failures);
    EXPECT_EQ(a.leaky_failures, b.leaky_failures);
    EXPECT_EQ(a.times_opened, b.times_opened);
    EXPECT_EQ(a.stale_results, b.stale_results);
    EXPECT_EQ(a.hung_probes, b.hung_probes);
    EXPECT_EQ(a.shadow_refusals, b.shadow_refusals);
    EXPECT_EQ(a.losses, b.losses);
    EXPECT_EQ(a.losses_in_a_row, b.losses_in_a_row);
    EXPECT_EQ(a.cause, b.cause);
  }

  void CompareEvents() {
    const std::vector<Event> a = quick_log_.Since(0, kEvents).events;
    const std::vector<Event> b = locked_log_.Since(0, kEvents).events;
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].at, b[i].at);
      EXPECT_EQ(a[i].cause, b[i].cause);
      ASSERT_EQ(a[i].trip.has_value(), b[i].trip.has_value());
      if (!a[i].trip) continue;
      EXPECT_EQ(a[i].trip->calls, b[i].trip->calls);
      EXPECT_EQ(a[i].trip->failures, b[i].trip->failures);
      EXPECT_EQ(a[i].trip->slowest, b[i].trip->slowest);
    }
  }

  static constexpr int kEvents = 10'000;

  Dice dice_;
  Time now_ = At(Sec(100));
  double health_ = 0.98;
  EventLog quick_log_{kEvents};
  EventLog locked_log_{kEvents};
  std::unique_ptr<Breaker> quick_;
  std::unique_ptr<Breaker> locked_;
  std::vector<Out> out_;  // after the breakers, which outlive their permits
};

TEST(BreakerQuickTest, DoesWhatItWouldUnderItsLock) {
#ifdef FIREBREAK_TSAN
  constexpr uint64_t kSeeds = 20;  // and no thread to look at
#else
  constexpr uint64_t kSeeds = 200;
#endif
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Twins(seed).Run(4'000);
  }
}

TEST(BreakerQuickTest, EveryResultIsInTheWindowOrInATripOrStale) {
#ifdef FIREBREAK_TSAN
  constexpr int kRounds = 10'000;
#else
  // Long enough that two threads run at the same time.
  constexpr int kRounds = 100'000;
#endif
  BreakerOptions options = TripsAfter(2);
  options.open_duration = options.max_open_duration = std::chrono::hours(1);
  options.window.kind = WindowOptions::Kind::kCalls;
  options.window.calls = kHammerThreads * kRounds;
  EventLog log(kHammerThreads * kRounds / 10);
  Breaker breaker({"c", "t", "m", &log, nullptr}, options, 1, Time{});
  SharedTime time;
  std::atomic<int64_t> settled{0};
  Hammer([&](int thread, Dice* dice) {
    std::vector<Permit> held;
    for (int i = 0; i < kRounds; ++i) {
      time.Pass(Duration(1'000));
      const Time now = time.Now();
      Permit permit = breaker.Admit(now, kInfiniteFuture).permit;
      if (permit) held.push_back(std::move(permit));
      if (!held.empty() && (held.size() > 5 || dice->Chance(0.5))) {
        held.back().Settle(
            dice->Chance(0.95) ? Verdict::kSuccess : Verdict::kFailure,
            time.Now());
        held.pop_back();
        ++settled;
      }
      if (dice->Chance(0.01)) breaker.SetOptions(options, now);
      if (dice->Chance(0.01)) breaker.IsStrained(now);
      // Resets only while OPEN, since the window is then in the event, too.
      if (thread == 0 && breaker.Snapshot(now).state == BreakerState::kOpen) {
        breaker.Reset(now);
      }
    }
    settled += static_cast<int64_t>(held.size());
    while (!held.empty()) {
      held.back().Settle(Verdict::kSuccess, time.Now());
      held.pop_back();
    }
  });
  const BreakerSnapshot s = breaker.Snapshot(time.Now());
  int64_t accounted = s.stale_results;
  if (s.state == BreakerState::kClosed) accounted += s.window_calls;
  for (const Event& event : log.Since(0, log.last()).events) {
    if (event.trip) accounted += event.trip->calls;
  }
  EXPECT_EQ(accounted, settled);
  EXPECT_GT(s.times_opened, 3);
}

}  // namespace
}  // namespace firebreak::core
