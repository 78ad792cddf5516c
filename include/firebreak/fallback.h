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
// Or several, a chain, which are asked in their order until one answers:
//
//   engine->SetFallback("user", "/shop.v1.UserService/GetUser",
//                       firebreak::FallbackChain({
//                           firebreak::CachedReply(),
//                           {"replica", ask_replica, milliseconds(50)},
//                           firebreak::DefaultReply(unknown_user),
//                       }));
//
// It works for unary calls of a method that has an entry in the policy,
// whatever the entry says: `breaker {}`, or a name and nothing else.
//
// The fallback is asked once for a call that would otherwise end with a failure
// (refused calls included), unless the caller cancelled the call or its
// deadline has passed. If it returns OK, the caller gets OK and the fallback's
// reply, and the trailing metadata `firebreak-fallback` names the link that
// answered ("fallback" where there is no chain). In all other cases the next
// link is asked: the fallback returns a failure or throws, the request cannot
// be parsed, the queue is full, no thread is free for a second, or the link's
// time is over. After the last one the original failure stands. If that failure
// has no reason of its own, its `firebreak-reason` is "fallback_failed". A
// CallReport says what became of each link, and why the call failed.
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

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firebreak/export.h"

namespace firebreak {

namespace core {
class ReplyCache;
}

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

// One link of a chain.
struct FallbackLink {
  // What metrics, the admin service and reports call it: 1 to 32 of a-z, 0-9,
  // "_" and "-". Unique in its chain.
  std::string name;
  Fallback answer;
  // How long it may take, counted from when it is asked. After that the next
  // link is asked, though this one keeps its thread until it returns. Zero: as
  // long as the call has.
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::zero();
  // Set by CachedReply(). Not part of the API.
  std::shared_ptr<core::ReplyCache> cache = nullptr;
};

// One to eight links, in the order in which they are asked.
class FIREBREAK_EXPORT FallbackChain {
 public:
  explicit FallbackChain(std::vector<FallbackLink> links)
      : links_(std::move(links)) {}
  const std::vector<FallbackLink>& links() const { return links_; }

 private:
  std::vector<FallbackLink> links_;
};

struct CachedReplyOptions {
  std::string name = "cached";
  // A reply that is older is not used. [1ms, 366 days].
  std::chrono::nanoseconds max_age = std::chrono::minutes(5);
  // What is kept; the entry goes that was not used for the longest time.
  // [1, 1'000'000] and [1, 1 GiB], of requests and replies together.
  std::size_t max_entries = 1000;
  std::size_t max_bytes = 16 << 20;
  // Where a reply can be had that is not in the cache, another store for
  // instance. Of all calls with the same request one asks it at a time, and the
  // others wait for what it gets. Null: nowhere.
  Fallback refill = nullptr;
  // As in FallbackLink, for a refill. Who waits for another call's waits for a
  // second at most. A refill that never returns ends those of its request.
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::zero();
};

// A link that answers with the last reply that a server gave to the same
// request. Such a reply is stale, and says so: the trailing metadata
// `firebreak-stale-ms` has its age, as has the CallReport. It needs no thread
// but for a refill.
//
// "The same request" is the same bytes on the channel name and method: not the
// metadata. So it is not for methods whose reply depends on the caller's
// credentials or other metadata; and messages with maps, which have no fixed
// order of bytes, are found less often. Each success of the method pays for a
// copy of its request and reply, and takes the cache's lock.
//
// Several methods may have the same link; they share its bounds.
FIREBREAK_EXPORT FallbackLink CachedReply(CachedReplyOptions options = {});

// What DefaultReply() makes; kept as a Fallback. It needs no thread.
struct FixedReply {
  std::string reply_type;
  grpc::ByteBuffer reply;

  grpc::Status operator()(const grpc::ByteBuffer& /*request*/,
                          const grpc::Status& /*failure*/,
                          grpc::ByteBuffer* out) const {
    *out = reply;
    return grpc::Status::OK;
  }
};

// A link that always answers with `reply`, which must be of the method's type.
FIREBREAK_EXPORT FallbackLink DefaultReply(
    const google::protobuf::MessageLite& reply, std::string name = "default");

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_FALLBACK_H_
