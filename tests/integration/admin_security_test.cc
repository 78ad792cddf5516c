// Who may make changes: clients on this machine and in another network, with a
// token, with a client certificate, or with neither.
//
// The other network is a network namespace behind a pair of veth devices, which
// requires root. The test starts itself again in its own namespace, so that it
// changes nothing outside. If that fails, it is skipped with the reason.
#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fidelity/certificate.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/firebreakctl.h"
#include "tests/support/own_network.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "correct-horse-battery-staple";
constexpr char kServerName[] = "order.firebreak.test";

// The address of the server, and how to run a program in the client's network.
struct Network {
  std::string server = "127.0.0.1";
  std::string peer = "127.0.0.1";
  std::string in_clients;
};

class SecurityTest : public ::testing::Test {
 protected:
  SecurityTest()
      : server_(MakeCertificate(kServerName)),
        ops_(MakeCertificate("ops.firebreak.test")),
        guest_(MakeCertificate("guest.firebreak.test")),
        stranger_(MakeCertificate("ops.firebreak.test")) {}
  ~SecurityTest() override {
    for (const std::string& file : files_) unlink(file.c_str());
  }

  std::string File(const std::string& text) {
    files_.push_back(NewStem());
    std::ofstream(files_.back()) << text;
    return files_.back();
  }

  // TLS. A client certificate is optional.
  std::shared_ptr<grpc::ServerCredentials> Tls() const {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_key_cert_pairs.push_back({server_.key, server_.certificate});
    options.pem_root_certs = ops_.certificate + guest_.certificate;
    return grpc::SslServerCredentials(options);
  }
  std::string AsPeer(const Certificate& certificate) {
    return absl::StrCat(" --cert ", File(certificate.certificate), " --key ",
                        File(certificate.key));
  }
  std::string TlsFlags() {
    return absl::StrCat(" --ca ", File(server_.certificate), " --server-name ",
                        kServerName);
  }

  // A server in plain text refuses a change, and the audit shows it.
  void PlainTextIsReadOnly(const Network& network) {
    AdminFixture f({}, network.server + ":0");
    ASSERT_TRUE(f.ok());
    core::Breaker* const breaker = f.Bind("payment", "", kCharge);
    const std::string target = " --target " + f.address();
    EXPECT_EQ(Invoke("show Charge" + target, "", network.in_clients).exit_code,
              0);
    const Output output =
        Invoke("override Charge open" + target, "", network.in_clients);
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("only taken from a Unix socket"));
    EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
              core::BreakerState::kClosed);
    const Output events = Invoke("events" + target, "", network.in_clients);
    EXPECT_THAT(events.out,
                AllOf(HasSubstr("ipv4:" + network.peer + ":"),
                      HasSubstr("SetOverride FORCED_OPEN: refused: ")));
  }

  void TokensAndCertificatesDecide(const Network& network) {
    auto tokens = Tokens({{"alice", kToken}});
    ASSERT_TRUE(tokens.ok());
    AdminOptions options;
    options.authorizer = AnyOf({*tokens, Certificates({"ops.firebreak.test"})});
    AdminFixture f(options, network.server + ":0", {}, Tls());
    ASSERT_TRUE(f.ok());
    f.Bind("payment", "", kCharge);
    const auto change = [&](const std::string& flags,
                            const std::string& environment = "") {
      return Invoke(absl::StrCat("reset Charge --target ", f.address(),
                                 TlsFlags(), flags),
                    environment, network.in_clients);
    };
    // With neither of them, a client may only read.
    EXPECT_EQ(Invoke(absl::StrCat("list --target ", f.address(), TlsFlags()),
                     "", network.in_clients)
                  .exit_code,
              0);
    Output output = change("");
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("no token came with this call"));
    // Clients with tokens.
    EXPECT_EQ(
        change(" --token-file " + File(absl::StrCat(kToken, "\n"))).exit_code,
        0);
    EXPECT_EQ(change("", absl::StrCat("FIREBREAK_TOKEN=", kToken)).exit_code,
              0);
    output = change("", absl::StrCat("FIREBREAK_TOKEN=", kToken, "r"));
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, AllOf(HasSubstr("the token is none of ours"),
                                  Not(HasSubstr("horse"))));
    // Certificates: one that is allowed, one that is not, and one of an unknown
    // authority.
    EXPECT_EQ(change(AsPeer(ops_)).exit_code, 0);
    output = change(AsPeer(guest_));
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("is of guest.firebreak.test"));
    output = change(AsPeer(stranger_));
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("cannot reach"));
    // The server's certificate is not the expected one.
    output = Invoke(
        absl::StrCat("list --target ", f.address(), " --ca ",
                     File(guest_.certificate), " --server-name ", kServerName),
        "", network.in_clients);
    EXPECT_EQ(output.exit_code, 1);
    EXPECT_THAT(output.err, HasSubstr("cannot reach"));

    const Output events =
        Invoke(absl::StrCat("events --target ", f.address(), TlsFlags()), "",
               network.in_clients);
    EXPECT_THAT(events.out,
                AllOf(HasSubstr(absl::StrCat("alice, ipv4:", network.peer)),
                      HasSubstr(absl::StrCat("ops.firebreak.test, ipv4:",
                                             network.peer)),
                      HasSubstr(absl::StrCat("guest.firebreak.test, ipv4:",
                                             network.peer)),
                      HasSubstr("ResetMethod: refused: "),
                      HasSubstr("ResetMethod: closed -> closed"),
                      Not(HasSubstr("horse"))));
  }

  const Certificate server_;
  const Certificate ops_;
  const Certificate guest_;
  const Certificate stranger_;  // the right name, but an unknown signer
  std::vector<std::string> files_;
};

TEST_F(SecurityTest, PlainTextOverLoopbackIsReadOnly) {
  PlainTextIsReadOnly({});
}

TEST_F(SecurityTest, TokensAndCertificatesOverLoopback) {
  TokensAndCertificatesDecide({});
}

TEST_F(SecurityTest, ATokenDoesNotLeaveInPlainText) {
  for (const char* target :
       {"192.0.2.1:50051", "127.0.0.1.evil.example:80", "127.1:80",
        "localhost.evil.example:80", "ipv4:127.0.0.1.evil.example:80",
        "dns:///127.0.0.1:80", "[::1].evil.example:80", "127.0.0.1:80:80"}) {
    const Output output =
        Invoke(absl::StrCat("list --timeout 1s --target '", target, "'"),
               absl::StrCat("FIREBREAK_TOKEN=", kToken));
    EXPECT_EQ(output.exit_code, 2) << target;
    EXPECT_THAT(output.err,
                AllOf(HasSubstr("use --tls"), Not(HasSubstr("horse"))))
        << target;
  }
  // On this machine a token may be sent in plain text.
  for (const char* target : {"127.0.0.1:1", "127.9.9.9:1", "localhost:1",
                             "[::1]:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1"}) {
    EXPECT_EQ(Invoke(absl::StrCat("list --timeout 1s --target '", target, "'"),
                     absl::StrCat("FIREBREAK_TOKEN=", kToken))
                  .exit_code,
              1)
        << target;
  }
}

TEST_F(SecurityTest, TheEnvironmentSaysHowToConnect) {
  AdminOptions options;
  options.authorizer = Certificates({"ops.firebreak.test"});
  AdminFixture f(options, "127.0.0.1:0", {}, Tls());
  ASSERT_TRUE(f.ok());
  f.Bind("payment", "", kCharge);
  const std::string target = "FIREBREAK_TARGET=" + f.address();
  const std::string name =
      absl::StrCat(target, " FIREBREAK_SERVER_NAME=", kServerName);
  const std::string ca = File(server_.certificate);
  const std::string with_ca = absl::StrCat(name, " FIREBREAK_CA=", ca);
  const std::string with_cert =
      absl::StrCat(with_ca, " FIREBREAK_CERT=", File(ops_.certificate));
  // The server only accepts TLS, and the client uses plain text.
  EXPECT_EQ(Invoke("list --timeout 1s", target).exit_code, 1);
  EXPECT_EQ(Invoke("list --timeout 1s", target + " FIREBREAK_TLS=0").exit_code,
            1);
  EXPECT_EQ(Invoke("list", with_ca).exit_code, 0);
  EXPECT_EQ(Invoke("reset Charge", with_ca).exit_code, 1);
  EXPECT_EQ(Invoke("reset Charge", with_cert).exit_code, 2) << "no key";
  EXPECT_EQ(Invoke("reset Charge",
                   absl::StrCat(with_cert, " FIREBREAK_KEY=", File(ops_.key)))
                .exit_code,
            0);
  // TLS with the machine's own authorities, since no others are given.
  const std::string roots = " GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=" + ca;
  const std::string by_name =
      absl::StrCat("FIREBREAK_TARGET=", f.address(), roots);
  Output output = Invoke("list", by_name + " FIREBREAK_TLS=1");
  EXPECT_EQ(output.exit_code, 1) << "127.0.0.1 is not whose it is";
  EXPECT_THAT(output.err, HasSubstr("cannot reach"));
  EXPECT_EQ(
      Invoke("list", absl::StrCat(name, roots, " FIREBREAK_TLS=1")).exit_code,
      0);
}

// --- from another network ---

bool Runs(const std::string& command) {
  return RunProgram({"sh", "-c", command + " >/dev/null 2>&1"}) == 0;
}

// Returns why the test cannot run here, or "".
std::string Obstacle() {
  if (geteuid() != 0) return "only root may make a network namespace";
  for (const char* tool : {"unshare", "nsenter", "ip"}) {
    if (!Runs(absl::StrCat("command -v ", tool))) {
      return absl::StrCat("the program ", tool, " is missing");
    }
  }
  if (!Runs("unshare --net ip link add name fb0 type veth peer name fb1")) {
    return "this kernel, or its owner, has no veth devices for us";
  }
  return "";
}

// A new network namespace, and the devices that connect it with this one.
class OtherNetwork {
 public:
  OtherNetwork() {
    pid_ = fork();
    if (pid_ == 0) {
      execlp("unshare", "unshare", "--net", "sleep", "300", nullptr);
      _exit(127);
    }
    network_.server = "10.78.0.1";
    network_.peer = "10.78.0.2";
    network_.in_clients = absl::StrCat("nsenter --net --target ", pid_, " ");
  }
  ~OtherNetwork() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  bool Connect() const {
    // It takes a moment until the process is in its namespace.
    const auto of = [](const std::string& pid) {
      std::array<char, 100> link{};
      const ssize_t n = readlink(absl::StrCat("/proc/", pid, "/ns/net").c_str(),
                                 link.data(), link.size());
      return std::string(link.data(), n < 0 ? 0 : static_cast<size_t>(n));
    };
    const std::string ours = of("self");
    return Eventually([&] { return of(std::to_string(pid_)) != ours; }) &&
           Runs(absl::StrCat(
               "ip link add name fb0 type veth peer name fb1 netns ", pid_,
               " && ip addr add 10.78.0.1/24 dev fb0 && ip link set fb0 up")) &&
           Runs(absl::StrCat(network_.in_clients,
                             "sh -c 'ip addr add 10.78.0.2/24 dev fb1 && "
                             "ip link set fb1 up && ip link set lo up'"));
  }
  const Network& network() const { return network_; }

 private:
  pid_t pid_;
  Network network_;
};

class OtherNetworkTest : public SecurityTest {};

TEST_F(OtherNetworkTest, ChangesAreRefusedAndAudited) {
  if (!IsInOwnNetwork()) {
    const std::string obstacle = Obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    EXPECT_EQ(RunTestInOwnNetwork(), 0);
    return;
  }
  const OtherNetwork other;
  ASSERT_TRUE(other.Connect());
  PlainTextIsReadOnly(other.network());
}

TEST_F(OtherNetworkTest, TokensAndCertificatesDecide) {
  if (!IsInOwnNetwork()) {
    const std::string obstacle = Obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    EXPECT_EQ(RunTestInOwnNetwork(), 0);
    return;
  }
  const OtherNetwork other;
  ASSERT_TRUE(other.Connect());
  SecurityTest::TokensAndCertificatesDecide(other.network());
}

}  // namespace
}  // namespace firebreak::testing
