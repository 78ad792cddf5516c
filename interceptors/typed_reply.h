// A reply that gRPC reads into a message of the caller's type, in another call
// than the caller's own.
//
//   TypedReply reply = TypedReply::Like(*callers);   // empty
//   ... gRPC reads into reply.get() ...
//   if (reply.HasBeenRead()) reply.GiveTo(callers);
//
// gRPC says no word of an OK that has no reply; so an empty message carries a
// mark that reading takes away.
//
// Thread safety: none; whoever has the call has its reply.
#ifndef FIREBREAK_INTERCEPTORS_TYPED_REPLY_H_
#define FIREBREAK_INTERCEPTORS_TYPED_REPLY_H_

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
  // What has been read becomes what `callers`, of the same type, is; what this
  // is afterwards is not said.
  void GiveTo(google::protobuf::MessageLite* callers);

 private:
  // The message, where it is no lite one. Asked for once, since a dynamic_cast
  // takes as long as a small reply.
  google::protobuf::Message* full() const {
    return is_full_ ? static_cast<google::protobuf::Message*>(message_.get())
                    : nullptr;
  }

  std::unique_ptr<google::protobuf::MessageLite> message_;
  bool is_full_ = false;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_TYPED_REPLY_H_
