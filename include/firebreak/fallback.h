// What to answer when all else failed.
//
//   engine->SetFallback(
//       "user", "/shop.v1.UserService/GetUser",
//       firebreak::MakeFallback<GetUserRequest, User>(
//           [](const GetUserRequest& request, const grpc::Status& failure,
//              User* reply) {
//             reply->set_name("unknown user");
//             return grpc::Status::OK;
//           }));
//
// A fallback is asked once for a call that would otherwise end with a failure
// (refused ones included), unless the caller cancelled it or its deadline has
// passed. OK from it is what the caller gets, with its reply. Anything else,
// an unreadable request, a full queue or a second in it without a thread to run
// on leave the first failure as it is, with `firebreak-reason: fallback_failed`
// beside it where it had no reason yet.
//
// Ownership: the engine keeps a fallback until another takes its place. One
// that owns the engine, or a channel or stub of it, keeps the engine, and so
// itself, alive for ever: capture those weakly, or take the fallback away in
// time.
//
// Thread safety: called on the engine's bounded pool, several at a time; it
// may block, call stubs and the engine. A fallback that never returns takes a
// thread of that pool (EngineOptions::callback_threads), and its call ends at
// the call's deadline.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_FALLBACK_H_
#define FIREBREAK_INCLUDE_FIREBREAK_FALLBACK_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <string>
#include <utility>

namespace firebreak {

// In terms of serialized messages. `request` may be read, not changed.
using Fallback = std::function<grpc::Status(const grpc::ByteBuffer& request,
                                            const grpc::Status& failure,
                                            grpc::ByteBuffer* reply)>;

// What MakeFallback() makes: a fallback that knows the types it is for, so that
// SetFallback() can refuse those of another method. Kept as a Fallback.
struct MessageFallback {
  std::string request_type;  // "shop.v1.GetUserRequest"
  std::string reply_type;
  std::function<grpc::Status(const grpc::ByteBuffer& request,
                             const grpc::Status& failure,
                             grpc::ByteBuffer* reply)>
      answer;

  grpc::Status operator()(const grpc::ByteBuffer& request,
                          const grpc::Status& failure,
                          grpc::ByteBuffer* reply) const {
    return answer(request, failure, reply);
  }
};

// In terms of Protobuf messages.
template <class Request, class Reply>
Fallback MakeFallback(
    std::function<grpc::Status(const Request& request,
                               const grpc::Status& failure, Reply* reply)>
        answer) {
  MessageFallback fallback;
  fallback.request_type = std::string(Request().GetTypeName());
  fallback.reply_type = std::string(Reply().GetTypeName());
  fallback.answer = [answer = std::move(answer)](
                        const grpc::ByteBuffer& request_bytes,
                        const grpc::Status& failure,
                        grpc::ByteBuffer* reply_bytes) {
    grpc::ByteBuffer bytes = request_bytes;  // a reader needs one of its own
    Request request;
    grpc::ProtoBufferReader reader(&bytes);
    if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
      return grpc::Status(grpc::StatusCode::INTERNAL,
                          "the fallback cannot read the request");
    }
    Reply reply;
    grpc::Status status = answer(request, failure, &reply);
    if (!status.ok()) return status;
    const auto size = static_cast<int>(reply.ByteSizeLong());
    grpc::ByteBuffer out;
    {
      // The writer sets the buffer's length when it is destroyed.
      grpc::ProtoBufferWriter writer(&out, 16 * 1024, size);
      if (!reply.SerializeToZeroCopyStream(&writer)) {
        return grpc::Status(grpc::StatusCode::INTERNAL,
                            "the fallback's reply cannot be written");
      }
    }
    reply_bytes->Swap(&out);
    return grpc::Status::OK;
  };
  return fallback;
}

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_FALLBACK_H_
