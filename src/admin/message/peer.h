// Reads gRPC's name of a peer: "unix:/run/x.sock", "ipv4:10.0.0.7:40112".
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_PEER_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_PEER_H_

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace firebreak::admin {

// Also true for a peer on an abstract socket, which has no file with
// permissions: gRPC calls both "unix:".
inline bool IsUnixSocket(absl::string_view peer) {
  return absl::StartsWith(peer, "unix:");
}

// gRPC writes the brackets of an IPv6 peer percent-encoded, and mapped IPv4
// addresses as ipv4.
inline bool IsLoopback(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:127.") ||
         absl::StartsWith(peer, "ipv6:[::1]:") ||
         absl::StartsWith(peer, "ipv6:%5B::1%5D:");
}

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_PEER_H_
