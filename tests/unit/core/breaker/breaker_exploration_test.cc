// Tries every order of events up to a depth on a small breaker, and checks the
// invariants in every state that can be reached.
//
// Two states are equal if everything that decides the future is equal: the
// snapshot, times relative to now, the last results that a window may have, and
// the permits in use. A breaker cannot be copied, so each state keeps the
// events that led to it, and is rebuilt from them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

enum class Act : char {
  kAdmit,
  kAdmitInAHurry,  // with a deadline before any lease ends
  kAskForAHedge,   // to a target that its call has used
  kProgress,       // of the newest
  kSucceedOldest,
  kFailOldest,
  kDropOldest,
  kLoseOldest,
  kSucceedNewest,
  kFailNewest,
  kPassLittle,
  kPassToNext,  // to the next time at which something is due
  kForceOpen,
  kForceOpenForATime,
  kForceClosed,
  kClear,
  kReset,
  // A health check that is due, answered at once.
  kCheckServes,
  kCheckServesNot,
  kCheckHasNoWord,
};
constexpr Act kLastAct = Act::kCheckHasNoWord;
constexpr size_t kMostPermits = 4;
constexpr Duration kHurry = Ms(100);
// TSan makes each step many times slower, and there are no threads to check.
#ifdef FIREBREAK_TSAN
constexpr int kShallower = 2;
#else
constexpr int kShallower = 0;
#endif

struct Shape {
  const char* name;
  BreakerOptions options;
  int depth;
  std::vector<Act> start = {};  // how to come to where it gets interesting
};

bool IsForced(BreakerState state) {
  return state == BreakerState::kForcedOpen ||
         state == BreakerState::kForcedClosed;
}

// One breaker, the permits in use, and the rules that must hold.
class World {
 public:
  explicit World(const BreakerOptions& options)
      : options_(options), breaker_({}, options, 1, now_) {}

  void Do(Act act) {
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    switch (act) {
      case Act::kAdmit:
        Admit(kInfiniteFuture);
        break;
      case Act::kAdmitInAHurry:
        Admit(now_ + kHurry);
        break;
      case Act::kAskForAHedge:
        AskForAHedge();
        break;
      case Act::kProgress:
        Progress();
        break;
      case Act::kSucceedOldest:
        Settle(0, Verdict::kSuccess);
        break;
      case Act::kFailOldest:
        Settle(0, Verdict::kFailure);
        break;
      case Act::kDropOldest:
        Settle(0, Verdict::kNeutral);
        break;
      case Act::kLoseOldest:
        Settle(0, Verdict::kLost);
        break;
      case Act::kSucceedNewest:
        Settle(out_.size() - 1, Verdict::kSuccess);
        break;
      case Act::kFailNewest:
        Settle(out_.size() - 1, Verdict::kFailure);
        break;
      case Act::kPassLittle:
        Pass(Ms(700), before);
        break;
      case Act::kPassToNext:
        Pass(UntilNext(before), before);
        break;
      case Act::kForceOpen:
        breaker_.ForceOpen(absl::nullopt, now_);
        break;
      case Act::kForceOpenForATime:
        breaker_.ForceOpen(Sec(3), now_);
        break;
      case Act::kForceClosed:
        breaker_.ForceClosed(absl::nullopt, now_);
        break;
      case Act::kClear:
        breaker_.ClearOverride(now_);
        break;
      case Act::kReset:
        breaker_.Reset(now_);
        break;
      case Act::kCheckServes:
        Check(TargetHealth::kServing);
        break;
      case Act::kCheckServesNot:
        Check(TargetHealth::kNotServing);
        break;
      case Act::kCheckHasNoWord:
        Check(TargetHealth::kNoWord);
        break;
    }
    CheckProbes();
  }

  // Checks that from this state, once overrides end, successful calls close the
  // breaker, even if the calls in flight never end.
  void ExpectWayHome() {
    breaker_.ClearOverride(now_);
    // Twice the longest open time and the ramp, since the calls in flight may
    // still hang or be slow. Some seconds more for the steps.
    const Time bound =
        now_ + 2 * (options_.max_open_duration + *options_.ramp.duration) +
        options_.probe_timeout + Sec(5);
    while (State() != BreakerState::kClosed) {
      ASSERT_LE(now_, bound) << "never closes";
      Permit permit = breaker_.Admit(now_, kInfiniteFuture).permit;
      const bool is_probe = permit.is_probe();
      permit.Settle(Verdict::kSuccess, now_);
      if (!is_probe || State() != BreakerState::kHalfOpen) now_ += Ms(500);
    }
  }

  // Returns a key that is equal for worlds with the same future.
  std::string Key() {
    const BreakerSnapshot s = breaker_.Snapshot(now_);
    auto ms = [&](Time t) { return (t - now_).count(); };
    std::string key = absl::StrCat(
        static_cast<int>(s.state), "|", s.window_calls, ",", s.window_failures,
        ",", s.window_timed, ",", s.window_slow, ",", s.consecutive_failures,
        ",", s.leaky_failures, ",", s.leaky_slow_calls, "|", s.probes_in_flight,
        "|", ms(s.since), "|", s.probe_due ? ms(*s.probe_due) : -1, "|",
        s.override_end ? ms(*s.override_end) : -1, "|", s.asks_health, "|");
    const Time tick = breaker_.next_tick();
    absl::StrAppend(&key, tick == kInfiniteFuture ? -1 : ms(tick), "|");
    // The number of re-trips decides the next open time, and the results of
    // probes decide the next state.
    absl::StrAppend(&key, std::min(reopened_, 3), "|", results_, "|");
    if (s.state == BreakerState::kRamp) {
      absl::StrAppend(&key, std::lround(ramp_turns_ * 1e6), "|");
    }
    for (const Out& out : out_) {
      absl::StrAppend(&key, out.epoch == s.epoch, out.permit.is_probe(),
                      out.progressed, ",", ms(out.started), ",", ms(out.ends),
                      ";");
    }
    return key;
  }

 private:
  struct Out {
    Permit permit;
    uint64_t epoch;
    Time started;
    Time ends;  // of a probe's lease
    bool progressed = false;
  };

  BreakerState State() { return breaker_.Snapshot(now_).state; }

  void Note(const BreakerSnapshot& before) {
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    if (after.epoch == before.epoch) return;
    results_.clear();
    if (after.state == BreakerState::kOpen) {
      reopened_ = before.state == BreakerState::kClosed ? 0 : reopened_ + 1;
    }
    // The canary is the first of the probes.
    if (before.state == BreakerState::kOpen &&
        after.state == BreakerState::kHalfOpen && HasCanaries()) {
      NoteResult(true);
    }
    if (after.state == BreakerState::kRamp) {
      ramp_turns_ = 1 - options_.ramp.initial;
    }
  }

  void NoteResult(bool succeeded) {
    results_ += succeeded ? 'S' : 'F';
    if (results_.size() > 3) results_.erase(0, 1);
  }

  bool IsShadow() const {
    return options_.mode == BreakerOptions::Mode::kShadow;
  }

  void Admit(Time deadline) {
    if (out_.size() == kMostPermits) return;
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    Admission a = breaker_.Admit(now_, deadline);
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    Note(before);
    const bool would_admit =
        a.permit && after.shadow_refusals == before.shadow_refusals;
    if (before.state == BreakerState::kRamp) {
      ramp_turns_ += before.admitted_share - (would_admit ? 1 : 0);
    }
    switch (before.state) {
      case BreakerState::kForcedOpen:
        EXPECT_FALSE(a.permit) << "forced open, and admits";
        break;
      case BreakerState::kForcedClosed:
      case BreakerState::kClosed:
        EXPECT_TRUE(a.permit) << "closed, and refuses";
        break;
      case BreakerState::kOpen:
        EXPECT_EQ(would_admit, now_ >= CallsLookAt(before) &&
                                   before.probes_in_flight < options_.probes);
        if (HasCanaries()) {
          EXPECT_EQ(after.state, BreakerState::kOpen);
        }
        break;
      default:
        break;
    }
    EXPECT_NE(static_cast<bool>(a.permit), a.refusal.reason != Reason::kNone);
    if (IsShadow() && before.state != BreakerState::kForcedOpen) {
      EXPECT_TRUE(a.permit) << "refuses in the shadow";
    }
    if (!a.permit) return;
    EXPECT_EQ(a.permit.is_probe(),
              would_admit && (after.state == BreakerState::kHalfOpen ||
                              after.state == BreakerState::kOpen));
    const Time ends = std::min(SaturatingAdd(deadline, Probation::kGrace),
                               now_ + options_.probe_timeout);
    out_.push_back({std::move(a.permit), after.epoch, now_, ends});
  }

  // Asks for a hedge. While the target recovers, it is not admitted. Otherwise
  // it is like any call, and does not take a turn of the ramp itself.
  void AskForAHedge() {
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    const bool is_steady = before.state == BreakerState::kClosed ||
                           before.state == BreakerState::kForcedClosed;
    if (is_steady) return;
    Admission a = breaker_.Admit(now_, kInfiniteFuture, CallKind::kUnary,
                                 Hedge::kToUsedTarget);
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    EXPECT_EQ(after.epoch, before.epoch) << "a hedge moved it";
    EXPECT_EQ(after.probes_in_flight, before.probes_in_flight);
    EXPECT_EQ(static_cast<bool>(a.permit),
              IsShadow() && before.state != BreakerState::kForcedOpen);
  }

  // With health checks, a call is a probe only if there was no check for long.
  Time CallsLookAt(const BreakerSnapshot& s) const {
    return s.asks_health ? *s.probe_due + options_.open_duration : *s.probe_due;
  }

  void Check(TargetHealth health) {
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    const bool is_due = breaker_.HealthCheckDue(now_).has_value();
    EXPECT_EQ(is_due, before.asks_health && now_ >= *before.probe_due);
    if (!is_due) return;
    EXPECT_EQ(before.state, BreakerState::kOpen);
    breaker_.HealthCheckBegins("shop", now_);
    EXPECT_GT(*breaker_.Snapshot(now_).probe_due, now_);
    const bool asks_on = breaker_.NoteHealth("shop", {health, "x"}, now_, now_);
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    EXPECT_EQ(asks_on, health == TargetHealth::kNotServing);
    EXPECT_EQ(after.asks_health, asks_on);
    if (health == TargetHealth::kServing) {
      EXPECT_EQ(after.state, BreakerState::kHalfOpen);
      EXPECT_EQ(after.probes_in_flight, 0) << "a check is no probe";
      results_.clear();
    } else {
      EXPECT_EQ(after.epoch, before.epoch) << "a check moved it";
      EXPECT_EQ(*after.probe_due <= now_, health == TargetHealth::kNoWord);
    }
  }

  void Progress() {
    if (out_.empty()) return;
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    out_.back().permit.NoteProgress(now_);
    out_.back().progressed = true;
    EXPECT_EQ(breaker_.Snapshot(now_).epoch, before.epoch);
  }

  void Settle(size_t n, Verdict verdict) {
    if (n >= out_.size()) return;
    const BreakerSnapshot before = breaker_.Snapshot(now_);
    Out out = std::move(out_[n]);
    out_.erase(out_.begin() + static_cast<int64_t>(n));
    // A result from RAMP still counts in the CLOSED that follows.
    const bool is_stale =
        out.epoch < before.epoch &&
        !(before.state == BreakerState::kClosed && out.epoch == ramp_epoch_ &&
          out.epoch + 1 == before.epoch);
    out.permit.Settle(verdict, now_);
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    if (is_stale) {
      EXPECT_EQ(after.epoch, before.epoch) << "a stale result moved it";
      EXPECT_EQ(after.probes_in_flight, before.probes_in_flight);
      EXPECT_EQ(after.window_calls, before.window_calls);
      EXPECT_EQ(after.consecutive_failures, before.consecutive_failures);
    }
    if (IsForced(before.state)) {
      EXPECT_EQ(after.state, before.state) << "a result beat the operator";
    }
    if (after.epoch == before.epoch && !is_stale &&
        (verdict == Verdict::kSuccess || verdict == Verdict::kFailure)) {
      NoteResult(verdict == Verdict::kSuccess);
    }
    Note(before);
    NoteRamp(after);
  }

  bool HasCanaries() const { return options_.probe_interval > Ms(0); }

  Duration UntilNext(const BreakerSnapshot& before) {
    const Time tick = breaker_.next_tick();
    Time next = before.probe_due.value_or(kInfiniteFuture);
    if (next <= now_) next = kInfiniteFuture;
    next = std::min(next, tick);
    return next == kInfiniteFuture ? Sec(2) : next - now_;
  }

  void Pass(Duration d, const BreakerSnapshot& before) {
    const Time from = now_;
    now_ += d;
    const BreakerSnapshot after = breaker_.Snapshot(now_);
    for (const Out& out : out_) {
      if (out.permit.is_probe() && out.epoch == after.epoch &&
          out.ends > from && out.ends <= now_) {
        NoteResult(out.progressed);
      }
    }
    if (IsForced(before.state) &&
        (!before.override_end || *before.override_end > now_)) {
      EXPECT_EQ(after.state, before.state) << "a timer beat the operator";
      EXPECT_EQ(after.epoch, before.epoch);
    }
    const bool is_alive =
        std::any_of(out_.begin(), out_.end(), [&](const Out& out) {
          return out.permit.is_probe() && out.epoch == before.epoch &&
                 out.progressed && out.ends <= now_;
        });
    if (before.state == BreakerState::kOpen && !is_alive) {
      EXPECT_EQ(after.state, BreakerState::kOpen) << "only a call ends OPEN";
    }
    NoteRamp(before);
    Note(before);
  }

  void NoteRamp(const BreakerSnapshot& s) {
    if (s.state == BreakerState::kRamp) ramp_epoch_ = s.epoch;
  }

  // Compares the probes in flight with the permits that this test holds.
  void CheckProbes() {
    const BreakerSnapshot s = breaker_.Snapshot(now_);
    NoteRamp(s);
    const int64_t probes =
        std::count_if(out_.begin(), out_.end(), [&](const Out& out) {
          return out.permit.is_probe() && out.epoch == s.epoch &&
                 out.ends > now_;
        });
    EXPECT_LE(probes, options_.probes) << "more probes than allowed";
    EXPECT_EQ(probes, s.probes_in_flight);
  }

  const BreakerOptions options_;
  Time now_ = At(Sec(1));
  Breaker breaker_;
  std::vector<Out> out_;  // after the breaker, which outlives its permits
  std::string results_;
  int reopened_ = 0;
  uint64_t ramp_epoch_ = 0;
  double ramp_turns_ = 0;
};

BreakerOptions Small() {
  BreakerOptions options = TripsAfter(2);
  options.open_duration = Sec(2);
  options.max_open_duration = Sec(4);
  options.probes = 2;
  options.probe_timeout = Sec(2);  // of which a call in a hurry takes less
  return options;
}

std::vector<Shape> Shapes() {
  Shape plain{"plain", Small(), 6};
  Shape ramp{"ramp", Small(), 6};
  ramp.options.consecutive_failures = 1;
  ramp.options.probes = 1;
  ramp.options.ramp = {0.5, Sec(2)};
  ramp.start = {Act::kAdmit, Act::kFailOldest, Act::kPassToNext, Act::kAdmit,
                Act::kSucceedOldest};
  Shape shadow = ramp;
  shadow.name = "shadow";
  shadow.depth = 5;
  shadow.options.mode = BreakerOptions::Mode::kShadow;
  Shape ratio{"ratio", Small(), 5};
  ratio.start = {Act::kAdmit, Act::kAdmit, Act::kFailOldest, Act::kFailOldest,
                 Act::kPassToNext};
  ratio.options.probe_samples = 3;
  ratio.options.probe_success_ratio = 0.6;
  ratio.options.half_open_duration = Sec(3);
  Shape window{"window", Small(), 6};
  window.options.consecutive_failures = 0;
  window.options.leaky_failures = 3;
  window.options.failure_rate = 0.6;
  window.options.minimum_calls = 2;
  window.options.window.kind = WindowOptions::Kind::kCalls;
  window.options.window.calls = 3;
  Shape slow{"slow", Small(), 6};
  slow.options.slow_call_duration = Sec(1);
  slow.options.leaky_slow_calls = 2;
  slow.options.minimum_calls = 2;
  slow.options.window = window.options.window;
  Shape canary{"canary", Small(), 6};
  canary.options.probe_interval = Sec(1);
  canary.start = {Act::kAdmit, Act::kAdmit, Act::kFailOldest, Act::kFailOldest,
                  Act::kPassToNext};
  Shape checked = canary;
  checked.name = "checked";
  checked.options.health_check = "shop";
  return {plain, ramp, shadow, ratio, window, slow, canary, checked};
}

class BreakerExplorationTest : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, BreakerExplorationTest,
                         ::testing::ValuesIn(Shapes()),
                         [](const auto& shape) { return shape.param.name; });

TEST_P(BreakerExplorationTest, TheLawsHoldInEveryStateWithinReach) {
  const Shape& shape = GetParam();
  using Path = std::vector<Act>;
  auto build = [&](const Path& path) {
    auto world = std::make_unique<World>(shape.options);
    for (Act act : path) world->Do(act);
    return world;
  };
  auto told = [](const Path& path) {
    std::string text = "events:";
    for (Act act : path) absl::StrAppend(&text, " ", static_cast<int>(act));
    return text;
  };
  std::set<std::string> seen = {build(shape.start)->Key()};
  std::deque<Path> open = {shape.start};
  const size_t depth =
      shape.start.size() + static_cast<size_t>(shape.depth - kShallower);
  int64_t steps = 0;
  while (!open.empty() && !HasFailure()) {
    const Path path = std::move(open.front());
    open.pop_front();
    for (int act = 0; act <= static_cast<int>(kLastAct); ++act) {
      Path next = path;
      next.push_back(static_cast<Act>(act));
      std::unique_ptr<World> world = build(next);
      ++steps;
      if (!seen.insert(world->Key()).second) continue;
      if (next.size() < depth) open.push_back(next);
      world->ExpectWayHome();
      if (HasFailure()) {
        ADD_FAILURE() << told(next);
        break;
      }
    }
  }
  RecordProperty("states", static_cast<int>(seen.size()));
  RecordProperty("steps", static_cast<int>(steps));
  EXPECT_GT(seen.size(), kShallower == 0 ? 1'000u : 100u);
}

}  // namespace
}  // namespace firebreak::core
