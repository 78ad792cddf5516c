#include "src/prometheus/breaker_samples.h"

#include <cstddef>

#include "src/engine/breaker_measures.h"

namespace firebreak::metrics {
namespace {

using core::BreakerState;

// The changes that a breaker makes by itself. They are exported as 0 from the
// first call on: if a series only appeared with its first change, Prometheus'
// rate() and increase() would not see that change.
bool IsExpected(BreakerState from, BreakerState to, bool may_ramp,
                bool must_ramp) {
  switch (from) {
    case BreakerState::kClosed:
      return to == BreakerState::kOpen;
    case BreakerState::kOpen:
      return to == BreakerState::kHalfOpen;
    case BreakerState::kHalfOpen:
      return to == BreakerState::kOpen ||
             (may_ramp && to == BreakerState::kRamp) ||
             (!must_ramp && to == BreakerState::kClosed);
    case BreakerState::kRamp:
      return may_ramp &&
             (to == BreakerState::kOpen || to == BreakerState::kClosed);
    default:
      return false;
  }
}

void AddChanges(const core::StateChanges& changes, const Labels& labels,
                bool is_enabled, const core::BreakerOptions& options,
                Exposition* out) {
  const bool may_ramp = options.MayRamp();
  const bool must_ramp = may_ramp && options.ramp.duration.has_value();
  for (int from = 0; from < core::kBreakerStates; ++from) {
    for (int to = 0; to < core::kBreakerStates; ++to) {
      // A reset of a closed breaker is not a change.
      if (from == to) continue;
      const auto a = static_cast<BreakerState>(from);
      const auto b = static_cast<BreakerState>(to);
      const int64_t count =
          changes[static_cast<size_t>(from)][static_cast<size_t>(to)];
      if (count == 0 &&
          !(is_enabled && IsExpected(a, b, may_ramp, must_ramp))) {
        continue;
      }
      out->Add(Family::kBreakerStateChanges,
               With(With(labels, "from", core::BreakerStateName(a)), "to",
                    core::BreakerStateName(b)),
               count);
    }
  }
}

}  // namespace

void AddBreaker(const core::Breaker::Identity& identity,
                const core::BreakerSnapshot& s,
                const absl::optional<core::BreakerOptions>& options,
                Exposition* out) {
  const Labels labels = {OutsideLabel("channel", identity.channel),
                         OutsideLabel("target", identity.target),
                         OutsideLabel("method", identity.method)};
  for (int i = 0; i < core::kBreakerStates; ++i) {
    const auto state = static_cast<BreakerState>(i);
    out->Add(Family::kBreakerState,
             With(labels, "state", core::BreakerStateName(state)),
             int64_t{s.state == state});
  }
  const bool is_enabled = core::IsOn(options);
  AddChanges(s.changes, labels, is_enabled,
             options.value_or(core::BreakerOptions()), out);
  // A breaker that is off counts nothing, and its state, which may be an
  // operator's override, has been added above.
  if (!is_enabled) return;
  out->AddPart(kBreakerPart, labels, engine::BreakerMeasures(s));
}

}  // namespace firebreak::metrics
