// What kind of message a caller wants its reply in.
//
//   ReplyKinds kinds;                                // of a channel
//   if (!kinds.Fits(reply, Codec::kProtobuf)) ...    // reads as ByteBuffer
//
// gRPC hands replies over as void*, of generated stubs a MessageLite, of
// grpc::GenericStub a ByteBuffer; ChannelOptions::codec says which, and to read
// the one as the other ends the process. The object itself tells too: a
// message begins with the address of its virtual functions, which is part of a
// program or library that is loaded; a ByteBuffer is one pointer, null or into
// the heap. What is loaded is looked up when a channel is made, since that
// takes a lock which all threads share. Messages of a library that is loaded
// later are looked up once for each type; a stub of theirs on a channel for
// ByteBuffers is not found out.
//
// Thread safety: safe from any thread, but for the reply itself.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_KIND_H_
#define FIREBREAK_INTERCEPTORS_REPLY_KIND_H_

#include <grpcpp/support/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/engine.h"

namespace firebreak::interceptors {

class ReplyKinds {
 public:
  ReplyKinds();

  // Whether `reply` can be what `codec` says. Null, which is not known yet,
  // fits.
  bool Fits(const void* reply, Codec codec);

 private:
  bool IsMessage(const void* reply, Codec codec);

  // Where each program and library is, sorted by their ends. Empty where
  // nobody tells; then all but an empty ByteBuffer counts as fitting.
  struct Module {
    std::uintptr_t begin;
    std::uintptr_t end;
  };
  static std::vector<Module> Loaded();
  static bool Contains(const std::vector<Module>& modules, const void* address);

  const std::vector<Module> modules_;
  // More than most channels have methods: those that share a place are looked
  // up again.
  static constexpr std::size_t kPlaces = 64;
  std::array<std::atomic<const void*>, kPlaces> known_{};
};

// For a call whose reply does not fit: INTERNAL, and what to do.
grpc::Status WrongCodec(absl::string_view method, Codec codec);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_KIND_H_
