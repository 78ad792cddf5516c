// Plays the tables of gRFC A6 over real sockets, with unchanged generated
// stubs.
//
// The only demand on times is "not earlier than", which holds on any machine: a
// retry may not come before its backoff has passed since the server's answer,
// nor a hedge before its delay has passed since the call's start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/a6_cases.h"
#include "tests/conformance/wire_rig.h"
#include "tests/support/echo_server.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using core::AttemptKind;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

void ExpectTable(const A6Case& c, StubStyle style) {
  EchoServer server;
  WireRig rig(&server, c.policy);
  const Played played = rig.Play("call", c.server, c.deadline_ms, style);
  EXPECT_EQ(played.code, static_cast<grpc::StatusCode>(c.status))
      << played.message;
  EXPECT_TRUE(server.WaitForCancelled(static_cast<int>(c.cancelled.size())));

  ASSERT_EQ(played.seen.size(), c.timeline.size());
  int kinds[] = {0, 0, 0};
  for (size_t n = 0; n < played.seen.size(); ++n) {
    SCOPED_TRACE(absl::StrCat("attempt ", n));
    const SeenCall& seen = played.seen[n];
    const Sent& sent = c.timeline[n];
    ++kinds[static_cast<int>(sent.kind)];
    EXPECT_GE(seen.begun - played.started, milliseconds(sent.at_ms));
    if (n > 0 && !c.policy.hedges) {
      const int answered_ms =
          c.timeline[n - 1].at_ms + c.server[n - 1].latency_ms;
      EXPECT_GE(seen.begun - played.seen[n - 1].answered,
                milliseconds(sent.at_ms - answered_ms));
    }
    if (c.deadline_ms > 0) {
      // The attempt gets what is left of the call's deadline; gRPC rounds it up
      // by up to a tenth.
      const int left_ms = c.deadline_ms - sent.at_ms;
      EXPECT_LE(seen.granted, milliseconds(left_ms + left_ms / 10));
    }
  }
  for (AttemptKind kind :
       {AttemptKind::kFirst, AttemptKind::kRetry, AttemptKind::kHedge}) {
    EXPECT_EQ(rig.attempts_of(kind), kinds[static_cast<int>(kind)]);
  }
}

class A6WireTest : public ::testing::TestWithParam<A6Case> {};

TEST_P(A6WireTest, KeepsToTheTable) {
  {
    SCOPED_TRACE("driven by its own thread");
    ExpectTable(GetParam(), StubStyle::kSync);
  }
  SCOPED_TRACE("driven by pollers");
  ExpectTable(GetParam(), StubStyle::kCallback);
}

INSTANTIATE_TEST_SUITE_P(Table, A6WireTest, ::testing::ValuesIn(A6Cases()),
                         [](const auto& test) { return test.param.name; });

// By A6, each attempt after the first tells the server how many preceded it.
constexpr char kPreviousAttempts[] = "grpc-previous-rpc-attempts";

class A6PreviousAttemptsTest : public ::testing::Test {
 protected:
  // The values of the header as the server saw them, in the order of arrival;
  // "" if there was none.
  std::vector<std::string> Said(const A6Policy& policy,
                                const std::vector<Reply>& replies) {
    // gRPC's own retry filter, which firebreak leaves in place for transparent
    // retries, would remove the header, so it is off here.
    ChannelOptions options;
    options.args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    WireRig rig(&server_, policy, std::move(options));
    std::vector<std::string> said;
    for (const SeenCall& seen : rig.Play("call", replies).seen) {
      const auto found = seen.metadata.find(kPreviousAttempts);
      said.push_back(found == seen.metadata.end() ? "" : found->second);
      EXPECT_LE(seen.metadata.count(kPreviousAttempts), 1U);
    }
    return said;
  }

  EchoServer server_;
};

TEST_F(A6PreviousAttemptsTest, OfRetries) {
  EXPECT_THAT(Said(RetryPolicy(4, 1, 1),
                   {Fail(kUnavailable), Fail(kUnavailable), Ok()}),
              ElementsAre("", "1", "2"));
}

TEST_F(A6PreviousAttemptsTest, OfHedges) {
  // Attempts that are sent at the same moment may arrive in any order.
  EXPECT_THAT(Said(HedgingPolicy(3, 0), {Hang(), Hang(), Ok()}),
              UnorderedElementsAre("", "1", "2"));
}

}  // namespace
}  // namespace firebreak::testing
