// Converts between gRPC's types and the core's.
//
//   core::Time deadline = FromGrpcDeadline(context->raw_deadline(),
//                                         core->clock());
//   core::AttemptEnd end = ReadEnd(status, context, channel->targets());
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_WIRE_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_WIRE_H_

#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "firebreak/classifier.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/engine/io/clock.h"

namespace firebreak::interceptors {

// Converts a gRPC deadline, by whichever clock it was given, to the steady
// clock. This is done once for each call: if the wall clock jumps later, the
// end of the call does not move.
core::Time FromGrpcDeadline(gpr_timespec deadline,
                            const engine::EngineClock& clock);

// Returns the retry_delay of a google.rpc.RetryInfo in the status's details.
// Returns nothing if there is none, or if it is malformed or negative.
absl::optional<core::Duration> RetryInfoDelay(const std::string& details);

// Returns the facts about an attempt that has ended, except those that only its
// owner knows (channel_was_not_ready, a cancel that it saw). `targets` are
// those of its channel.
core::AttemptEnd ReadEnd(const grpc::Status& status,
                         const grpc::ClientContext& context,
                         const std::vector<std::string>& targets);

// Returns what a classifier is given.
Result ResultOf(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailing);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_WIRE_H_
