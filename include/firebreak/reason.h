// Why firebreak refused a call, or made no further attempt.
//
//   grpc::Status status = stub->Charge(&context, request, &reply);
//   if (firebreak::ReasonOf(context) == firebreak::Reason::kBreakerOpen) {
//     return FromCache();                    // nothing was sent
//   }
//   LOG(INFO) << firebreak::ReasonOf(context);   // "breaker_open"
//
// The list is an API: names and meanings stay, and what comes is added at its
// end, so a switch needs a default. The same names are in the trailing metadata
// of a status (`firebreak-reason`), in a CallReport, in the admin service and
// in metrics. docs/operations.md says what to do about each.
//
// Thread safety: ReasonOf() reads trailing metadata: once the call has ended.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_REASON_H_
#define FIREBREAK_INCLUDE_FIREBREAK_REASON_H_

#include <grpcpp/client_context.h>

#include <ostream>

#include "absl/strings/string_view.h"
#include "firebreak/export.h"

namespace firebreak {

enum class Reason {
  kNone,  // firebreak had no part in the result
  // The call, or its next attempt, was not admitted.
  kBreakerOpen,
  kProbesTaken,  // half-open, and as many probes as it takes are under way
  kRamping,      // recovered, and not taking every call yet
  kForcedOpen,   // by an operator
  // No further attempt, although the failure allowed one.
  kAttemptsExhausted,
  kBudgetExhausted,
  kThrottled,           // gRFC A6: too many failures for too few successes
  kPushback,            // the server asked for no retry
  kNotIdempotent,       // it may have run, and may not run twice
  kDeadlineTooClose,    // the wait would have ended at or after the deadline
  kDeadlineInfeasible,  // too little time for what the method takes
  kHedgingPaused,       // the server is in trouble: no hedges on top
  kRetriesNotWorthIt,   // such retries have mostly been in vain
  // The end of the call.
  kDeadlineExceeded,
  kCancelled,
  kFallbackFailed,
  kInvalidOptions,  // of the call or its channel
  // The call was refused before its first attempt.
  kBulkheadFull,
  kQueueTimeout,  // no place in the bulkhead came free in time
  kRateLimited,
  kThrottledLocally,  // the server turned too many away
  // A name that this version does not know.
  kUnknown = 1000,
};

// "breaker_open"; "" for kNone, "unknown" for what is not in the list.
FIREBREAK_EXPORT absl::string_view ReasonName(Reason reason);
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out, Reason reason);

// Of a call that has ended. What a server hands on of its own calls' trailing
// metadata is indistinguishable, as everywhere in gRPC.
FIREBREAK_EXPORT Reason ReasonOf(const grpc::ClientContext& context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_REASON_H_
