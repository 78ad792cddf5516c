#include "tools/firebreakctl/ask/connect.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace firebreak::ctl {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read, or is empty"));
  }
  return text.str();
}

// Whether it is a loopback address, and not a name that begins like one.
bool IsLoopbackIpv4(absl::string_view host) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == 127;
}

// Whether the target is on this machine. A list of addresses is not.
bool IsLocal(absl::string_view target) {
  for (const char* prefix : {"unix:", "unix-abstract:"}) {
    if (absl::StartsWith(target, prefix)) return true;
  }
  if (absl::StrContains(target, ',')) return false;
  if (absl::ConsumePrefix(&target, "ipv6:")) {
    return absl::StartsWith(target, "[::1]:");
  }
  absl::ConsumePrefix(&target, "ipv4:");
  if (absl::StartsWith(target, "[::1]:")) return true;
  const absl::string_view host = target.substr(0, target.rfind(':'));
  return host == "localhost" || IsLoopbackIpv4(host);
}

}  // namespace

absl::Status Prepare(Security* security) {
  if (security->cert_file.empty() != security->key_file.empty()) {
    return absl::InvalidArgumentError(
        "--cert and --key go together: a certificate, and the key to it");
  }
  if (!security->token_file.empty()) {
    absl::StatusOr<std::string> token = ReadFile(security->token_file);
    if (!token.ok()) return token.status();
    security->token = std::string(absl::StripAsciiWhitespace(*token));
  }
  for (char c : security->token) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) continue;
    return absl::InvalidArgumentError(
        "the token has characters that a token has not: allowed is printable "
        "ASCII without spaces");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(
    const std::string& target, const Security& security) {
  grpc::ChannelArguments args;
  // A list of many methods may exceed the usual 4 MB, and this server is
  // trusted.
  args.SetMaxReceiveMessageSize(-1);
  // Connects to the given target, never through a proxy.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A user who watches wants to see soon that a server is back.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 500);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  if (!security.uses_tls()) {
    if (!security.token.empty() && !IsLocal(target)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the token is not sent to ", target,
                       " in plain text, where others can read it: use --tls"));
    }
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                     args);
  }
  grpc::SslCredentialsOptions options;
  struct Part {
    const std::string* file;
    std::string* text;
  };
  for (const Part& part :
       {Part{&security.ca_file, &options.pem_root_certs},
        Part{&security.cert_file, &options.pem_cert_chain},
        Part{&security.key_file, &options.pem_private_key}}) {
    if (part.file->empty()) continue;
    absl::StatusOr<std::string> text = ReadFile(*part.file);
    if (!text.ok()) return text.status();
    *part.text = *std::move(text);
  }
  if (!security.server_name.empty()) {
    args.SetSslTargetNameOverride(security.server_name);
  }
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(options), args);
}

void AddToken(const Security& security, grpc::ClientContext* context) {
  if (security.token.empty()) return;
  context->AddMetadata("authorization", "Bearer " + security.token);
}

}  // namespace firebreak::ctl
