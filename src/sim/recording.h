// A recording of calls, read from CSV: a user's own access log can become one.
//
//   start_ms,method,latency_ms,code
//   1700000000000,/shop.v1.PaymentService/Charge,4.71,OK
//   1700000000012,/shop.v1.PaymentService/Charge,1000,DEADLINE_EXCEEDED
//
//   std::ifstream file("calls.csv");
//   absl::StatusOr<Recording> recording = ReadRecording(&file);
//
// The first line names the columns, in any order. `start_ms` (when a call
// began, since whatever moment) and `latency_ms` (how long it took) have to be
// there; `method` and `code` (a name or a number) need not: then the calls are
// of kUnnamedMethod, and OK. Columns of other names are not looked at. Numbers
// are plain decimals, in [0, 1e15] and [0, 1e9]. Fields hold no commas and
// no quotes. A line that begins with '#' is a comment, except that
// "#firebreak-calls 1" says which version of this format it is.
//
// Rows may come in any order, as they do in logs that are written when a call
// ends: they are sorted by their start, and the first call begins at zero. How
// many were not in order is told. A file that was cut off within its last line
// is read without that line, and this is told, too. Past kMaxMethods names the
// calls of further methods share kOtherMethods.
//
// Errors: INVALID_ARGUMENT, naming the line and the column (from 1), what was
// found and what is accepted; the message quotes no more than a few characters
// of the file. UNAVAILABLE when the stream itself fails. Nothing else goes
// wrong: any bytes of any length are read to an end, in memory that is bounded
// by kMaxCalls.
//
// Thread safety: a value.
#ifndef FIREBREAK_SRC_SIM_RECORDING_H_
#define FIREBREAK_SRC_SIM_RECORDING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/core/base/time.h"

namespace firebreak::sim {

using core::Duration;

inline constexpr absl::string_view kUnnamedMethod = "/recorded.Service/Method";
inline constexpr absl::string_view kOtherMethods = "other";

struct Recording {
  // Of this format.
  static constexpr int kVersion = 1;
  // 24 bytes each.
  static constexpr size_t kMaxCalls = 5'000'000;
  static constexpr size_t kMaxMethods = 1000;
  // From the first call to the last. A longer one mostly has a clock that is
  // wrong among those of its hosts.
  static constexpr Duration kLongest = std::chrono::hours(24 * 7);

  struct Call {
    Duration at{};  // since the first call began
    Duration latency{};
    uint16_t method = 0;  // index into `methods`
    absl::StatusCode code = absl::StatusCode::kOk;
  };

  std::vector<std::string> methods;
  std::vector<Call> calls;  // in the order of `at`; at least one
  int64_t out_of_order = 0;
  int64_t of_other_methods = 0;
  bool is_cut = false;
  // Of recorded attempts (observed.h): calls that met nobody, and whose first
  // attempt was given up; and those that nothing is known of.
  int64_t of_nobody = 0;
  int64_t given_up = 0;
  int64_t left_out = 0;
};

absl::StatusOr<Recording> ReadRecording(
    std::istream* in, size_t max_calls = Recording::kMaxCalls);
// What ReadRecording() reads.
void WriteRecording(const Recording& recording, std::ostream* out);

// Only the calls of methods that `fits`; may be empty. Times stay as they are.
Recording OnlyMethods(const Recording& recording,
                      const std::function<bool(const std::string&)>& fits);

// "UNAVAILABLE" or "14". False for anything else.
bool ParseCode(absl::string_view text, absl::StatusCode* code);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_RECORDING_H_
