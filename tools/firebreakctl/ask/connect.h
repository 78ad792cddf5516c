// Connects to an admin service, and adds what every call needs.
//
//   absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
//       Connect(target, security);
//   grpc::ClientContext context;
//   AddToken(security, &context);
//
// Thread safety: safe from any thread. The functions only read files.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_CONNECT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_CONNECT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firebreak::ctl {

struct Security {
  bool tls = false;
  std::string ca_file;  // empty = the machine's own list
  std::string cert_file;
  std::string key_file;
  std::string server_name;  // in the certificate, if it is not the host
  std::string token_file;
  std::string token;  // or the token itself

  bool uses_tls() const {
    return tls || !ca_file.empty() || !cert_file.empty() ||
           !server_name.empty();
  }
};

// Reads the token from its file. INVALID_ARGUMENT if it cannot be read, or if
// the options contradict each other.
absl::Status Prepare(Security* security);

// INVALID_ARGUMENT if a file cannot be read, or if the token would be sent to
// `target` in plain text over a network.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(
    const std::string& target, const Security& security);

void AddToken(const Security& security, grpc::ClientContext* context);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_CONNECT_H_
