// Fuzzes the deadline gate and its latency model with any order of results,
// times and questions: the gate never refuses for ever, and never without
// evidence.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/types/optional.h"
#include "src/core/attempts/deadline_gate.h"
#include "src/core/measure/latency_model.h"
#include "src/core/options.h"
#include "tests/fuzz/planted.h"

namespace firebreak::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class World {
 public:
  explicit World(FuzzedDataProvider* data) : data_(data) {
    gate_.quantile = data->ConsumeIntegralInRange<int>(1, 99) / 100.0;
  }

  void Run() {
    for (int steps = 0; steps < 300 && data_->remaining_bytes() > 0; ++steps) {
      Step();
    }
    GivesUp();
  }

 private:
  Duration SomeTime() {
    const auto n = data_->ConsumeIntegral<uint32_t>();
    return data_->ConsumeBool() ? Duration(n) : Duration(n) * 1000;
  }

  void Step() {
    switch (data_->ConsumeIntegralInRange<int>(0, 8)) {
      case 0:
        model_.Record(SomeTime(), now_, data_->ConsumeIntegral<uint8_t>());
        break;
      case 1:
        model_.RecordAtLeast(SomeTime(), now_,
                             data_->ConsumeIntegral<uint8_t>());
        break;
      case 2:
        model_.OnAttemptEnd(
            static_cast<absl::StatusCode>(data_->ConsumeIntegral<int8_t>()),
            static_cast<Attribution>(
                data_->ConsumeIntegralInRange<int>(0, kAttributions - 1)),
            SomeTime(), now_);
        break;
      case 3:
        now_ += SomeTime();
        break;
      case 4:
        // Time may run back a little, as it does between threads.
        now_ -= milliseconds(data_->ConsumeIntegralInRange<int>(0, 50));
        break;
      case 5:
        now_ += seconds(data_->ConsumeIntegral<uint8_t>());
        break;
      case 6:
        Look();
        break;
      default:
        Ask(SomeTime());
    }
    latest_ = std::max(latest_, now_);
  }

  void Ask(Duration remaining) {
    now_ = std::max(now_, latest_);
    testing::Always(IsFeasible({}, &model_, remaining, now_));
    testing::Always(IsFeasible(gate_, nullptr, remaining, now_));
    testing::Always(IsFeasible(gate_, &model_, kInfiniteDuration, now_));
    if (IsFeasible(gate_, &model_, remaining, now_)) return;
    // A refusal needs evidence, and after a second the gate lets a call
    // through.
    testing::Always(model_.evidence(now_) >= LatencyModel::kFew);
    testing::Always(
        IsFeasible(gate_, &model_, remaining, now_ + milliseconds(1001)));
    now_ += milliseconds(1001);
    testing::Planted(remaining > milliseconds(1));
  }

  void Look() {
    // All quantiles are of one moment, and none of them comes from the cache.
    now_ = std::max(now_, latest_) + milliseconds(500);
    const auto low = model_.AtLeast(0.1, now_);
    const auto high = model_.AtLeast(0.9, now_);
    testing::Always(low.has_value() == high.has_value());
    if (low) testing::Always(Duration::zero() <= *low && *low <= *high);
    testing::Always(model_.samples(now_) >= 0);
    testing::Always(model_.samples(now_) <= model_.evidence(now_));
    for (const auto& each : {model_.Quantile(0.5, now_), model_.Baseline(now_),
                             model_.MedianLately(now_)}) {
      testing::Always(!each || *each > Duration::zero());
    }
    (void)IsTooShort(SomeTime(), &model_, now_);
  }

  // The model forgets: a minute after the last result it has no evidence.
  void GivesUp() {
    now_ = latest_ + seconds(60);
    testing::Always(IsFeasible(gate_, &model_, Duration(1), now_));
    testing::Always(model_.evidence(now_) == 0);
  }

  FuzzedDataProvider* const data_;
  Time now_ = Time(std::chrono::hours(1));
  Time latest_ = now_;
  DeadlineGateOptions gate_;
  LatencyModel model_;
};

}  // namespace
}  // namespace firebreak::core

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  firebreak::core::World(&data).Run();
  return 0;
}
