// Finds out what kind of message a caller wants its reply in.
//
//   ReplyKinds kinds;                                // of a channel
//   if (!kinds.Fits(reply, Codec::kProtobuf)) ...    // reads as ByteBuffer
//
// gRPC hands replies over as void*: for generated stubs this is a MessageLite,
// for grpc::GenericStub a ByteBuffer. ChannelOptions::codec says which, and
// reading one as the other crashes the process. The object itself shows it too.
// A message begins with the address of its virtual table, which lies in a
// loaded program or library. A ByteBuffer is one pointer, which is null or
// points into the heap.
//
// The loaded programs and libraries are listed when a channel is made, since
// listing them takes a lock that all threads share. Messages of a library that
// is loaded later are looked up once for each type. A stub from such a library
// on a channel for ByteBuffers is not detected.
//
// Thread safety: safe from any thread, except for the reply itself.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_REPLY_KIND_H_
#define FIREBREAK_INTERCEPTORS_REPLY_REPLY_KIND_H_

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

  // Returns whether `reply` can be what `codec` says. Null fits: it means that
  // the reply is not known yet.
  bool Fits(const void* reply, Codec codec);

 private:
  bool IsMessage(const void* reply, Codec codec);

  // The address ranges of the program and its libraries, sorted by their ends.
  // Empty if the system does not list them. Then everything fits but an empty
  // ByteBuffer where a message is expected.
  struct Module {
    std::uintptr_t begin;
    std::uintptr_t end;
  };
  static std::vector<Module> Loaded();
  static bool Contains(const std::vector<Module>& modules, const void* address);

  const std::vector<Module> modules_;
  // This is more than most channels have methods. Types that share a place are
  // looked up again.
  static constexpr std::size_t kPlaces = 64;
  std::array<std::atomic<const void*>, kPlaces> known_{};
};

// Returns INTERNAL for a call whose reply does not fit, and says what to do.
grpc::Status WrongCodec(absl::string_view method, Codec codec);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_REPLY_KIND_H_
