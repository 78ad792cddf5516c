// Tests gRFC A6's throttling, in virtual time and over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "src/core/attempts/attempt_budget.h"
#include "tests/conformance/a6_cases.h"
#include "tests/conformance/wire_rig.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/echo_server.h"

namespace firebreak::testing {
namespace {

using core::AttemptBudget;
using core::CallRig;
using core::Ms;

TEST(A6ThrottlingTest, InVirtualTime) {
  for (const ThrottlingCase& c : A6ThrottlingCases()) {
    SCOPED_TRACE(c.name);
    AttemptBudget budget(c.policy.Budget(), core::Time{});
    int number = 0;
    for (const ThrottledCall& call : c.calls) {
      SCOPED_TRACE(absl::StrCat("call ", number++));
      CallRig::Setup setup;
      setup.shared_budget = &budget;
      CallRig rig(c.policy.Options(), setup);
      for (size_t n = 0; n < call.server.size(); ++n) {
        if (call.server[n].hangs) continue;
        rig.AnswerWith(static_cast<int>(n), Ms(call.server[n].latency_ms),
                       call.server[n].ToEnd());
      }
      rig.Run();
      EXPECT_EQ(rig.driver().launched(), static_cast<int>(call.attempts));
      EXPECT_THAT(rig.lines().back(),
                  ::testing::HasSubstr(absl::StatusCodeToString(call.status)));
      EXPECT_DOUBLE_EQ(budget.throttle_tokens(), call.tokens);
    }
  }
}

TEST(A6ThrottlingTest, OverSockets) {
  for (const ThrottlingCase& c : A6ThrottlingCases()) {
    SCOPED_TRACE(c.name);
    EchoServer server;
    WireRig rig(&server, c.policy);
    int number = 0;
    for (const ThrottledCall& call : c.calls) {
      const std::string text = absl::StrCat("call ", number++);
      SCOPED_TRACE(text);
      const Played played = rig.Play(text, call.server);
      EXPECT_EQ(played.code, static_cast<grpc::StatusCode>(call.status));
      EXPECT_EQ(played.seen.size(), call.attempts);
    }
  }
}

}  // namespace
}  // namespace firebreak::testing
