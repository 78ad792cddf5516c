// The deadline gate: is the remaining time worth an attempt?
//
//   if (!IsFeasible(options.deadline_gate, model, Remaining(now, deadline),
//                   now)) ...                       // do not even send it
//
// It is when there is at least as much as the gate's quantile of what the
// method takes now. Below that the attempt most likely fails, after the caller
// has waited and the server has worked, so the call had better end at once.
//
// What is not known is feasible: without a gate or a model, and with fewer than
// LatencyModel::kFew successes in it. A gate that stops everything would never
// see the method get faster; so once a second it lets one through.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_DEADLINE_GATE_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_DEADLINE_GATE_H_

#include "absl/types/optional.h"
#include "src/core/base/time.h"
#include "src/core/measure/latency_model.h"
#include "src/core/options.h"

namespace firebreak::core {

inline bool IsFeasible(const absl::optional<DeadlineGateOptions>& gate,
                       LatencyModel* model, Duration remaining, Time now) {
  if (!gate || model == nullptr || remaining == kInfiniteDuration) return true;
  const absl::optional<Duration> needed = model->Quantile(gate->quantile, now);
  if (!needed || remaining >= *needed) return true;
  return model->samples(now) < LatencyModel::kFew || model->TakePass(now);
}

// Whether an attempt that was granted so much was bound to fail: the method
// usually takes more. Then a deadline that passed says nothing of the server.
// Usually, not now: a server that has just grown slow is to blame.
inline bool IsTooShort(Duration granted, LatencyModel* model, Time now) {
  if (model == nullptr) return false;
  const absl::optional<Duration> usual = model->Baseline(now);
  return usual && granted < *usual;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_DEADLINE_GATE_H_
