// Finds out where a status was made.
//
//   EndFacts facts = FactsOf(status, context, channel->targets());
//   switch (OriginOf(facts)) { ... }
//
// gRPC C++ does not say. It shows the following, each with its limits:
//
//   peer()            an address once a server's first byte has arrived, and
//                     before that the channel's target. Both look the same if
//                     the target itself is an address ("ipv4:..."), and on an
//                     in-process channel
//   the message       gRPC's own texts, in a table with the versions they were
//                     seen in. A server may pass on such a status from a server
//                     of its own, word for word, so a text never outweighs the
//                     other facts
//   details, trailing only servers send them
//     metadata
//   debug string      up to gRPC 1.80 "Error received from peer" rules out that
//                     there was no connection, and that the call was cancelled
//                     or ran out of time here. It also comes with other
//                     statuses made here, and its absence proves nothing
//
// In doubt the call counts as sent. If kNowhere were wrong, a call that must
// not run twice would run twice. See docs/adr/0017-where-a-status-was-made.md.
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_ORIGIN_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_ORIGIN_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "src/core/base/outcome.h"

namespace firebreak::interceptors {

// All facts about the end of a call that show where its status was made.
struct EndFacts {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string peer;
  std::string debug;
  bool has_details = false;
  bool has_trailing = false;
  bool has_credentials = false;    // call credentials, which can fail
  bool target_is_address = false;  // or one of several is
};

// `context` is that of a call that has ended, and `targets` are those of its
// channel.
EndFacts FactsOf(const grpc::Status& status, const grpc::ClientContext& context,
                 const std::vector<std::string>& targets);

core::Origin OriginOf(const EndFacts& facts);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_ORIGIN_H_
