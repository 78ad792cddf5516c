#include "src/admin/authorize.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace firebreak::admin {
namespace {

// gRPC writes the brackets of an IPv6 peer percent-encoded, and mapped IPv4
// addresses as ipv4.
bool IsLoopback(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:127.") ||
         absl::StartsWith(peer, "ipv6:[::1]:") ||
         absl::StartsWith(peer, "ipv6:%5B::1%5D:");
}

}  // namespace

absl::Status AuthorizePeer(absl::string_view peer, bool allow_loopback) {
  if (absl::StartsWith(peer, "unix:") ||
      absl::StartsWith(peer, "unix-abstract:")) {
    return absl::OkStatus();
  }
  const bool loopback = IsLoopback(peer);
  if (loopback && allow_loopback) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "changes are only taken from a Unix socket",
      allow_loopback ? " or the loopback interface" : "",
      "; this call came from ", absl::Utf8SafeCEscape(peer), ". To allow it, ",
      loopback ? "set AdminOptions::allow_loopback or AdminOptions::authorizer"
               : "set AdminOptions::authorizer",
      " where the service is made"));
}

}  // namespace firebreak::admin
