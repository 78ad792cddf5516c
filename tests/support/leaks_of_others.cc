// What LeakSanitizer would report of other libraries. This is linked into every
// test program that uses gRPC.
#include "absl/base/config.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name

extern "C" const char* __lsan_default_suppressions() {  // NOLINT: its name
  // c-ares 1.18 leaks ten bytes for each name that does not resolve, on a
  // machine without a search domain. OpenSSL is used by gRPC: a program that
  // ends while a thread of gRPC closes a connection leaks some of its memory,
  // once in many runs. So does one that ends while gRPC starts a thread of its
  // pool: the 24 bytes that the thread is to be given. If firebreak leaks a
  // channel or a server, that is still reported, since gRPC allocates those.
  return "leak:libcares.so\nleak:libcrypto.so\n"
         "leak:grpc_event_engine::experimental::ThreadPool::StartThread\n";
}

namespace firebreak::testing {
namespace {

// gRPC shuts down on a thread that it starts when the last channel goes on one
// of its own threads. A process that ends before that thread has begun leaks
// the 80 bytes that were to start it.
class WaitForGrpc final : public ::testing::Environment {
 public:
  void TearDown() override {
    // A program with a static channel does not shut gRPC down.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (grpc_is_initialized() != 0 &&
           std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

// GoogleTest owns it.
[[maybe_unused]] ::testing::Environment* const wait_for_grpc =
    ::testing::AddGlobalTestEnvironment(new WaitForGrpc);

}  // namespace
}  // namespace firebreak::testing
#endif
