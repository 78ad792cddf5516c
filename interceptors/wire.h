// Between gRPC's types and the core's.
//
//   core::Time deadline = FromGrpcDeadline(context->raw_deadline(),
//                                         core->clock());
//   core::AttemptEnd end = ReadEnd(status, context, channel->targets());
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_WIRE_H_
#define FIREBREAK_INTERCEPTORS_WIRE_H_

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

// The steady point of a gRPC deadline, by whichever clock it was given. Made
// once for each call: the wall clock may jump later, the call's end does not.
core::Time FromGrpcDeadline(gpr_timespec deadline,
                            const engine::EngineClock& clock);

// The retry_delay of a google.rpc.RetryInfo among the status's details, or
// nothing: none there, garbage, negative.
absl::optional<core::Duration> RetryInfoDelay(const std::string& details);

// The facts of an ended attempt, but for those only its owner knows
// (channel_was_not_ready, a cancel that it saw). `targets`: of its channel.
core::AttemptEnd ReadEnd(const grpc::Status& status,
                         const grpc::ClientContext& context,
                         const std::vector<std::string>& targets);

// What a classifier is shown.
Result ResultOf(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailing);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_WIRE_H_
