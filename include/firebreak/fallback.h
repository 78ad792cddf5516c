// A fallback: what to answer when a call would otherwise fail.
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
// It works for unary calls of a method that has an entry in the policy,
// whatever the entry says: `breaker {}`, or a name and nothing else.
//
// The fallback is asked once for a call that would otherwise end with a failure
// (refused calls included), unless the caller cancelled the call or its
// deadline has passed. If it returns OK, the caller gets OK and the fallback's
// reply. In all other cases the original failure stands: the fallback returns a
// failure, the request cannot be parsed, the queue is full, or no thread is
// free for a second. If that failure has no reason of its own, its
// `firebreak-reason` is "fallback_failed".
//
// Ownership: the engine keeps a fallback until another one replaces it. A
// fallback that owns the engine, or one of its channels or stubs, keeps the
// engine and so itself alive for ever: capture weak pointers to those, or
// remove the fallback in time.
//
// Thread safety: it is called on the engine's bounded pool, several calls at a
// time. It may block, make calls and use the engine. A fallback that never
// returns takes a thread of that pool (EngineOptions::callback_threads) out of
// service, and its call ends at the call's deadline.
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

// A fallback in terms of serialized messages. It must not change `request`.
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

// Makes a fallback from a function of Protobuf messages. Request and Reply must
// be the types of the method.
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
    grpc::ByteBuffer bytes = request_bytes;  // The reader changes its buffer.
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
