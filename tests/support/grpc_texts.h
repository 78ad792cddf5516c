// Texts and properties of gRPC itself that depend on the version with which the
// tests are built. None of them are firebreak's; docs/versions.md has more.
//
//   EXPECT_EQ(status.error_message().find(kTooLargeToSend), 0U);
//
// Only parts of the sources of 1.52 to 1.62 were read: what is said here of
// 1.63 may be true earlier.
#ifndef FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_
#define FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_

#include <string>

#include "src/compat.h"

namespace firebreak::testing {

inline constexpr bool kIsGrpc1_63 = compat::kGrpc >= compat::Version(1, 63);

// The beginnings of messages.
inline constexpr const char* kTooLargeToSend =
    kIsGrpc1_63 ? "CLIENT: Sent message larger than max ("
                : "Sent message larger than max (";
inline constexpr const char* kTooLargeToReceive =
    kIsGrpc1_63 ? "CLIENT: Received message larger than max ("
                : "Received message larger than max (";
inline constexpr const char* kTooMuchMetadata =
    kIsGrpc1_63 ? "received metadata size exceeds"
                : "received initial metadata size exceeds";
// The same for a server's metadata, as the client reports it.
inline constexpr const char* kTooMuchMetadataHere =
    kIsGrpc1_63 ? "Stream removed (received metadata size exceeds"
                : kTooMuchMetadata;
inline constexpr const char* kUnresolved =
    kIsGrpc1_63 ? "errors resolving " : "DNS resolution failed";

// The peer() of a call that reached no server: its channel's full target.
inline std::string TargetAsPeer(const std::string& address) {
  return kIsGrpc1_63 ? "dns:///" + address : address;
}

// Whether an illegal metadata key ends the program.
inline constexpr bool kIllegalMetadataIsFatal = !kIsGrpc1_63;

// Whether debug_error_string() distinguishes a server's status from a local
// one.
inline constexpr bool kDebugTellsOrigin =
    compat::kGrpc < compat::Version(1, 81);

// More metadata than either side accepts by default. From 1.63 on, at the
// latest, calls between 8 and 16 KiB fail sometimes, and only above that
// always.
inline constexpr int kOverMetadataLimit = 20'000;

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_GRPC_TEXTS_H_
