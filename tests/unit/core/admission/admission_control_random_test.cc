// Many calls in random order: everything that is taken is returned. A model of
// a few lines counts places, queue and tokens in parallel.
#include <functional>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/admission/admission_control.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Kind = AdmissionControl::Step::Kind;
using Verdict = AdmissionControl::Verdict;

struct Call final : Bulkhead::Waiter {
  void OnPlace() override {
    told = true;
    if (on_place) on_place();
  }
  std::function<void()> on_place;
  bool told = false;
  bool inside = false;
  Time deadline;
  Time until;
  AdmissionPermit permit;
};

class Crowd {
 public:
  explicit Crowd(uint64_t seed) : dice_(seed) {
    BulkheadOptions bulkhead;
    bulkhead.max_concurrent = dice_.Int(1, 5);
    bulkhead.max_queue = dice_.Int(0, 5);
    bulkhead.max_wait = Ms(dice_.Int(0, 50));
    RateLimitOptions rate;
    rate.rate = dice_.Int(1, 1000);
    rate.burst = dice_.Int(1, 20);
    rate.max_wait = Ms(dice_.Int(0, 50));
    rate_ = rate;
    max_concurrent_ = bulkhead.max_concurrent;
    admission_ = std::make_unique<AdmissionControl>(
        dice_.Chance(0.5)
            ? std::make_shared<Throttle>(ThrottleOptions{}, seed, now_)
            : nullptr,
        std::make_shared<RateLimit>(rate, now_),
        std::make_shared<Bulkhead>(bulkhead));
  }

  void Run(int events) {
    for (int i = 0; i < events; ++i) {
      now_ += Duration(dice_.Int(0, 5'000'000));
      RingTimers();
      if (calls_.empty() || dice_.Chance(0.5)) {
        Arrive();
      } else {
        Depart(dice_.Below(calls_.size()));
      }
      Check();
    }
    while (!calls_.empty()) Depart(calls_.size() - 1);
    Check();
    const Bulkhead::Snapshot s = admission_->bulkhead()->snapshot();
    EXPECT_EQ(s.active, 0);
    EXPECT_EQ(s.queued, 0);
    EXPECT_EQ(s.completed, completed_);
    // All tokens that were not used are there, or have been refilled.
    const Time later = now_ + Sec(100'000);
    EXPECT_DOUBLE_EQ(admission_->rate_limit()->tokens(later), rate_.tokens());
    EXPECT_LE(
        static_cast<double>(completed_),
        rate_.tokens() + rate_.rate * ToSeconds(now_ - At(Sec(0))) + 1e-3);
  }

 private:
  void Arrive() {
    auto call = std::make_shared<Call>();
    call->deadline =
        dice_.Chance(0.3) ? kInfiniteFuture : now_ + Ms(dice_.Int(0, 60));
    AdmissionControl::Step step = call->permit.Begin(
        admission_.get(), now_, call->deadline, Ms(dice_.Int(0, 10)));
    if (step.kind == Kind::kWait) step = Continue(call);
    calls_.push_back(call);
    Take(step, calls_.size() - 1);
  }

  // Places come in the order in which calls have joined the queue.
  void NoteQueue(const std::shared_ptr<Call>& call) {
    const int64_t number = ++joined_;
    call->on_place = [this, number] {
      EXPECT_GT(number, last_served_) << "overtaken";
      last_served_ = number;
    };
  }

  // Returns false if the call has ended.
  bool Take(const AdmissionControl::Step& step, size_t i) {
    switch (step.kind) {
      case Kind::kAdmitted:
        EXPECT_LT(now_, calls_[i]->deadline);
        calls_[i]->inside = true;
        return true;
      case Kind::kWait:
        EXPECT_GE(step.until, now_);
        EXPECT_LE(step.until, calls_[i]->deadline);
        calls_[i]->until = step.until;
        return true;
      case Kind::kRefused:
        EXPECT_NE(step.refusal.reason, Reason::kNone);
        EXPECT_NE(step.refusal.code, absl::StatusCode::kOk);
        calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(i));
        return false;
    }
    return false;
  }

  // Runs timers, sometimes late.
  void RingTimers() {
    for (size_t i = 0; i < calls_.size();) {
      Call& call = *calls_[i];
      const bool due = call.told || call.until <= now_;
      if (call.inside || !due || dice_.Chance(0.2)) {
        ++i;
        continue;
      }
      call.told = false;
      if (Take(Continue(calls_[i]), i)) ++i;
    }
  }

  void Depart(size_t i) {
    const std::shared_ptr<Call> call = calls_[i];
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!call->inside) {
      call->permit.End(Verdict::kNotSent, now_);
      return;
    }
    const auto verdict = static_cast<Verdict>(dice_.Int(0, 3));
    if (verdict != Verdict::kNotSent) ++completed_;
    call->permit.End(verdict, now_);
  }

  void Check() {
    int inside = 0;
    for (const auto& call : calls_) inside += call->inside ? 1 : 0;
    const Bulkhead::Snapshot s = admission_->bulkhead()->snapshot();
    EXPECT_LE(inside, s.active);
    EXPECT_LE(s.active, max_concurrent_);
    EXPECT_GE(s.queued, 0);
    if (s.queued > 0) {
      EXPECT_EQ(s.active, max_concurrent_);
    }
  }

  AdmissionControl::Step Continue(const std::shared_ptr<Call>& call) {
    const int before = admission_->bulkhead()->snapshot().queued;
    const AdmissionControl::Step step = call->permit.Continue(call, now_);
    if (admission_->bulkhead()->snapshot().queued > before) NoteQueue(call);
    return step;
  }

  Dice dice_;
  int64_t joined_ = 0;
  int64_t last_served_ = 0;
  Time now_ = At(Sec(0));
  int max_concurrent_ = 0;
  RateLimitOptions rate_;
  int64_t completed_ = 0;
  std::unique_ptr<AdmissionControl> admission_;
  std::vector<std::shared_ptr<Call>> calls_;
};

TEST(AdmissionControlRandomTest, WhatGoesInComesOut) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    Crowd(seed).Run(200);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace firebreak::core
