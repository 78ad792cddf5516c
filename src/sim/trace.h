// A record of calls, read from CSV.
//
//   at_ms,latency_ms
//   0,4.71
//   1.5,88
//
//   absl::StatusOr<Trace> trace = ReadTrace("calls.csv");
//   server.service = Distribution::Recorded(*trace);
//
// `at_ms` is when a call began, since the beginning of the record, and never
// runs back; `latency_ms` is how long it took. Both are plain decimal numbers
// in [0, 1e9]. Every line ends with a line end, the last one too, so that a
// file that was cut short within a number is noticed.
//
// Errors: INVALID_ARGUMENT, naming the line and the column (both from 1; a
// column is a field), what was found and what is accepted; the message quotes
// no more than a few characters of the file. Nothing else goes wrong: any bytes
// of any length are read to an end.
#ifndef FIREBREAK_SRC_SIM_TRACE_H_
#define FIREBREAK_SRC_SIM_TRACE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/core/base/time.h"

namespace firebreak::sim {

using core::Duration;

struct TraceRow {
  Duration at;
  Duration latency;
};

struct Trace {
  std::vector<TraceRow> rows;  // at least one
};

// Rows of a trace, and bytes of a file, at most.
inline constexpr size_t kMaxTraceRows = 5'000'000;
inline constexpr size_t kMaxTraceBytes = size_t{256} << 20;

absl::StatusOr<Trace> ParseTrace(absl::string_view csv,
                                 size_t max_rows = kMaxTraceRows);
// NOT_FOUND when there is no such file, or it cannot be read.
absl::StatusOr<Trace> ReadTrace(const std::string& path,
                                size_t max_bytes = kMaxTraceBytes);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_TRACE_H_
