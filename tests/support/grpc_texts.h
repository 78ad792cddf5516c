// What gRPC itself says and shows, where that depends on the version that the
// tests are built with. Nothing here is firebreak's; docs/versions.md has more.
//
//   EXPECT_EQ(status.error_message().find(kTooLargeToSend), 0U);
//
// Of 1.52 to 1.62 nothing is known but their sources in part: what is said here
// of 1.63 may be older.
#ifndef FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_
#define FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_

#include <string>

#include "src/compat.h"

namespace firebreak::testing {

inline constexpr bool kIsGrpc1_63 = compat::kGrpc >= compat::Version(1, 63);

// How messages begin.
inline constexpr const char* kTooLargeToSend =
    kIsGrpc1_63 ? "CLIENT: Sent message larger than max ("
                : "Sent message larger than max (";
inline constexpr const char* kTooLargeToReceive =
    kIsGrpc1_63 ? "CLIENT: Received message larger than max ("
                : "Received message larger than max (";
inline constexpr const char* kTooMuchMetadata =
    kIsGrpc1_63 ? "received metadata size exceeds"
                : "received initial metadata size exceeds";
// The same of a server's, in the client.
inline constexpr const char* kTooMuchMetadataHere =
    kIsGrpc1_63 ? "Stream removed (received metadata size exceeds"
                : kTooMuchMetadata;
inline constexpr const char* kUnresolved =
    kIsGrpc1_63 ? "errors resolving " : "DNS resolution failed";

// The peer() of a call that has reached none: its channel's target, in full.
inline std::string TargetAsPeer(const std::string& address) {
  return kIsGrpc1_63 ? "dns:///" + address : address;
}

// Whether a metadata key that is not legal ends the program.
inline constexpr bool kIllegalMetadataIsFatal = !kIsGrpc1_63;

// Whether debug_error_string() tells a server's status from one made here.
inline constexpr bool kDebugTellsOrigin =
    compat::kGrpc < compat::Version(1, 81);

// More metadata than either end takes by default. From 1.63 on at the latest,
// calls between 8 and 16 KiB fail now and then, and only above that always.
inline constexpr int kOverMetadataLimit = 20'000;

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_
