// absl::Status on its way to a gRPC client. The codes have the same numbers.
//
//   reactor->Finish(ToGrpc(status));
//
// A status travels in the metadata, for which gRPC's default is 8 kB: one that
// is longer would arrive as an error of the transport, with nothing in it. So a
// long message is cut, at the end of a line where there are several, and says
// so.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_STATUS_H_
#define FIREBREAK_SRC_ADMIN_STATUS_H_

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace firebreak::admin {

grpc::Status ToGrpc(const absl::Status& status);

// A stream that is refused. Deletes itself.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STATUS_H_
