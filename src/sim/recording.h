// A recording of calls, read from CSV, for example made from a user's access
// log.
//
//   start_ms,method,latency_ms,code
//   1700000000000,/shop.v1.PaymentService/Charge,4.71,OK
//   1700000000012,/shop.v1.PaymentService/Charge,1000,DEADLINE_EXCEEDED
//
//   std::ifstream file("calls.csv");
//   absl::StatusOr<Recording> recording = ReadRecording(&file);
//
// The first line names the columns, in any order. `start_ms` (when a call
// began, from any moment on) and `latency_ms` (how long it took) are required.
// `method` and `code` (a name or a number) are optional; without them the calls
// are of kUnnamedMethod, and OK. Other columns are ignored. Numbers are plain
// decimals, in [0, 1e15] and [0, 1e9]. Fields contain no commas and no quotes.
// A line that begins with '#' is a comment, except that "#firebreak-calls 1"
// gives the version of this format.
//
// Rows may come in any order, as in logs that are written when a call ends:
// they are sorted by their start, and the first call begins at zero.
// `out_of_order` counts the rows that were not in order. A file that was cut
// off within its last line is read without that line, and `is_cut` is set.
// After kMaxMethods names the calls of further methods share kOtherMethods.
//
// Errors: INVALID_ARGUMENT, with the line and the column (from 1), what was
// found and what is accepted; the message quotes only a few characters of the
// file. UNAVAILABLE if the stream itself fails. There are no other errors:
// input of any length is read to its end, in memory that kMaxCalls bounds.
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
  // The version of this format.
  static constexpr int kVersion = 1;
  // A call takes 24 bytes.
  static constexpr size_t kMaxCalls = 5'000'000;
  static constexpr size_t kMaxMethods = 1000;
  // The longest time from the first call to the last. A longer one is mostly
  // due to a wrong clock on one of the hosts.
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
  // If made from attempts (observed.h): the number of calls that were never
  // sent, of calls whose first attempt was given up, and of calls about which
  // nothing is known.
  int64_t of_nobody = 0;
  int64_t given_up = 0;
  int64_t left_out = 0;
  // How many processes made these calls.
  size_t processes = 1;
};

absl::StatusOr<Recording> ReadRecording(
    std::istream* in, size_t max_calls = Recording::kMaxCalls);
// Writes what ReadRecording() reads.
void WriteRecording(const Recording& recording, std::ostream* out);

// Keeps the calls of methods for which `fits` is true, at their times. There
// may be none.
Recording OnlyMethods(const Recording& recording,
                      const std::function<bool(const std::string&)>& fits);

// Parses "UNAVAILABLE" or "14". False for anything else.
bool ParseCode(absl::string_view text, absl::StatusCode* code);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_RECORDING_H_
