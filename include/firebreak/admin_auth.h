// Who may use the admin service: ready-made authorizers, and how to write one.
//
//   auto tokens = firebreak::TokensFromFile("/etc/shop/admin-tokens");
//   if (!tokens.ok()) return Fail(tokens.status());
//   firebreak::AdminOptions options;
//   options.authorizer = firebreak::AnyOf(
//       {*tokens, firebreak::Certificates({"ops.shop.example"}),
//        firebreak::LocalPeers()});
//   firebreak::AdminService admin(engine, options);
//
// An authorizer is asked for each call that changes something, and for reads if
// AdminOptions::authorize_reads. OK lets the call in; any other status is what
// the caller gets, and stands in the audit event. It runs on gRPC's threads,
// several at a time, and must not block.
//
// What an attacker learns from reading, and the rest: docs/security.md.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firebreak {

// A call that wants in.
struct AdminCall {
  // "SetOverride", "ListMethods", ...
  std::string rpc;
  bool is_change = false;
  // Where it comes from, as gRPC has it: "unix:...", "ipv4:127.0.0.1:40112".
  std::string peer;
  // The names in the peer's certificate, as far as the server's credentials
  // make TLS verify it; none without one. With a request type of
  // ..._BUT_DONT_VERIFY gRPC counts every certificate as good, so these are
  // then what anybody has written into one.
  std::vector<std::string> identities;
  // The "authorization" of its metadata; empty without, or with several.
  std::string authorization;
  // Nobody between here and there can listen: TLS, a Unix socket or loopback.
  bool is_private = false;
  // For all else. Valid while the authorizer runs.
  const grpc::CallbackServerContext* context = nullptr;

  // What the authorizer has found out about who it is, for the audit.
  std::string actor;
};

using Authorizer = std::function<absl::Status(AdminCall* call)>;

// Peers on a Unix socket, whose file's permissions say who may connect; those
// on the loopback interface if `allow_loopback`. Only for a server that listens
// on a path ("unix:/run/shop/admin.sock"): an abstract socket
// ("unix-abstract:") has no file and no permissions, so that every user of the
// machine gets in, and a call does not tell which it came by.
Authorizer LocalPeers(bool allow_loopback = false);

// Callers with "authorization: Bearer TOKEN" in their metadata, by the name of
// the token. Only where nobody can listen (AdminCall::is_private): a token sent
// in plain text over a network is refused, since it is no secret any more.
// INVALID_ARGUMENT: no token, or one of fewer than 16 characters.
absl::StatusOr<Authorizer> Tokens(
    const std::map<std::string, std::string>& token_of_name);
// From a file of lines "NAME TOKEN"; empty ones and those after # are comments.
// NOT_FOUND: it cannot be read. FAILED_PRECONDITION: others than its owner and
// group may read or change it, or it is no regular file. INVALID_ARGUMENT: what
// is in it, by its line.
absl::StatusOr<Authorizer> TokensFromFile(const std::string& path);

// Peers whose client certificate has one of these names, letter for letter: a
// subject alternative name or, without those, the common name. The server's
// credentials must ask for certificates and verify them, with
// GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY or without
// REQUIRE; never with ..._BUT_DONT_VERIFY, which lets in whoever writes the
// name into a certificate of their own.
Authorizer Certificates(std::vector<std::string> names);

// Whoever one of them lets in. None: nobody.
Authorizer AnyOf(std::vector<Authorizer> authorizers);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ADMIN_AUTH_H_
