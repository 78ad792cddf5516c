#include "src/engine/candidate/tally.h"

namespace firebreak::engine {

CandidateCounts Tally::counts() const {
  CandidateCounts out;
  std::array<int64_t, 3> acts{};
  for (const Stripe& stripe : stripes_) {
    for (size_t would = 0; would < kWoulds; ++would) {
      for (size_t live = 0; live < kLives; ++live) {
        out.counts[would][live] +=
            stripe.counts[would][live].load(std::memory_order_relaxed);
      }
    }
    for (size_t reason = 0; reason < out.refusals.size(); ++reason) {
      out.refusals[reason] +=
          stripe.refusals[reason].load(std::memory_order_relaxed);
    }
    for (size_t act = 0; act < acts.size(); ++act) {
      acts[act] += stripe.acts[act].load(std::memory_order_relaxed);
    }
  }
  out.live_timeouts = acts[0];
  out.live_retried = acts[1];
  out.live_hedged = acts[2];
  return out;
}

}  // namespace firebreak::engine
