// What must not keep calls away once a server is back, over sockets and every
// stub style, in the time of the test's own clock.
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

// Calls that are healthy, and take longer than a probe's lease is at first: the
// first of them shows how long one may take.
TEST_P(ComebackTest, CallsThatAreMerelyLongCloseTheBreaker) {
  Rig rig("breaker {}");
  rig.server.Script(
      kUnary, std::vector<Reply>(5, Reply::Fail(grpc::StatusCode::INTERNAL)));
  rig.server.Always(kUnary, Reply::Hang());
  for (int i = 0; i < 5; ++i) Pending(GetParam(), rig.channel()).Wait();
  ASSERT_THAT(rig.breaker(), BreakerIs("open"));
  int sent = 0;
  for (int i = 0; i < 20 && rig.breaker().name != "closed"; ++i) {
    // A little more than to the next look.
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

// What is refused here during an outage does not prove that the server still
// refuses.
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
