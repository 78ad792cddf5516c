// From calls whose attempts were recorded to a Recording: what the first
// attempt of each call met, or would have met.
//
//   Observed observed;
//   status = observed.AddCall("/p.S/M", start_ns, Observed::Met::kAnswer,
//                             latency, absl::StatusCode::kOk);
//   observed.AddAnswer("/p.S/M", start_ns, latency, code);   // of a hedge
//   absl::StatusOr<Recording> recording = observed.Finish();
//
// A log of what callers got shows the policy of that day as much as the
// servers: a call that a breaker refused met nobody, and one that a hedge won
// was never seen to its end. With its attempts more is known:
//
//   kAnswer     the first attempt was answered: that is what it met
//   kNoAnswer   it was given up after `latency`: it would have met what an
//               attempt of its method met at about that time that took longer
//               (one of the 32 nearest by start). Gives each the weight that
//               those before it leave: the estimate of Kaplan and Meier,
//               "Nonparametric estimation from incomplete observations", 1958.
//   kNobody     it was never sent: it would have met what the nearest attempt
//               of its method met
//
// Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED past kMaxCalls.
//
// Thread safety: none.
#ifndef FIREBREAK_SRC_SIM_OBSERVED_H_
#define FIREBREAK_SRC_SIM_OBSERVED_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/sim/method_names.h"
#include "src/sim/recording.h"

namespace firebreak::sim {

class Observed {
 public:
  enum class Met : uint8_t { kAnswer, kNoAnswer, kNobody };

  explicit Observed(size_t max_calls = Recording::kMaxCalls)
      : max_calls_(max_calls) {}

  // `start_ns`: since whatever moment, the same for all.
  absl::Status AddCall(absl::string_view method, int64_t start_ns, Met met,
                       Duration latency, absl::StatusCode code);
  // Of an attempt that was no first one.
  void AddAnswer(absl::string_view method, int64_t start_ns, Duration latency,
                 absl::StatusCode code);
  // Once. Calls of a method of which no attempt was answered are left out.
  absl::StatusOr<Recording> Finish();

 private:
  struct Call {
    int64_t at;
    Duration latency;
    uint16_t method;
    Met met;
    absl::StatusCode code;
  };

  const size_t max_calls_;
  Recording result_;
  MethodNames names_{&result_.methods};
  std::vector<Call> calls_;
  std::vector<Call> more_answers_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_OBSERVED_H_
