// An authorizer decides who may use the admin service. This header has
// ready-made authorizers, and the types that are needed to write one.
//
//   auto tokens = firebreak::TokensFromFile("/etc/shop/admin-tokens");
//   if (!tokens.ok()) return Fail(tokens.status());
//   firebreak::AdminOptions options;
//   options.authorizer = firebreak::AnyOf(
//       {*tokens, firebreak::Certificates({"ops.shop.example"}),
//        firebreak::LocalPeers()});
//   firebreak::AdminService admin(engine, options);
//
// An authorizer is asked about each call that changes something, and about
// reads if AdminOptions::authorize_reads is set. If it returns OK, the call is
// served. Any other status is returned to the caller and recorded in the audit
// event.
//
// Thread safety: an authorizer runs on gRPC's threads, for several calls at a
// time, and must not block. Ownership: the service keeps copies of it.
//
// docs/security.md has the details, including what an attacker learns from
// reading.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firebreak/export.h"

namespace firebreak {

// A call of the admin service that an authorizer decides on.
struct AdminCall {
  // "SetOverride", "ListMethods", ... A dry run is "ApplyPolicy dry_run" or
  // "SetCandidate dry_run". The authorizer is asked about PromoteCandidate
  // twice: by that name and as "ApplyPolicy".
  std::string rpc;
  // Whether the call changes something. RecordCalls counts as a change, and a
  // dry run as a read.
  bool is_change = false;
  // The address of the caller, as gRPC writes it: "unix:...",
  // "ipv4:127.0.0.1:40112".
  std::string peer;
  // The names in the caller's certificate, which TLS has verified if the
  // server's credentials ask for that; empty without a certificate. With a
  // request type of ..._BUT_DONT_VERIFY gRPC accepts every certificate, and
  // then these names prove nothing.
  std::vector<std::string> identities;
  // The value of the "authorization" metadata. Empty if there is none, or more
  // than one.
  std::string authorization;
  // Nobody on the network can read the call: it came over TLS, a Unix socket or
  // loopback.
  bool is_private = false;
  // The context of the call, for everything else. Valid while the authorizer
  // runs.
  const grpc::CallbackServerContext* context = nullptr;

  // The authorizer may set this to the name of the caller, for the audit.
  std::string actor;
};

// Returns OK to allow the call, or else the status that the caller gets.
using Authorizer = std::function<absl::Status(AdminCall* call)>;

// Allows callers on a Unix socket, where the permissions of the socket's file
// say who may connect, and callers on the loopback interface if
// `allow_loopback` is set. Use it only for a server that listens on a path
// ("unix:/run/shop/admin.sock"). An abstract socket ("unix-abstract:") has no
// file and no permissions, so every user of the machine could connect, and a
// call does not show which kind of socket it came through.
FIREBREAK_EXPORT Authorizer LocalPeers(bool allow_loopback = false);

// Allows callers with "authorization: Bearer TOKEN" in their metadata. The
// audit shows the name of the token. A token that came in plain text over a
// network is refused even if it is right, since it is no longer a secret (see
// AdminCall::is_private).
// INVALID_ARGUMENT: there is no token, or one of fewer than 16 characters.
FIREBREAK_EXPORT absl::StatusOr<Authorizer> Tokens(
    const std::map<std::string, std::string>& token_of_name);
// The same, with tokens from a file of lines "NAME TOKEN". The file is read
// once. Empty lines and comments are ignored. A comment begins with a # at the
// start of a line or after a space; a # within a word is an error.
// NOT_FOUND: the file cannot be read. FAILED_PRECONDITION: users other than its
// owner and group may read or change it, or it is not a regular file.
// INVALID_ARGUMENT: its content; the message names the line. A file has at most
// 1 MiB.
FIREBREAK_EXPORT absl::StatusOr<Authorizer> TokensFromFile(
    const std::string& path);

// Allows callers whose client certificate has exactly one of these names as a
// subject alternative name or, if it has none of those, as the common name. The
// server's credentials must ask for certificates and verify them:
// GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, or the same
// without REQUIRE. Never use ..._BUT_DONT_VERIFY, which accepts everybody who
// writes the name into a certificate of their own.
FIREBREAK_EXPORT Authorizer Certificates(std::vector<std::string> names);

// Allows every caller that at least one of these allows, and asks them in their
// order. An empty list allows nobody, and a null Authorizer allows nobody. A
// refusal is PERMISSION_DENIED, with the messages of all of them.
FIREBREAK_EXPORT Authorizer AnyOf(std::vector<Authorizer> authorizers);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_
