// Answers a unary admin call at once.
//
//   return Answer(context, policies->Get(*context, *request, which, response));
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_ANSWER_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_ANSWER_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "src/admin/message/status.h"

namespace firebreak::admin {

inline grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                        const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_ANSWER_H_
