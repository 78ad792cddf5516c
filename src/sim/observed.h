// Makes a Recording from calls whose attempts were recorded: what the first
// attempt of each call got, or would have got.
//
//   Observed observed;
//   status = observed.AddCall("/p.S/M", start_ns, Observed::Met::kAnswer,
//                             latency, absl::StatusCode::kOk);
//   observed.AddAnswer("/p.S/M", start_ns, latency, code);   // of a hedge
//   absl::StatusOr<Recording> recording = observed.Finish();
//
// A log of the results that callers got depends on the policy of that day as
// much as on the servers: a call that a breaker refused reached no server, and
// the end of an attempt that lost to a hedge was not seen. The attempts show
// more:
//
//   kAnswer     the first attempt was answered, with this result
//   kNoAnswer   it was given up after `latency`. It gets the result of an
//               attempt of its method at about that time that took longer
//               (one of the 32 nearest by start). That gives each the weight
//               that those before it leave: the estimate of Kaplan and Meier,
//               "Nonparametric estimation from incomplete observations", 1958.
//   kNobody     it was never sent. It gets the result of the nearest attempt
//               of its method
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

  // `start_ns` counts from any moment, the same for all calls.
  absl::Status AddCall(absl::string_view method, int64_t start_ns, Met met,
                       Duration latency, absl::StatusCode code);
  // Adds the answer of a later attempt of a call.
  void AddAnswer(absl::string_view method, int64_t start_ns, Duration latency,
                 absl::StatusCode code);
  // To be called once. Calls of a method without an answered attempt are left
  // out.
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
