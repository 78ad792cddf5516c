// The report on one call: every attempt, and why there was no further one.
//
//   firebreak::CallOptions options;
//   options.report = true;
//   options.Set(&context);
//   stub->Charge(&context, request, &reply);
//   if (auto report = firebreak::GetCallReport(context)) {
//     LOG(INFO) << *report;
//   }
//
// The report is a Protobuf message (proto/firebreak/v1/call_report.proto) that
// can be logged or shown as JSON. It is kept in the context's trailing
// metadata, under a key that no server can guess, and is destroyed with the
// context. A proxy that passes all trailing metadata on to its own caller would
// pass the report on too: it must leave out the keys that begin with
// "firebreak-report-".
//
// Thread safety: GetCallReport() reads trailing metadata, so call it only after
// the call has ended.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_

#include <grpcpp/client_context.h>

#include <ostream>

#include "absl/types/optional.h"
#include "firebreak/export.h"
#include "firebreak/v1/call_report.pb.h"

namespace firebreak {

namespace v1 {

// Writes the report in one line: "UNAVAILABLE (attempts_exhausted) after 31ms,
// attempts: first ipv4:10.0.0.7:443 UNAVAILABLE server_failure 0s to 10ms,
// retry ...". The times of an attempt are its start and its end, counted from
// the start of the call.
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out,
                                          const CallReport& report);

}  // namespace v1

// Returns the report of a call that has ended. There is none if the call did
// not ask for one (CallOptions::report), if its options are invalid, or if no
// policy entry covers its method.
FIREBREAK_EXPORT absl::optional<v1::CallReport> GetCallReport(
    const grpc::ClientContext& context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_
