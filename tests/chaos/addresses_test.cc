// Several servers behind one target: they are killed one by one until none is
// left, and then they are restarted.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using core::BreakerState;

// The end of one server must not open the breaker that all three share.
constexpr char kBreakerOfThree[] =
    "breaker { consecutive_failures: 20 failure_rate: 0 probes: 1 "
    "open_duration: \"200ms\" max_open_duration: \"200ms\" open_jitter: 0 } ";

class AddressesTest : public ChaosTest {
 protected:
  static grpc::ChannelArguments RoundRobin() {
    grpc::ChannelArguments args = QuickReconnects();
    args.SetLoadBalancingPolicyName("round_robin");
    return args;
  }

  std::array<ServerProcess, 3> servers_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, AddressesTest, DrivenShapes(), ShapeName);

TEST_P(AddressesTest, NoCallIsLostWhileOneIsLeftAndTheyComeBack) {
  ChaosEngine engine(std::string(kBreakerOfThree) + kQuickRetry);
  const std::string target =
      absl::StrCat("ipv4:", servers_[0].address(), ",", servers_[1].address(),
                   ",", servers_[2].address());
  Load load(engine.Channel(target, RoundRobin()), PatientOptions());
  for (const ServerProcess& server : servers_) {
    ASSERT_TRUE(load.WaitFor(5, IsAnswerOf(server.pid())));
  }
  servers_[0].Kill();
  ASSERT_TRUE(load.WaitFor(20, IsAnswerOf(servers_[1].pid())));
  ASSERT_TRUE(load.WaitFor(20, IsAnswerOf(servers_[2].pid())));
  servers_[1].Kill();
  ASSERT_TRUE(load.WaitFor(40, IsAnswerOf(servers_[2].pid())));
  ExpectAllOk(load);
  EXPECT_EQ(engine.breaker().times_opened, 0);
  servers_[2].Kill();
  ASSERT_TRUE(load.WaitFor(10, IsRefused()));
  for (ServerProcess& server : servers_) server.Restart();
  for (const ServerProcess& server : servers_) {
    ASSERT_TRUE(load.WaitFor(5, IsAnswerOf(server.pid())));
  }
  EXPECT_TRUE(engine.WaitFor(BreakerState::kClosed));
  engine.StopAndCheck(&load);
}

// gRPC itself still sends every third call to the black hole. With one caller,
// round robin sends the hedge to the next server.
TEST_P(AddressesTest, HedgesGoAroundTheOneThatIsABlackHole) {
  FaultProxy hole(servers_[0].port());
  ChaosEngine engine(std::string(kBreakerOfThree) + kQuickHedging);
  const std::string target =
      absl::StrCat("ipv4:", hole.address(), ",", servers_[1].address(), ",",
                   servers_[2].address());
  Load::Options options = PatientOptions();
  options.callers = 1;
  Load load(engine.Channel(target, RoundRobin()), options);
  for (const ServerProcess& server : servers_) {
    ASSERT_TRUE(load.WaitFor(5, IsAnswerOf(server.pid())));
  }
  FaultProxy::Faults stalled;
  stalled.stalled = true;
  hole.Set(stalled);
  ASSERT_TRUE(load.WaitFor(30, IsOk()));
  EXPECT_TRUE(Eventually([&] { return engine.counts().hedge_wins > 0; }));
  engine.StopAndCheck(&load);
  ExpectAllOk(load);
}

}  // namespace
}  // namespace firebreak::testing
