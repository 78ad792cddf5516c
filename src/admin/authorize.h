// Who may change things when the application has not said.
//
//   absl::Status may = AuthorizePeer("ipv4:127.0.0.1:40112", allow_loopback);
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_ADMIN_AUTHORIZE_H_
#define FIREBREAK_SRC_ADMIN_AUTHORIZE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace firebreak::admin {

// `peer` as grpc::ServerContext::peer() has it. OK for a Unix socket, whose
// file's permissions say who may connect; OK for the loopback interface if
// `allow_loopback`. Else PERMISSION_DENIED, saying how to allow it.
absl::Status AuthorizePeer(absl::string_view peer, bool allow_loopback);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_AUTHORIZE_H_
