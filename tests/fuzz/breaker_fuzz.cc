// Takes a breaker with any options through any order of calls, results, health
// checks, times and overrides: it always decides, and always recovers.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "src/core/breaker/breaker.h"
#include "src/core/breaker/target_health.h"
#include "src/core/measure/event_log.h"
#include "src/core/options.h"
#include "tests/fuzz/planted.h"

namespace firebreak::core {
namespace {

using std::chrono::milliseconds;

std::string SomeService(FuzzedDataProvider* data) {
  return data->ConsumeBool() ? "shop" : "";
}

BreakerOptions SomeOptions(FuzzedDataProvider* data) {
  BreakerOptions o;
  o.consecutive_failures = data->ConsumeIntegralInRange<int>(0, 10);
  o.failure_rate = data->ConsumeIntegralInRange<int>(1, 10) / 10.0;
  o.minimum_calls = data->ConsumeIntegralInRange<int>(1, 30);
  if (data->ConsumeBool()) {
    o.window.kind = WindowOptions::Kind::kCalls;
    o.window.calls = data->ConsumeIntegralInRange<int>(30, 60);
  } else {
    o.window.duration = milliseconds(data->ConsumeIntegralInRange(100, 30000));
  }
  o.open_duration = milliseconds(data->ConsumeIntegralInRange(1, 1000));
  o.max_open_duration = milliseconds(data->ConsumeIntegralInRange(1000, 60000));
  o.probes = data->ConsumeIntegralInRange<int>(1, 5);
  o.probe_samples = data->ConsumeBool() ? 0 : o.probes + 3;
  o.probe_success_ratio = data->ConsumeIntegralInRange<int>(1, 10) / 10.0;
  o.probe_timeout = milliseconds(data->ConsumeIntegralInRange(1, 5000));
  o.probe_interval = milliseconds(data->ConsumeIntegralInRange(0, 2000));
  if (data->ConsumeBool()) o.health_check = SomeService(data);
  return o;
}

Verdict SomeVerdict(FuzzedDataProvider* data) {
  constexpr Verdict kVerdicts[] = {Verdict::kSuccess, Verdict::kFailure,
                                   Verdict::kNeutral, Verdict::kLost,
                                   Verdict::kNotSent};
  return data->PickValueInArray(kVerdicts);
}

class World {
 public:
  explicit World(FuzzedDataProvider* data)
      : data_(data),
        options_(SomeOptions(data)),
        breaker_({"channel", "target", "/s/m", &log_, nullptr}, options_, 1,
                 now_) {}

  void Run() {
    while (data_->remaining_bytes() > 0) {
      Step();
      const BreakerSnapshot snapshot = breaker_.Snapshot(now_);
      testing::Always(snapshot.admitted_share >= 0 &&
                      snapshot.admitted_share <= 1);
      testing::Always(snapshot.window_failures <= snapshot.window_calls);
      testing::Planted(snapshot.state == BreakerState::kHalfOpen);
    }
    ComesBack();
  }

 private:
  void Step() {
    switch (data_->ConsumeIntegralInRange<int>(0, 10)) {
      case 0:
      case 1:
      case 2: {
        Admission admission = breaker_.Admit(
            now_, now_ + milliseconds(data_->ConsumeIntegral<uint16_t>()),
            data_->ConsumeBool() ? CallKind::kStream : CallKind::kUnary);
        if (admission.permit && permits_.size() < 100) {
          permits_.push_back(std::move(admission.permit));
        }
        break;
      }
      case 3:
      case 4:
      case 5: {
        if (permits_.empty()) break;
        const size_t n =
            data_->ConsumeIntegralInRange<size_t>(0, permits_.size() - 1);
        permits_[n].Settle(SomeVerdict(data_), now_);
        permits_.erase(permits_.begin() + static_cast<std::ptrdiff_t>(n));
        break;
      }
      case 6:
        now_ += milliseconds(data_->ConsumeIntegral<uint16_t>());
        latest_ = std::max(latest_, now_);
        break;
      case 7:
        // Time may run back a little, as it does between threads.
        now_ -= std::min<Duration>(
            milliseconds(data_->ConsumeIntegralInRange(0, 50)),
            now_.time_since_epoch());
        break;
      case 8:
        if (!permits_.empty()) permits_.back().NoteProgress(now_);
        breaker_.NoteConnected(now_);
        break;
      case 9:
        CheckHealth();
        break;
      default:
        Meddle();
    }
  }

  // Begins a check that is due, or answers one of any time and service.
  void CheckHealth() {
    const absl::optional<HealthAsk> ask = breaker_.HealthCheckDue(now_);
    if (ask) {
      testing::Always(breaker_.Snapshot(now_).state == BreakerState::kOpen);
      testing::Always(ask->open_since <= latest_);
    }
    if (ask && data_->ConsumeBool()) {
      breaker_.HealthCheckBegins(ask->service, now_);
      testing::Always(!breaker_.HealthCheckDue(now_));
      begun_ = now_;
      return;
    }
    constexpr TargetHealth kAnswers[] = {
        TargetHealth::kServing, TargetHealth::kNotServing,
        TargetHealth::kNoConnection, TargetHealth::kNoWord};
    const HealthAnswer answer = {data_->PickValueInArray(kAnswers), "said"};
    const bool asks_on =
        breaker_.NoteHealth(SomeService(data_), answer, begun_, now_);
    testing::Always(!asks_on ||
                    breaker_.Snapshot(now_).state == BreakerState::kOpen);
    testing::Always(!asks_on || breaker_.Snapshot(now_).asks_health);
  }

  void Meddle() {
    switch (data_->ConsumeIntegralInRange<int>(0, 4)) {
      case 0:
        breaker_.ForceOpen(milliseconds(500), now_);
        break;
      case 1:
        breaker_.ForceClosed(milliseconds(500), now_);
        break;
      case 2:
        breaker_.ClearOverride(now_);
        break;
      case 3:
        breaker_.Reset(now_);
        break;
      default:
        breaker_.SetOptions(SomeOptions(data_), now_);
    }
  }

  // Whatever happened before: if all calls succeed from now on, the breaker
  // closes within 4000 seconds.
  void ComesBack() {
    breaker_.ClearOverride(now_);
    permits_.clear();
    for (int i = 0; i < 4000; ++i) {
      now_ += milliseconds(1000);
      Admission admission = breaker_.Admit(now_, kInfiniteFuture);
      admission.permit.Settle(Verdict::kSuccess, now_ + milliseconds(1));
      if (breaker_.Snapshot(now_).state == BreakerState::kClosed) return;
    }
    testing::Always(false);
  }

  FuzzedDataProvider* const data_;
  Time now_ = Time(std::chrono::hours(1));
  Time latest_ = now_;  // which now_ may be before
  EventLog log_{100};
  const BreakerOptions options_;
  Breaker breaker_;
  std::vector<Permit> permits_;
  Time begun_ = now_;  // of the last health check
};

}  // namespace
}  // namespace firebreak::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  firebreak::core::World(&data).Run();
  return 0;
}
