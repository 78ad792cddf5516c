// The last minute of each method, in steps of 5 s.
//
//   auto rates = Rates::Create(core);
//   rates->Start();                                // to look every 5 s
//   RecentCounts::Reading lately = rates->counts().Of(*runtime, now);
//   Step minute = rates->LastMinute(*runtime);
//
// RecentCounts, with a timer that makes it look for as long as this lives.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_RATES_H_
#define FIREBREAK_SRC_ADMIN_RATES_H_

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
  // Once. Without, only Advance() ends a step.
  void Start();

  // At most kSteps, the last of which is under way.
  Step LastMinute(const engine::MethodRuntime& runtime) const {
    return counts_.All(runtime);
  }
  const engine::RecentCounts& counts() const { return counts_; }

  // Ends a step.
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

#endif  // FIREBREAK_SRC_ADMIN_RATES_H_
