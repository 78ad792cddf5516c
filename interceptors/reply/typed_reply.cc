#include "interceptors/reply/typed_reply.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/unknown_field_set.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace firebreak::interceptors {
namespace {

using google::protobuf::Message;
using google::protobuf::MessageLite;

// The mark is an unknown field, since reading clears all of these. It has the
// highest field number there is, which no server sends as the only field and
// unknown.
constexpr int kMark = (1 << 29) - 1;

// Returns the mark as it is on the wire.
std::string MarkOfLite() {
  std::string mark;
  google::protobuf::io::StringOutputStream out(&mark);
  google::protobuf::io::CodedOutputStream coded(&out);
  coded.WriteVarint32(static_cast<uint32_t>(kMark) << 3);
  coded.WriteVarint32(0);
  coded.Trim();
  return mark;
}

}  // namespace

TypedReply TypedReply::Like(const MessageLite& callers) {
  TypedReply reply;
  reply.message_.reset(callers.New());
  reply.is_full_ = dynamic_cast<Message*>(reply.message_.get()) != nullptr;
  if (Message* const full = reply.full()) {
    full->GetReflection()->MutableUnknownFields(full)->AddVarint(kMark, 0);
  } else {
    (void)reply.message_->ParsePartialFromString(MarkOfLite());
  }
  return reply;
}

bool TypedReply::HasBeenRead() const {
  if (const Message* const full = this->full()) {
    const auto& unknown = full->GetReflection()->GetUnknownFields(*full);
    if (unknown.field_count() != 1 || unknown.field(0).number() != kMark) {
      return true;
    }
    // An interceptor that answers for the server sets fields without reading,
    // so the mark is still there.
    return full->ByteSizeLong() != MarkOfLite().size();
  }
  return message_->SerializePartialAsString() != MarkOfLite();
}

void TypedReply::GiveTo(MessageLite* callers) {
  Message* const full = this->full();
  if (full != nullptr) {
    auto* const unknown = full->GetReflection()->MutableUnknownFields(full);
    if (!unknown->empty()) unknown->DeleteByNumber(kMark);
  }
  // A swap costs the same whatever the size, and lite messages do not have it.
  constexpr size_t kSmall = 1024;
  if (full != nullptr && full->ByteSizeLong() > kSmall) {
    full->GetReflection()->Swap(static_cast<Message*>(callers), full);
  } else {
    callers->Clear();
    callers->CheckTypeAndMergeFrom(*message_);
  }
}

}  // namespace firebreak::interceptors
