// From what was typed to a channel, and what every call on it carries.
//
//   absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
//       Connect(target, security);
//   grpc::ClientContext context;
//   AddToken(security, &context);
//
// Thread safety: pure functions, but that files are read.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_CONNECT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_CONNECT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firebreak::ctl {

struct Security {
  bool tls = false;
  std::string ca_file;  // of the server; empty = the machine's own list
  std::string cert_file;
  std::string key_file;
  std::string server_name;  // that the certificate must be of, if not the host
  std::string token_file;
  std::string token;  // or the token itself

  bool uses_tls() const {
    return tls || !ca_file.empty() || !cert_file.empty() ||
           !server_name.empty();
  }
};

// Reads the token from its file. INVALID_ARGUMENT: it cannot be, or what is set
// does not go together.
absl::Status Prepare(Security* security);

// INVALID_ARGUMENT: a file cannot be read, or the token would go to `target` in
// plain text over a network.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(
    const std::string& target, const Security& security);

void AddToken(const Security& security, grpc::ClientContext* context);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_CONNECT_H_
