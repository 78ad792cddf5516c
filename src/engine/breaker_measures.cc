#include "src/engine/breaker_measures.h"

#include <cstdint>

namespace firebreak::engine {
namespace {

double Share(int64_t part, int64_t all) {
  return all > 0 ? static_cast<double>(part) / static_cast<double>(all) : 0;
}

}  // namespace

core::Measures BreakerMeasures(const core::BreakerSnapshot& s) {
  return {
      {"shadow", "shadow",
       "1 when the breaker only shows what it would do, 0 when it refuses "
       "calls.",
       s.shadow},
      {"window_calls", "window_calls", "Results in the breaker's window.",
       s.window_calls},
      {"window_failures", "window_failures", "Failures among them.",
       s.window_failures},
      {"window_timed", "window_timed_calls",
       "Results in its window of slow calls.", s.window_timed},
      {"window_slow", "window_slow_calls", "Slow ones among them.",
       s.window_slow},
      {"slow_in_flight", "slow_calls_in_flight",
       "Those of the slow ones that have not ended.", s.slow_in_flight},
      {"admitted_share", "admitted_ratio",
       "The share of the calls that the breaker lets through while in ramp; "
       "else 1.",
       s.admitted_share},
      {"probes_in_flight", "probes_in_flight",
       "Probes under way while open or half-open.", s.probes_in_flight},
      {"hung_probes", "hung_probes_total",
       "Probes that gave no sign of life in their time.", s.hung_probes},
      {"stale_results", "stale_results_total",
       "Results from before a change of state, which moved nothing.",
       s.stale_results},
      {"shadow_refusals", "shadow_refusals_total",
       "Calls that the breaker would have refused, had it been no shadow.",
       s.shadow_refusals},
      {"losses", "losses_total",
       "Attempts that lost against one that started later.", s.losses},
      {"losses_in_a_row", "losses_in_a_row",
       "Such losses since the target last answered: many, and it may be a "
       "black hole that no failure shows.",
       s.losses_in_a_row},

      {"epoch", "", "", s.epoch},
      {"failure_rate", "", "", Share(s.window_failures, s.window_calls)},
      {"slow_call_rate", "", "", Share(s.window_slow, s.window_timed)},
      {"consecutive_failures", "", "", s.consecutive_failures},
      {"consecutive_limit", "", "", s.consecutive_limit},
      {"usual_failure_rate", "", "", s.usual_failure_rate},
      {"leaky_failures", "", "", s.leaky_failures},
      {"leaky_slow_calls", "", "", s.leaky_slow_calls},
      {"times_opened", "", "", s.times_opened},
      {"waits_for_call", "", "", s.waits_for_call},
  };
}

}  // namespace firebreak::engine
