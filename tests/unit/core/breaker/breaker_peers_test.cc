// Compares the breaker with two peers that have the same configuration and get
// the same random events. The peers are small models, written from their
// documented rules: gobreaker v2 (sony/gobreaker README) and resilience4j's
// count-based window (its CircuitBreaker guide). If both peers give the same
// answer, so must this breaker. Otherwise the test says where and why it
// differs.
//
// The intended differences:
//  1. resilience4j counts a result in whatever state it arrives. There, a call
//     that began before a trip may decide a probe, and an ignored one may allow
//     another probe. Here such a result is stale.
//  2. resilience4j decides half-open when all permitted results have arrived.
//     Here it is decided as soon as the missing ones cannot change it.
//  3. Both leave OPEN one nanosecond after its time, and this breaker exactly
//     at it.
//  4. In gobreaker and resilience4j a probe may hang for ever. Here its lease
//     ends; these tests set it to an hour, so that it has no effect.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

enum class State { kClosed, kOpen, kHalfOpen };

State Ours(BreakerState state) {
  switch (state) {
    case BreakerState::kOpen:
      return State::kOpen;
    case BreakerState::kHalfOpen:
      return State::kHalfOpen;
    default:
      return State::kClosed;
  }
}

// Counts the results of one generation. Each change of state begins a new one.
class Gobreaker {
 public:
  Gobreaker(int trips_after, int max_requests, Duration timeout)
      : trips_after_(trips_after),
        max_requests_(max_requests),
        timeout_(timeout) {}

  bool Admit(Time now, uint64_t* generation) {
    Advance(now);
    if (state_ == State::kOpen) return false;
    if (state_ == State::kHalfOpen && requests_ >= max_requests_) return false;
    ++requests_;
    *generation = generation_;
    return true;
  }
  void End(uint64_t generation, Verdict verdict, Time now) {
    Advance(now);
    if (generation != generation_) return;
    if (verdict == Verdict::kNeutral) {
      --requests_;
    } else if (verdict == Verdict::kSuccess) {
      ++successes_in_a_row_;
      failures_in_a_row_ = 0;
      if (state_ == State::kHalfOpen && successes_in_a_row_ >= max_requests_) {
        Enter(State::kClosed, now);
      }
    } else {
      ++failures_in_a_row_;
      successes_in_a_row_ = 0;
      if (state_ == State::kHalfOpen || failures_in_a_row_ >= trips_after_) {
        Enter(State::kOpen, now);
      }
    }
  }
  State state() const { return state_; }

 private:
  void Advance(Time now) {
    if (state_ == State::kOpen && expiry_ < now) Enter(State::kHalfOpen, now);
  }
  void Enter(State state, Time now) {
    state_ = state;
    ++generation_;
    requests_ = successes_in_a_row_ = failures_in_a_row_ = 0;
    expiry_ = now + timeout_;
  }

  const int trips_after_;
  const int max_requests_;
  const Duration timeout_;
  State state_ = State::kClosed;
  uint64_t generation_ = 0;
  int requests_ = 0;
  int successes_in_a_row_ = 0;
  int failures_in_a_row_ = 0;
  Time expiry_;
};

class Resilience4j {
 public:
  Resilience4j(int window, int minimum, double threshold, int permitted,
               Duration wait)
      : window_(window),
        minimum_(minimum),
        threshold_(threshold),
        permitted_(permitted),
        wait_(wait) {}

  bool Admit(Time now) {
    if (state_ == State::kOpen && retry_after_ < now) Enter(State::kHalfOpen);
    if (state_ == State::kOpen) return false;
    if (state_ == State::kClosed) return true;
    if (permits_ == 0) return false;
    --permits_;
    return true;
  }
  void End(Verdict verdict, Time now) {
    if (verdict == Verdict::kNeutral) {
      if (state_ == State::kHalfOpen) ++permits_;
      return;
    }
    if (state_ == State::kOpen) return;
    const bool half_open = state_ == State::kHalfOpen;
    results_.push_back(verdict == Verdict::kFailure);
    const int size = half_open ? permitted_ : window_;
    if (static_cast<int>(results_.size()) > size) results_.pop_front();
    const auto total = static_cast<int>(results_.size());
    if (total < (half_open ? permitted_ : minimum_)) return;
    const auto failed = std::count(results_.begin(), results_.end(), true);
    if (static_cast<double>(failed) / total >= threshold_) {
      Enter(State::kOpen);
      retry_after_ = now + wait_;
    } else if (half_open) {
      Enter(State::kClosed);
    }
  }
  State state() const { return state_; }

 private:
  void Enter(State state) {
    state_ = state;
    results_.clear();
    permits_ = permitted_;
  }

  const int window_;
  const int minimum_;
  const double threshold_;
  const int permitted_;
  const Duration wait_;
  State state_ = State::kClosed;
  std::deque<bool> results_;
  int permits_ = 0;
  Time retry_after_;
};

constexpr Duration kOpenTime = Sec(10);

BreakerOptions Alike() {
  BreakerOptions options;
  options.consecutive_failures = 0;
  options.failure_rate = 0;
  options.confidence = 0;
  options.probe_interval = Duration::zero();
  options.open_duration = options.max_open_duration = kOpenTime;
  options.open_growth = 1;
  options.open_jitter = 0;
  options.probe_timeout = Sec(3600);
  options.half_open_duration = Duration::zero();
  return options;
}

struct Call {
  Permit permit;
  uint64_t generation = 0;
  uint64_t epoch = 0;
};

// Returns a later time with odd nanoseconds, so that no event is exactly at the
// end of OPEN.
Time Next(Time now, Dice* dice) {
  return now + Duration(1) +
         (dice->Chance(0.1) ? Ms(dice->Int(0, 6'000)) : Ms(dice->Int(0, 20)));
}

Verdict RandomVerdict(double bad, Dice* dice) {
  if (dice->Chance(0.1)) return Verdict::kNeutral;
  return dice->Chance(bad) ? Verdict::kFailure : Verdict::kSuccess;
}

Call TakeAny(std::vector<Call>* calls, Dice* dice) {
  const size_t n = dice->Below(calls->size());
  Call call = std::move((*calls)[n]);
  calls->erase(calls->begin() + static_cast<int64_t>(n));
  return call;
}

TEST(BreakerPeersTest, AnswersAsGobreakerDoes) {
  int trips = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Dice dice(seed);
    const int trips_after = dice.Int(1, 6);
    const int max_requests = dice.Int(1, 4);
    const double bad = dice.Chance(0.5) ? 0.3 : 0.7;
    BreakerOptions options = Alike();
    options.consecutive_failures = trips_after;
    options.probes = max_requests;
    Breaker ours({}, options, seed, Time{});
    Gobreaker theirs(trips_after, max_requests, kOpenTime);
    std::vector<Call> calls;
    Time now;
    for (int i = 0; i < 400; ++i) {
      now = Next(now, &dice);
      if (calls.empty() || dice.Chance(0.5)) {
        Call call;
        call.permit = ours.Admit(now, kInfiniteFuture).permit;
        ASSERT_EQ(theirs.Admit(now, &call.generation),
                  static_cast<bool>(call.permit))
            << "seed " << seed << " event " << i;
        ASSERT_EQ(Ours(ours.Snapshot(now).state), theirs.state());
        if (call.permit) calls.push_back(std::move(call));
      } else {
        const Verdict verdict = RandomVerdict(bad, &dice);
        Call call = TakeAny(&calls, &dice);
        call.permit.Settle(verdict, now);
        theirs.End(call.generation, verdict, now);
        trips += theirs.state() == State::kOpen;
      }
    }
  }
  EXPECT_GT(trips, 1'000);
}

// Runs both with the same random events, and shows how long they agree.
struct Race {
  int events = 0;  // until the first difference, or all
  bool differ = false;
  bool was_late = false;  // there was a late result before that
};

Race RaceResilience4j(uint64_t seed, bool late_results) {
  Dice dice(seed);
  const int window = dice.Int(1, 12);
  const int minimum = dice.Int(1, window);
  const double threshold = dice.Int(1, 10) / 10.0;
  const double bad = dice.Chance(0.5) ? 0.2 : 0.7;
  BreakerOptions options = Alike();
  options.failure_rate = threshold;
  options.minimum_calls = minimum;
  options.window.kind = WindowOptions::Kind::kCalls;
  options.window.calls = window;
  options.probes = 1;
  Breaker ours({}, options, seed, Time{});
  Resilience4j theirs(window, minimum, threshold, /*permitted=*/1, kOpenTime);
  std::vector<Call> calls;
  Time now;
  Race race;
  for (; race.events < 400; ++race.events) {
    now = Next(now, &dice);
    if (calls.empty() || dice.Chance(0.5)) {
      Call call;
      call.permit = ours.Admit(now, kInfiniteFuture).permit;
      call.epoch = ours.Snapshot(now).epoch;
      const bool theirs_admits = theirs.Admit(now);
      if (theirs_admits != static_cast<bool>(call.permit)) {
        race.differ = true;
        return race;
      }
      if (call.permit) calls.push_back(std::move(call));
    } else {
      const Verdict verdict = RandomVerdict(bad, &dice);
      Call call = TakeAny(&calls, &dice);
      const bool is_late = call.epoch != ours.Snapshot(now).epoch;
      call.permit.Settle(verdict, now);
      if (is_late && !late_results) continue;
      race.was_late |= is_late;
      theirs.End(verdict, now);
    }
    if (Ours(ours.Snapshot(now).state) != theirs.state()) {
      race.differ = true;
      return race;
    }
  }
  return race;
}

TEST(BreakerPeersTest, AnswersAsResilience4jDoesWhileNoResultIsLate) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Race race = RaceResilience4j(seed, /*late_results=*/false);
    ASSERT_FALSE(race.differ) << "seed " << seed << " event " << race.events;
  }
}

TEST(BreakerPeersTest, DiffersFromResilience4jOnlyAfterALateResult) {
  int differ = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Race race = RaceResilience4j(seed, /*late_results=*/true);
    differ += race.differ;
    ASSERT_TRUE(!race.differ || race.was_late) << "seed " << seed;
  }
  EXPECT_GT(differ, 10);  // otherwise the events would prove nothing
}

TEST(BreakerPeersTest, DecidesHalfOpenBeforeResilience4jAndToTheSameEnd) {
  for (int results = 0; results < 8; ++results) {
    BreakerOptions options = Alike();
    options.consecutive_failures = 1;
    options.probes = 3;
    options.probe_success_ratio = 0.5;  // theirs: open at 1/2 or more of 3
    Breaker ours({}, options, 1, Time{});
    ours.Admit(Time{}, kInfiniteFuture)
        .permit.Settle(Verdict::kFailure, Time{});
    Resilience4j theirs(1, 1, 0.5, 3, kOpenTime);
    theirs.Admit(Time{});
    theirs.End(Verdict::kFailure, Time{});
    const Time now = At(Sec(11));
    std::vector<Permit> probes;
    for (int i = 0; i < 3; ++i) {
      probes.push_back(ours.Admit(now, kInfiniteFuture).permit);
      theirs.Admit(now);
    }
    for (int i = 0; i < 3; ++i) {
      const Verdict verdict =
          (results >> i & 1) != 0 ? Verdict::kFailure : Verdict::kSuccess;
      if (i == 2) {
        EXPECT_EQ(theirs.state(), State::kHalfOpen);
      }
      probes[static_cast<size_t>(i)].Settle(verdict, now);
      theirs.End(verdict, now);
    }
    EXPECT_EQ(Ours(ours.Snapshot(now).state), theirs.state()) << results;
  }
}

}  // namespace
}  // namespace firebreak::core
