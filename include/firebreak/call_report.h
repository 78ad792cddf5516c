// What became of one call: every attempt, and why there was no other.
//
//   firebreak::CallOptions options;
//   options.report = true;
//   options.Set(&context);
//   stub->Charge(&context, request, &reply);
//   if (auto report = firebreak::GetCallReport(context)) {
//     LOG(INFO) << *report;
//   }
//
// The report is a message (proto/firebreak/v1/call_report.proto), ready to be
// logged, or shown as JSON. It lives in the context's trailing metadata, under
// a key that no server can guess, and goes with the context. A proxy that hands
// all trailing metadata on to its own caller hands the report on with it: leave
// out there what begins with "firebreak-report-".
//
// Thread safety: as reading trailing metadata: once the call has ended.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_

#include <grpcpp/client_context.h>

#include <ostream>

#include "absl/types/optional.h"
#include "firebreak/v1/call_report.pb.h"

namespace firebreak {

namespace v1 {

// In one line: "UNAVAILABLE (attempts_exhausted) after 31ms, attempts: first
// dns:///a:443 UNAVAILABLE server_failure 10ms, retry ...".
std::ostream& operator<<(std::ostream& out, const CallReport& report);

}  // namespace v1

// Nothing when the call has not asked for one (CallOptions::report), or was
// none of a method with a policy.
absl::optional<v1::CallReport> GetCallReport(
    const grpc::ClientContext& context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CALL_REPORT_H_
