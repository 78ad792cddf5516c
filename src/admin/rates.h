// The last minute of each method, in steps of 5 s.
//
//   auto rates = Rates::Create(core);
//   rates->Start();                                // to look every 5 s
//   RecentSteps steps = rates->Of(*runtime);       // oldest first
//   Step minute = rates->LastMinute(*runtime);
//
// The engine only counts from its start on; what is going on now takes two
// looks at the counters. This one looks every 5 s, for as long as it lives: a
// hundred loads for each method, and about 1 kB of it. What was counted before
// it was made is of no minute it knows.
//
// Thread safety: safe from any thread. Memory: bounded by the engine's limit of
// methods.
#ifndef FIREBREAK_SRC_ADMIN_RATES_H_
#define FIREBREAK_SRC_ADMIN_RATES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"
#include "src/engine/method_runtime.h"

namespace firebreak::admin {

class Rates final : public engine::TimerClient {
 public:
  static constexpr core::Duration kStep = std::chrono::seconds(5);
  static constexpr size_t kSteps = 12;  // a minute

  // Counted in a step, or since the start.
  struct Step {
    int64_t started = 0;
    int64_t failures = 0;
    int64_t rejected = 0;
    // Attempts that say something of the server, and those that say no good.
    int64_t attempts = 0;
    int64_t bad_attempts = 0;
    // Calls that found no place in the bulkhead, and retries and hedges that
    // found no token, be it of the budget or of gRFC A6's throttling.
    int64_t no_place = 0;
    int64_t no_token = 0;
  };

  static std::shared_ptr<Rates> Create(std::shared_ptr<engine::EngineCore>);
  ~Rates() override;
  // Once. Without, only Advance() ends a step.
  void Start();

  // At most kSteps; the last is under way.
  std::vector<Step> Of(const engine::MethodRuntime& runtime) const;
  // Their sum.
  Step LastMinute(const engine::MethodRuntime& runtime) const;

  // Ends a step.
  void Advance();
  void OnTimer() override;

 private:
  explicit Rates(std::shared_ptr<engine::EngineCore> core);

  const std::shared_ptr<engine::EngineCore> core_;
  engine::Timer timer_;
  mutable core::Mutex mu_;
  // At the ends of the last steps, since the start of the engine; never empty.
  // By address, which stays: the engine forgets no method. Those that are not
  // in it are newer than the last look, and had counted nothing then.
  std::map<const engine::MethodRuntime*, std::deque<Step>> ends_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_RATES_H_
