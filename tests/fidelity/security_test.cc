// TLS, and the credentials of channels and calls.
#include <grpcpp/version_info.h>

#include <atomic>

#include "tests/fidelity/certificate.h"
#include "tests/fidelity/modes.h"

namespace firebreak::testing {
namespace {

constexpr char kName[] = "firebreak.test";

const Certificate& TestCertificate() {
  static const auto* const made = new Certificate(MakeCertificate(kName));
  return *made;
}

std::shared_ptr<grpc::ServerCredentials> ServerTls() {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = TestCertificate().certificate;
  options.pem_key_cert_pairs.push_back(
      {TestCertificate().key, TestCertificate().certificate});
  return grpc::SslServerCredentials(options);
}

// The client has a certificate, too.
std::shared_ptr<grpc::ChannelCredentials> ChannelTls() {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = TestCertificate().certificate;
  options.pem_private_key = TestCertificate().key;
  options.pem_cert_chain = TestCertificate().certificate;
  return grpc::SslCredentials(options);
}

// Adds "x-token: NUMBER" to the metadata of each call, or fails.
class Tokens final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit Tokens(std::atomic<int>* asked, grpc::Status status = {})
      : asked_(asked), status_(std::move(status)) {}
  grpc::Status GetMetadata(
      grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
      const grpc::AuthContext& /*auth*/,
      std::multimap<grpc::string, grpc::string>* metadata) override {
    ++*asked_;
    if (status_.ok()) metadata->emplace("x-token", "secret");
    return status_;
  }

 private:
  std::atomic<int>* const asked_;
  const grpc::Status status_;
};

std::shared_ptr<grpc::CallCredentials> Credentials(std::atomic<int>* asked,
                                                   grpc::Status status = {}) {
  return grpc::MetadataCredentialsFromPlugin(
      std::make_unique<Tokens>(asked, std::move(status)));
}

class SecurityTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  void Run(World* world, Mode mode, UnaryCall* call) {
    ChannelOptions options;
    options.args.SetSslTargetNameOverride(kName);
    Caller(GetParam(), world->NewChannel(mode, std::move(options))).Run(call);
  }
  // Returns what the server saw of the last call's credentials.
  static std::string Token(const World& world) {
    const auto seen = world.server.seen();
    if (seen.empty()) return "no call";
    const auto found = seen.back().metadata.equal_range("x-token");
    std::string all;
    for (auto it = found.first; it != found.second; ++it) all += it->second;
    return all;
  }

  World tls_{ServerTls(), ChannelTls()};
  std::atomic<int> asked_{0};
};
INSTANTIATE_TEST_SUITE_P(Styles, SecurityTest, AllStyles(), StyleName);

TEST_P(SecurityTest, TlsOfTheChannel) {
  std::string server_saw;
  tls_.server.SetHandler([&](grpc::ServerContextBase* context) {
    const auto auth = context->auth_context();
    server_saw = auth->IsPeerAuthenticated() ? "authenticated" : "a stranger";
  });
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        UnaryCall call("hello");
        Run(&tls_, mode, &call);
        return With(ShowCall(call), {{"server saw", server_saw}});
      },
      TakenOver(GetParam(),
                {{"peer", TargetAsPeer(tls_.server.address())}, {"auth", ""}}));
  EXPECT_EQ(native.at("code"), "0");
  EXPECT_EQ(native.at("server saw"), "authenticated");
  EXPECT_NE(native.at("auth").find("transport_security_type=ssl;"),
            std::string::npos);
  EXPECT_NE(native.at("auth").find("x509_common_name=firebreak.test;"),
            std::string::npos);
}

TEST_P(SecurityTest, ACertificateThatIsNotTrusted) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = MakeCertificate("other.test").certificate;
  World world(ServerTls(), grpc::SslCredentials(options));
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    Run(&world, mode, &call);
    return Shown{{"code", absl::StrCat(call.status.error_code())},
                 {"calls", absl::StrCat(world.server.calls())}};
  });
  EXPECT_EQ(native.at("code"), "14");
}

TEST_P(SecurityTest, CredentialsOfTheCall) {
  const Shown native = ExpectAlike([&](Mode mode) {
    asked_ = 0;
    UnaryCall call;
    const auto credentials = Credentials(&asked_);
    call.context.set_credentials(credentials);
    Run(&tls_, mode, &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"token", Token(tls_)},
        {"asked", absl::StrCat(asked_.load())},
        {"context",
         call.context.credentials() == credentials ? "keeps them" : "lost"}};
  });
  EXPECT_EQ(native.at("code"), "0");
  EXPECT_EQ(native.at("token"), "secret");
  EXPECT_EQ(native.at("asked"), "1");
}

TEST_P(SecurityTest, CredentialsOfChannelAndCallTogether) {
  World world(ServerTls(), grpc::CompositeChannelCredentials(
                               ChannelTls(), Credentials(&asked_)));
  const Shown native = ExpectAlike([&](Mode mode) {
    asked_ = 0;
    UnaryCall call;
    call.context.set_credentials(Credentials(&asked_));
    Run(&world, mode, &call);
    return Shown{{"code", absl::StrCat(call.status.error_code())},
                 {"token", Token(world)},
                 {"asked", absl::StrCat(asked_.load())}};
  });
  EXPECT_EQ(native.at("token"), "secretsecret");
}

TEST_P(SecurityTest, CredentialsThatFail) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.set_credentials(Credentials(
        &asked_,
        grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no token")));
    Run(&tls_, mode, &call);
    return Shown{{"code", absl::StrCat(call.status.error_code())},
                 {"message", call.status.error_message()},
                 {"calls", absl::StrCat(tls_.server.calls())}};
  });
  EXPECT_NE(native.at("message").find("no token"), std::string::npos)
      << native.at("message");
  EXPECT_EQ(native.at("calls"), "0");
}

TEST_P(SecurityTest, CredentialsOfACallOnAnInsecureChannel) {
  World insecure;
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.set_credentials(Credentials(&asked_));
    Run(&insecure, mode, &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"message", call.status.error_message()},
        {"trailing", ShowMetadata(call.context.GetServerTrailingMetadata())},
        {"calls", absl::StrCat(insecure.server.calls())}};
  });
  EXPECT_EQ(native.at("calls"), "0");
  EXPECT_EQ(native.at("code"), "16");
  EXPECT_NE(native.at("message").find("sufficient security level"),
            std::string::npos);
}

// From gRPC 1.63 on, only gRPC itself can implement call credentials.
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 63
class Unusable final : public grpc::CallCredentials {
 public:
  bool ApplyToCall(grpc_call* /*call*/) override { return false; }

 private:
  // gRPC 1.63 removed this function, and the base class has the credentials.
  grpc::SecureCallCredentials* AsSecureCredentials() override {
    return nullptr;
  }
};

TEST_P(SecurityTest, CredentialsThatCannotBeApplied) {
  // gRPC cancels such a call, and an interceptor cannot tell that from the
  // caller's own cancel.
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        UnaryCall call;
        call.context.set_credentials(std::make_shared<Unusable>());
        Run(&tls_, mode, &call);
        return Shown{{"code", absl::StrCat(call.status.error_code())},
                     {"message", call.status.error_message()},
                     {"trailing",
                      ShowMetadata(call.context.GetServerTrailingMetadata())},
                     {"calls", absl::StrCat(tls_.server.calls())}};
      },
      {{"message", "CANCELLED"}});
  EXPECT_EQ(native.at("code"), "1");
  EXPECT_EQ(native.at("message"), "Failed to set credentials to rpc.");
  EXPECT_EQ(native.at("calls"), "0");
}
#endif

}  // namespace
}  // namespace firebreak::testing
