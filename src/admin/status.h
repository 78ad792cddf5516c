// absl::Status on its way to a gRPC client. The codes have the same numbers.
#ifndef FIREBREAK_SRC_ADMIN_STATUS_H_
#define FIREBREAK_SRC_ADMIN_STATUS_H_

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace firebreak::admin {

inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()),
          std::string(status.message())};
}

// A stream that is refused. Deletes itself.
template <class Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STATUS_H_
