// Makes a Recording from calls whose attempts were recorded: what the first
// attempt of each call got, or would have got.
//
//   Observed observed;
//   status = observed.AddCall("/p.S/M", start_ns, Observed::Met::kAnswer,
//                             latency, absl::StatusCode::kOk);
//   observed.AddAttempt("/p.S/M", start_ns, met, latency, code);  // of a hedge
//   absl::StatusOr<Recording> recording = observed.Finish();
//
// A log of the results that callers got depends on the policy of that day as
// much as on the servers: a call that a breaker refused reached no server, and
// the end of an attempt that lost to a hedge was not seen. The attempts show
// more:
//
//   kAnswer     the first attempt was answered, with this result
//   kNoAnswer   it was given up after `latency`. It gets the result of an
//               attempt of its method at about that time that lasted longer
//               (one of the 32 nearest by start). That attempt may have been
//               given up later itself; its result is drawn first. So each
//               attempt that is given up passes its weight on to all that
//               outlast it: the estimate of Kaplan and Meier, "Nonparametric
//               estimation from incomplete observations", 1958, in the form
//               of Efron, "The two sample problem with censored data", 1967.
//   kNobody     it was never sent. It gets the result of the attempt of its
//               method that was under way then, or that began or ended
//               nearest. If that attempt timed out, the call waits at most
//               until the server was well again, which is taken to be halfway
//               between the end of the last timeout and the start of the next
//               attempt that did not time out. It then gets the result of
//               that next attempt.
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
#include "absl/types/optional.h"
#include "src/core/base/rng.h"
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
  // Adds a later attempt of a call.
  void AddAttempt(absl::string_view method, int64_t start_ns, Met met,
                  Duration latency, absl::StatusCode code);
  // To be called once. Calls of a method without an answered attempt are left
  // out.
  absl::StatusOr<Recording> Finish();

 private:
  struct Attempt {
    int64_t at;
    Duration seen;     // until its answer, or until it was given up
    Duration latency;  // the real one, or the one that was drawn
    uint16_t method;
    Met met;
    bool is_known;  // whether `latency` and `code` are
    absl::StatusCode code;
  };
  // The attempts of one method, in the order of their starts.
  using Attempts = std::vector<Attempt*>;

  template <class Visit>
  static void FromNearest(const Attempts& attempts, int64_t at, Visit visit);
  static const Attempt* Nearest(const Attempts& attempts, int64_t at);
  // Returns the next attempt after `hung` that did not time out. Its start is
  // moved to the middle between its real start and the end of the timeouts
  // before it.
  static absl::optional<Attempt> FirstOfWell(const Attempts& attempts,
                                             const Attempt& hung);
  // What a call that was never sent would have met.
  static Recording::Call WouldMeet(const Attempts& attempts, int64_t at);
  Attempt Read(absl::string_view method, int64_t start_ns, Met met,
               Duration latency, absl::StatusCode code, bool* is_other);
  // The attempts of each method that were sent; none if none was answered.
  std::vector<Attempts> ByMethod();
  static void DrawForThoseGivenUp(const Attempts& attempts, core::Rng* rng);

  const size_t max_calls_;
  Recording result_;
  MethodNames names_{&result_.methods};
  std::vector<Attempt> calls_;  // their first attempts
  std::vector<Attempt> more_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_OBSERVED_H_
