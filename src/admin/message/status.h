// Converts an absl::Status for a gRPC client. The codes have the same numbers.
//
//   reactor->Finish(ToGrpc(status));
//
// A status is sent as metadata, for which gRPC's default limit is 8 kB. A
// longer one would arrive as a transport error without a message. So a long
// message is cut, at the end of a line if it has several, and says that it was.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_STATUS_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_STATUS_H_

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace firebreak::admin {

grpc::Status ToGrpc(const absl::Status& status);

// A stream that ends at once with an error. It deletes itself.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_STATUS_H_
