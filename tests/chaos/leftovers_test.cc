// Tests what native gRPC itself leaves behind, and that Leftovers finds what a
// test leaves behind.
#include "tests/chaos/leftovers.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "tests/chaos/chaos_fixture.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

class NativeLeftoversTest : public CleanTest {};

// The baseline of the other tests here: without firebreak, nothing is left.
TEST_F(NativeLeftoversTest, GrpcItselfLeavesNothingOnceItIsWarm) {
  ServerProcess server;
  for (StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
        StubStyle::kCompletionQueueSplit}) {
    Load::Options options;
    options.style = style;
    Load load(grpc::CreateCustomChannel(server.address(),
                                        grpc::InsecureChannelCredentials(),
                                        QuickReconnects()),
              options);
    EXPECT_TRUE(load.WaitFor(20, IsOk()));
    server.Kill();
    EXPECT_TRUE(load.WaitFor(5, IsCode(grpc::StatusCode::UNAVAILABLE)));
    server.Restart();
    load.Stop();
    load.ExpectSound();
  }
}

TEST(LeftoversTest, AThreadAndADescriptorAreSeen) {
  const Leftovers before = Leftovers::Now();
  EXPECT_EQ(Leftovers::Now().MoreThan(before), "");
  const int fd = eventfd(0, EFD_CLOEXEC);
  std::promise<void> end;
  std::thread thread([&] { end.get_future().wait(); });
  const std::string more = Leftovers::Now().MoreThan(before);
  EXPECT_NE(more.find("threads chaos_tests: 1 more"), std::string::npos)
      << more;
  EXPECT_NE(more.find("descriptors anon_inode: 1 more"), std::string::npos)
      << more;
  end.set_value();
  thread.join();
  close(fd);
  EXPECT_EQ(Leftovers::Now().MoreThan(before), "");
}

}  // namespace
}  // namespace firebreak::testing
