// Policies must not refuse calls for long once a server has recovered. Tested
// over sockets and every stub style, on a virtual clock.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ComebackTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, ComebackTest, AllStyles(), StyleName);

// The calls succeed, but take longer than the initial lease of a probe. The
// first of them shows how long a call may take.
TEST_P(ComebackTest, CallsThatAreMerelyLongCloseTheBreaker) {
  Rig rig("breaker {}");
  rig.server.Script(
      kUnary, std::vector<Reply>(5, Reply::Fail(grpc::StatusCode::INTERNAL)));
  rig.server.Always(kUnary, Reply::Hang());
  for (int i = 0; i < 5; ++i) Pending(GetParam(), rig.channel()).Wait();
  ASSERT_THAT(rig.breaker(), BreakerIs("open"));
  int sent = 0;
  for (int i = 0; i < 20 && rig.breaker().name != "closed"; ++i) {
    // A little longer than until the next probe is due.
    rig.clock->Advance(seconds(2));
    Pending call(GetParam(), rig.channel());
    while (!call.has_ended() && rig.server.hanging() == 0) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    if (rig.server.hanging() == 0) continue;  // refused
    ++sent;
    rig.clock->Advance(seconds(6));
    rig.server.Release(EchoOf("late"));
    EXPECT_TRUE(call.Wait().ok());
  }
  EXPECT_THAT(rig.breaker(), BreakerIs("closed"));
  EXPECT_LE(sent, 6);
}

// Calls that the throttle itself refuses during an outage do not prove that the
// server still refuses calls.
TEST_P(ComebackTest, AThrottleIsBackWithinItsWindow) {
  constexpr milliseconds kBetween(100);
  constexpr int kWindow = 100;  // calls in ten seconds
  Rig rig("throttle { window: \"10s\" }");
  const auto sent = [&] {
    rig.clock->Advance(kBetween);
    return Pending(GetParam(), rig.channel()).Wait().ok();
  };
  for (int i = 0; i < kWindow; ++i) EXPECT_TRUE(sent());
  rig.server.Always(kUnary, Reply::Fail(grpc::StatusCode::RESOURCE_EXHAUSTED));
  for (int i = 0; i < kWindow; ++i) EXPECT_FALSE(sent());
  const int64_t arrived = rig.server.attempts(kUnary);
  EXPECT_LT(arrived, 2 * kWindow - 10) << "the server is spared";
  rig.server.Always(kUnary, EchoOf("ok"));
  int calls = 0;
  int in_a_row = 0;
  int first = 0;
  while (in_a_row < 10 && calls < 5 * kWindow) {
    ++calls;
    in_a_row = sent() ? in_a_row + 1 : 0;
    if (in_a_row == 1 && first == 0) first = calls;
  }
  EXPECT_GT(calls, 20) << "it takes its time";
  EXPECT_LE(first, kWindow);
  EXPECT_LE(calls, kWindow + 10 + 10);
}

}  // namespace
}  // namespace firebreak::testing
