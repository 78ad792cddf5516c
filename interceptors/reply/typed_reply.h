// A reply that gRPC reads into a message of the caller's type, in a call other
// than the caller's own.
//
//   TypedReply reply = TypedReply::Like(*callers);   // empty
//   ... gRPC reads into reply.get() ...
//   if (reply.HasBeenRead()) reply.GiveTo(callers);
//
// gRPC does not say whether an OK has a reply. So the empty message contains a
// mark, which gRPC removes when it reads a reply.
//
// Thread safety: none. The owner of the call owns its reply.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_TYPED_REPLY_H_
#define FIREBREAK_INTERCEPTORS_REPLY_TYPED_REPLY_H_

#include <google/protobuf/message.h>
#include <google/protobuf/message_lite.h>

#include <memory>

namespace firebreak::interceptors {

class TypedReply {
 public:
  TypedReply() = default;  // no message
  static TypedReply Like(const google::protobuf::MessageLite& callers);

  explicit operator bool() const { return message_ != nullptr; }
  google::protobuf::MessageLite* get() const { return message_.get(); }

  // Whether gRPC has read anything into it. An interceptor that answers for the
  // server counts as gRPC.
  bool HasBeenRead() const;
  // Moves what has been read into `callers`, which must be of the same type.
  // The content of this object is unspecified afterwards.
  void GiveTo(google::protobuf::MessageLite* callers);

 private:
  // The message if it is not a lite one, else null. This is found out only
  // once, since a dynamic_cast takes as long as a small reply.
  google::protobuf::Message* full() const {
    return is_full_ ? static_cast<google::protobuf::Message*>(message_.get())
                    : nullptr;
  }

  std::unique_ptr<google::protobuf::MessageLite> message_;
  bool is_full_ = false;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_TYPED_REPLY_H_
