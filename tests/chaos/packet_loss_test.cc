// Packet loss: the server is in its own network, behind a pair of veth devices,
// and nftables drops incoming packets at both ends.
//
// Such a network requires root, and the tools named below. Each test starts
// itself again in a new network namespace, so that it changes nothing outside
// and leaves nothing behind. If that fails, it is skipped with the reason.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/own_network.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using core::BreakerState;
using grpc::StatusCode;

constexpr char kServerAddress[] = "10.77.0.2";

bool Runs(const std::string& command) {
  return RunProgram({"sh", "-c", command}) == 0;
}

// Returns rules that replace the earlier ones and drop this percentage of the
// incoming packets.
std::string NftRules(int percent) {
  const std::string some =
      percent == 100 ? "" : absl::StrCat("numgen random mod 100 < ", percent);
  return absl::StrCat(
      "flush ruleset; table inet chaos { chain in { type filter hook input "
      "priority 0; ",
      some, " drop; }; }");
}
constexpr char kNoRules[] = "flush ruleset";

// Returns why the test cannot run here, or "".
std::string Obstacle() {
  if (geteuid() != 0) return "only root may make a network namespace";
  for (const char* tool : {"unshare", "nsenter", "ip", "nft"}) {
    if (!Runs(absl::StrCat("command -v ", tool, " >/dev/null"))) {
      return absl::StrCat("the program ", tool, " is missing");
    }
  }
  if (!Runs(absl::StrCat("unshare --net nft '", NftRules(50),
                         "' >/dev/null 2>&1"))) {
    return "this kernel, or its owner, does not let nft drop packets";
  }
  if (!Runs("unshare --net ip link add name fb0 type veth peer name fb1 "
            ">/dev/null 2>&1")) {
    return "this kernel, or its owner, has no veth devices for us";
  }
  return "";
}

// Returns the number of TCP retransmissions in this network namespace.
int64_t Retransmitted() {
  std::ifstream file("/proc/self/net/snmp");
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Tcp:", 0) != 0) continue;
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (names.empty()) {
      names = fields;
      continue;
    }
    for (size_t i = 0; i < names.size(); ++i) {
      int64_t n = 0;
      if (names[i] == "RetransSegs" && absl::SimpleAtoi(fields[i], &n)) {
        return n;
      }
    }
  }
  return -1;
}

class PacketLossTest : public ChaosTest {
 protected:
  // Not done in the constructor, since outside of the namespace there is no
  // such server.
  void Connect(const ServerProcess& server) {
    in_servers_ = absl::StrCat("nsenter --net --target ", server.pid(), " ");
    ASSERT_TRUE(Runs(absl::StrCat(
        "ip link add name fb0 type veth peer name fb1 "
        "netns ",
        server.pid(),
        " && ip address add 10.77.0.1/24 dev fb0 && ip link set fb0 up && ",
        in_servers_, "ip address add ", kServerAddress, "/24 dev fb1 && ",
        in_servers_, "ip link set fb1 up")));
    // Waits for the link, since a SYN that is lost before it is up is sent
    // again much later.
    ASSERT_TRUE(Eventually([&] {
      return Runs(absl::StrCat("ip link show fb0 | grep -q 'state UP' && ",
                               in_servers_,
                               "ip link show fb1 | grep -q 'state UP'"));
    })) << "the link does not come up";
  }

  void Lose(int percent) { Nft(NftRules(percent)); }
  void LoseNothing() { Nft(kNoRules); }

 private:
  // Sets the rules at both ends.
  void Nft(const std::string& rules) {
    const std::string nft = absl::StrCat("nft '", rules, "'");
    ASSERT_TRUE(Runs(absl::StrCat(nft, " && ", in_servers_, nft)));
  }

  std::string in_servers_;  // prefix of commands in the server's network
};
INSTANTIATE_TEST_SUITE_P(Shapes, PacketLossTest,
                         ::testing::Values(Shape{StubStyle::kSync, true},
                                           Shape{StubStyle::kCallback, false},
                                           Shape{StubStyle::kCompletionQueue,
                                                 true}),
                         ShapeName);

TEST_P(PacketLossTest, SomeIsBorneAndAllIsABlackHole) {
  if (!IsInOwnNetwork()) {
    const std::string obstacle = Obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
    EXPECT_EQ(RunTestInOwnNetwork(), 0) << "see above";
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ServerProcess::Options own_network;
  own_network.own_network = true;
  ServerProcess server(own_network);
  ASSERT_NO_FATAL_FAILURE(Connect(server));
  ChaosEngine engine(GetParam().policy());
  Load::Options options = Options();
  options.deadline = std::chrono::milliseconds(500);
  Load load(engine.Channel(absl::StrCat(kServerAddress, ":", server.port())),
            options);
  ASSERT_TRUE(load.WaitFor(20, IsOk())) << Summary(load.ends());

  ASSERT_NO_FATAL_FAILURE(Lose(15));
  const int64_t before = Retransmitted();
  ASSERT_TRUE(load.WaitFor(40, IsOk()));
  ASSERT_TRUE(Eventually([&] { return Retransmitted() > before; }))
      << "nothing was lost";

  ASSERT_NO_FATAL_FAILURE(Lose(100));
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  EXPECT_GT(load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)), 0);

  ASSERT_NO_FATAL_FAILURE(LoseNothing());
  ASSERT_TRUE(load.WaitFor(20, IsOk()));
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
}

}  // namespace
}  // namespace firebreak::testing
