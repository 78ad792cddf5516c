// The counts of each method over the last minute, in steps of 5 s.
//
//   auto rates = Rates::Create(core);
//   rates->Start();                                // counts every 5 s
//   RecentCounts::Reading lately = rates->counts().Of(*runtime, now);
//   Step minute = rates->LastMinute(*runtime);
//
// A RecentCounts with a timer that updates it as long as this object lives.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_HEALTH_RATES_H_
#define FIREBREAK_SRC_ADMIN_HEALTH_RATES_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "src/core/base/time.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"
#include "src/engine/method_runtime.h"
#include "src/engine/recent_counts.h"

namespace firebreak::admin {

class Rates final : public engine::TimerClient {
 public:
  static constexpr core::Duration kStep = std::chrono::seconds(5);
  static constexpr size_t kSteps = engine::RecentCounts::kLooks;  // a minute
  using Step = engine::RecentCounts::Counts;

  static std::shared_ptr<Rates> Create(std::shared_ptr<engine::EngineCore>);
  ~Rates() override;
  // To be called once. Without it only Advance() ends a step.
  void Start();

  // At most kSteps, of which the last one is not complete.
  Step LastMinute(const engine::MethodRuntime& runtime) const {
    return counts_.All(runtime);
  }
  const engine::RecentCounts& counts() const { return counts_; }

  // Ends the present step.
  void Advance() { Advance(core_->Now()); }
  void Advance(core::Time now);
  void OnTimer() override;

 private:
  explicit Rates(std::shared_ptr<engine::EngineCore> core);

  const std::shared_ptr<engine::EngineCore> core_;
  engine::Timer timer_;
  engine::RecentCounts counts_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_HEALTH_RATES_H_
