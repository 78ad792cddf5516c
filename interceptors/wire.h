// Between gRPC's types and the core's.
//
//   core::Time deadline = FromGrpcDeadline(context->raw_deadline());
//   core::AttemptEnd end = ReadEnd(status, context);
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_WIRE_H_
#define FIREBREAK_INTERCEPTORS_WIRE_H_

#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/classifier.h"
#include "src/core/outcome.h"
#include "src/core/time.h"

namespace firebreak::interceptors {

// The steady point of a gRPC deadline, by whichever clock it was given. Made
// once for each call: the wall clock may jump later, the call's end does not.
core::Time FromGrpcDeadline(gpr_timespec deadline);

// Did the transport make this status up, rather than a server send it? A guess
// from texts, since gRPC C++ has no other way: a status that was received says
// so in the debug string, but so does a connection lost in mid-call.
bool IsFromTransport(const grpc::Status& status,
                     absl::string_view debug_error_string);

// Was there no connection to send it on? Stricter than the guess above, since
// what may not run twice is sent again on its word: a server that hands on
// such a status of its own server is not believed.
bool WasNotSent(const grpc::Status& status,
                absl::string_view debug_error_string);

// The retry_delay of a google.rpc.RetryInfo among the status's details, or
// nothing: none there, garbage, negative.
absl::optional<core::Duration> RetryInfoDelay(const std::string& details);

// The facts of an ended attempt, but for those only its owner knows
// (cancelled_by_caller, channel_was_not_ready).
core::AttemptEnd ReadEnd(const grpc::Status& status,
                         const grpc::ClientContext& context);

// What a classifier is shown.
Result ResultOf(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailing);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_WIRE_H_
