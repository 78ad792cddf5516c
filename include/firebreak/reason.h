// Why firebreak refused a call, or made no further attempt.
//
//   grpc::Status status = stub->Charge(&context, request, &reply);
//   if (firebreak::ReasonOf(context) == firebreak::Reason::kBreakerOpen) {
//     return FromCache();                    // nothing was sent
//   }
//   LOG(INFO) << firebreak::ReasonOf(context);   // "breaker_open"
//
// The list is an API: names and meanings stay, and new reasons are added at its
// end, so a switch needs a default. The same names are in the trailing metadata
// of a status (`firebreak-reason`), in a CallReport, in the admin service and
// in metrics. docs/operations.md says what to do about each.
//
// Thread safety: ReasonOf() reads trailing metadata, so call it only after the
// call has ended.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_REASON_H_
#define FIREBREAK_INCLUDE_FIREBREAK_REASON_H_

#include <grpcpp/client_context.h>

#include <ostream>

#include "absl/strings/string_view.h"
#include "firebreak/export.h"

namespace firebreak {

enum class Reason {
  kNone,  // firebreak did not change the result
  // The breaker did not admit the call, or its next attempt.
  kBreakerOpen,
  kProbesTaken,  // it admits only probes, and all of them are in flight
  kRamping,      // it has recovered, but does not admit every call yet
  kForcedOpen,   // an operator forced it open
  // No further attempt was made, although the failure allowed one.
  kAttemptsExhausted,
  kBudgetExhausted,
  kThrottled,           // gRFC A6: too many failures for too few successes
  kPushback,            // the server asked for no retry
  kNotIdempotent,       // it may have run, and must not run twice
  kDeadlineTooClose,    // the wait would have ended at or after the deadline
  kDeadlineInfeasible,  // the method usually takes longer than the time left
  kHedgingPaused,       // the server is in trouble, so no hedges are sent
  kRetriesNotWorthIt,   // most retries of this kind have failed
  // How the call ended.
  kDeadlineExceeded,
  kCancelled,  // by the caller; only in a CallReport, not in the metadata
  kFallbackFailed,
  kInvalidOptions,  // of the call or its channel
  // The call was refused before its first attempt.
  kBulkheadFull,
  kQueueTimeout,  // no place in the bulkhead became free in time
  kRateLimited,
  kThrottledLocally,  // the server refused too many requests
  // A name that this version does not know.
  kUnknown = 1000,
};

// Returns a name such as "breaker_open", "" for kNone, and "unknown" for a
// value that is not in the list.
FIREBREAK_EXPORT absl::string_view ReasonName(Reason reason);
// Writes that name, and "none" for kNone.
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out, Reason reason);

// Returns the reason of a call that has ended. If a server passes on the
// trailing metadata of its own calls, a reason from there looks the same. A
// name that this version does not know is kUnknown.
FIREBREAK_EXPORT Reason ReasonOf(const grpc::ClientContext& context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_REASON_H_
