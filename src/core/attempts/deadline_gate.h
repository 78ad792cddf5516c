// The deadline gate: is the remaining time worth an attempt?
//
//   if (!IsFeasible(options.deadline_gate, model, Remaining(now, deadline),
//                   now)) ...                       // do not even send it
//
// It is if the remaining time is at least the gate's quantile of the method's
// present latency. With less time the attempt most likely fails, after the
// caller has waited and the server has worked, so it is better to end the call
// at once.
//
// Attempts that were given up are evidence too: they would have taken longer
// (latency_model.h). So a server that answers no call in time is recognised by
// the calls that timed out.
//
// While nothing is known every attempt is feasible: without a gate or a model,
// and with fewer than LatencyModel::kFew attempts in the model. A gate that
// stops everything would never notice that the method has become faster. So it
// admits one attempt a second in any case. If three of these in a row are
// answered in time, the attempts that were given up are forgotten, and the gate
// opens.
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
  const absl::optional<Duration> needed = model->AtLeast(gate->quantile, now);
  if (!needed || remaining >= *needed) return true;
  return model->evidence(now) < LatencyModel::kFew ||
         model->TakePass(now, *needed);
}

// Whether an attempt with this much time was bound to fail, since the method
// usually takes longer. Then a deadline that passes says nothing about the
// server. It is compared with the usual latency and not with the present one,
// so that a server that has just become slow is still blamed.
inline bool IsTooShort(Duration granted, LatencyModel* model, Time now) {
  if (model == nullptr) return false;
  const absl::optional<Duration> usual = model->Baseline(now);
  return usual && granted < *usual;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_DEADLINE_GATE_H_
