// A fallback answers a call that would otherwise fail.
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
// A chain has several fallbacks, its links. They are asked in their order until
// one answers:
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
// (refused calls included, but not those with invalid options). It is not asked
// if the caller cancelled the call, if the deadline has passed, or if the
// caller has already got initial metadata from the server. If the fallback
// returns OK, the caller gets OK and its reply, and the trailing metadata
// `firebreak-fallback` names the link that answered ("fallback" where there is
// no chain). In all other cases the next link is asked: the fallback returns a
// failure or throws, the request or the reply cannot be parsed, the queue is
// full, no thread is free for a second, or the link's time is over. After the
// last one the original failure stands. If that failure has no reason of its
// own, its `firebreak-reason` is "fallback_failed". A CallReport has the result
// of each link, and the failure of the call.
//
// Ownership: the engine keeps a fallback until it is replaced or removed. A
// fallback that owns the engine, or one of its channels or stubs, keeps the
// engine and so itself alive for ever: capture weak pointers to those, or
// remove the fallback in time.
//
// Thread safety: it is called on the engine's bounded pool, for several calls
// at a time. It may block, make calls and use the engine. A fallback that never
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

// A fallback in terms of serialized messages. `failure` is the status that the
// caller would get. The fallback must not change `request`.
using Fallback = std::function<grpc::Status(const grpc::ByteBuffer& request,
                                            const grpc::Status& failure,
                                            grpc::ByteBuffer* reply)>;

// The result of MakeFallback(). It also has the message types, so that
// SetFallback() can refuse a fallback for another method. It is stored as a
// Fallback.
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
  // Its name in metrics, in the admin service and in reports: 1 to 32
  // characters out of a-z, 0-9, "_" and "-". Unique in its chain.
  std::string name;
  // Not null, unless the link is from CachedReply().
  Fallback answer;
  // How long it may take, counted from when it is asked. After that the next
  // link is asked, but this one keeps its thread until it returns. Zero: until
  // the call's deadline.
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
  // The size of the cache: entries, [1, 1'000'000], and bytes of requests and
  // replies together, [1, 1 GiB]. The least recently used entry is removed
  // first.
  std::size_t max_entries = 1000;
  std::size_t max_bytes = 16 << 20;
  // Gets a reply that is not in the cache, for instance from another store. Of
  // several calls with the same request, only one at a time asks it, and the
  // others wait for its reply. Null: there is no refill.
  Fallback refill = nullptr;
  // The time for a refill, as in FallbackLink. A call that waits for the refill
  // of another call waits for a second at most. If a refill never returns,
  // there are no further refills for the same request.
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::zero();
};

// A link that answers with the last reply that a server gave to the same
// request. Such a reply is stale, and is marked as such: the trailing metadata
// `firebreak-stale-ms` and the CallReport have its age. Only a refill needs a
// thread.
//
// "The same request" means the same bytes for the same channel name and method;
// metadata is not compared. So do not use it for methods whose reply depends on
// the caller's credentials or other metadata. Messages with maps are found less
// often, since their bytes have no fixed order. Each success of the method
// costs a copy of its request and reply, and takes the cache's lock.
//
// Several methods may have the same link; they share its bounds.
FIREBREAK_EXPORT FallbackLink CachedReply(CachedReplyOptions options = {});

// The result of DefaultReply(). It is stored as a Fallback, and needs no
// thread.
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
