// Where was this status made?
//
//   EndFacts facts = FactsOf(status, context, channel->targets());
//   switch (OriginOf(facts)) { ... }
//
// gRPC C++ does not say. What it shows, and what that is worth:
//
//   peer()            an address once a server's first byte is here, else the
//                     channel's target. A target that is itself an address
//                     ("ipv4:..."), and an in-process channel, look the same
//                     either way
//   the message       gRPC's own texts, in a table with the versions they were
//                     seen in. A server may hand on such a status of its own
//                     server, word for word: so no text is believed against
//                     what else is known
//   details, trailing only servers send them
//     metadata
//   debug string      up to gRPC 1.80 "Error received from peer" excludes that
//                     there was no connection, and that the call was cancelled
//                     or ran out of time here. It comes with other statuses
//                     made here too, and that it is missing proves nothing
//
// In doubt the call counts as sent: a wrong kNowhere would run twice what may
// not. See docs/adr/0017-where-a-status-was-made.md.
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_ORIGIN_H_
#define FIREBREAK_INTERCEPTORS_ORIGIN_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "src/core/base/outcome.h"

namespace firebreak::interceptors {

// All that an end shows of where its status was made.
struct EndFacts {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string peer;
  std::string debug;
  bool has_details = false;
  bool has_trailing = false;
  bool has_credentials = false;    // of the call, so that these can fail
  bool target_is_address = false;  // or of one of several targets
};

// `context`: of a call that has ended. `targets`: of its channel.
EndFacts FactsOf(const grpc::Status& status, const grpc::ClientContext& context,
                 const std::vector<std::string>& targets);

core::Origin OriginOf(const EndFacts& facts);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_ORIGIN_H_
