// The load of the overhead bench, on which all its figures depend.
#include <gtest/gtest.h>

#include <memory>

#include "tests/bench/overhead/echo_host.h"
#include "tests/bench/overhead/load.h"

namespace firebreak::bench {
namespace {

class BenchLoadTest : public ::testing::TestWithParam<StubKind> {};

// The blocks are so short that most callbacks are still returning when the last
// of them ends the block. They must not touch a stack frame that no longer
// exists, which mainly ASan would find.
TEST_P(BenchLoadTest, NothingOfABlockOutlivesIt) {
  EchoHost host;
  Load load(GetParam(),
            host.server()->InProcessChannel(grpc::ChannelArguments()),
            /*size=*/64, /*in_flight=*/16);
  for (int i = 0; i < 300; ++i) {
    const Block block = load.Run(32);
    ASSERT_EQ(block.ok, 32);
    ASSERT_EQ(block.latencies_ns.size(), 32u);
    for (int64_t ns : block.latencies_ns) ASSERT_GT(ns, 0);
  }
}

TEST_P(BenchLoadTest, FewerCallsThanMayBeInFlight) {
  EchoHost host;
  Load load(GetParam(),
            host.server()->InProcessChannel(grpc::ChannelArguments()),
            /*size=*/64, /*in_flight=*/8);
  EXPECT_EQ(load.Run(1).ok, 1);
}

INSTANTIATE_TEST_SUITE_P(Stubs, BenchLoadTest,
                         ::testing::Values(StubKind::kSync, StubKind::kCallback,
                                           StubKind::kQueue),
                         [](const ::testing::TestParamInfo<StubKind>& stub) {
                           switch (stub.param) {
                             case StubKind::kSync:
                               return "Sync";
                             case StubKind::kCallback:
                               return "Callback";
                             default:
                               return "Queue";
                           }
                         });

}  // namespace
}  // namespace firebreak::bench
