// A live policy as its own candidate differs in nothing: the driver that runs
// live calls, or what a guarded call does, beside a CandidateCall of the same
// policy, with the same seeds, in virtual time.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/engine/candidate/twin_world.h"

namespace firebreak::engine {
namespace {

using twin::Scene;
using twin::World;

class CandidateTwinTest : public ::testing::TestWithParam<Scene> {};

TEST_P(CandidateTwinTest, ALivePolicyAsItsOwnCandidateDiffersInNothing) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    World world(GetParam(), seed);
    world.Run();
    const CandidateCounts counts = world.counts();
    EXPECT_GT(counts.calls(), 1000);
    EXPECT_GT(counts.of(Would::kNothingElse, Live::kRefused), 0);
    for (const Live live : {Live::kSucceeded, Live::kFailed, Live::kUnknown}) {
      EXPECT_EQ(counts.of(Would::kRefuse, live), 0) << LiveName(live);
    }
    EXPECT_EQ(counts.let_in(), 0);
    EXPECT_EQ(counts.of(Would::kTimeOut), counts.live_timeouts);
    EXPECT_EQ(counts.of(Would::kHedge), counts.live_hedged);
    EXPECT_EQ(counts.of(Would::kGoOn), 0);
    EXPECT_EQ(counts.of(Would::kRetry), 0);
    EXPECT_EQ(counts.of(Would::kGiveUp), 0);
    for (size_t n = 0; n < world.live().targets.size(); ++n) {
      const auto live = world.live().targets[n]->Snapshot(world.Now());
      const auto tried = world.tried().targets[n]->Snapshot(world.Now());
      EXPECT_EQ(live.times_opened, tried.times_opened);
      EXPECT_EQ(live.window_calls, tried.window_calls);
      EXPECT_EQ(live.state, tried.state);
    }
    EXPECT_EQ(world.live().runtime->budget->tokens(world.Now()),
              world.tried().runtime->budget->tokens(world.Now()));
  }
}

std::string Method(const std::string& parts, const std::string& more = "") {
  return "method { name {} " + parts + " } " + more;
}

INSTANTIATE_TEST_SUITE_P(
    Policies, CandidateTwinTest,
    ::testing::Values(
        Scene{Method("breaker { consecutive_failures: 5 }"), {"t"}, 100, true},
        Scene{Method("breaker { failure_rate: 0.4 minimum_calls: 20 "
                     "ramp { initial: 0.1 duration: \"5s\" } }")},
        Scene{Method("timeout: \"300ms\" breaker {} "
                     "retry { max_attempts: 3 }")},
        Scene{Method("timeout: \"1s\" idempotent: true breaker {} "
                     "retry { max_attempts: 4 attempt_timeout: \"100ms\" } "
                     "hedging { delay: \"50ms\" max_attempts: 4 }")},
        Scene{Method("timeout: \"1s\" idempotent: true breaker {} "
                     "retry {} hedging { quantile: 0.9 }",
                     "channel { budget { ratio: 0.05 burst: 5 } }")},
        Scene{Method("timeout: \"2s\" idempotent: true breaker { "
                     "consecutive_failures: 20 } retry { adaptive {} }",
                     "channel { budget { ratio: 0.5 burst: 100 } "
                     "throttling { max_tokens: 50 token_ratio: 0.1 } }")},
        Scene{Method("breaker {} bulkhead { max_concurrent: 3 max_queue: 5 "
                     "max_wait: \"50ms\" }")},
        Scene{Method("timeout: \"400ms\" breaker {} retry {} rate_limit { "
                     "rate: 90 burst: 5 max_wait: \"60ms\" }")},
        // A call that waits for a token and then for a place is not here: when
        // its token comes, nobody tells the candidate.
        Scene{Method("timeout: \"400ms\" breaker {} retry {} rate_limit { "
                     "rate: 90 burst: 20 max_wait: \"0s\" } bulkhead { "
                     "max_concurrent: 4 max_queue: 10 max_wait: \"80ms\" }")},
        Scene{Method("timeout: \"400ms\" throttle {} retry {} breaker { "
                     "slow_call_duration: \"150ms\" slow_call_rate: 0.4 }")},
        Scene{Method("timeout: \"100ms\" deadline_gate { first_attempt: true } "
                     "retry {} breaker {}")},
        Scene{Method("timeout: \"1s\" idempotent: true breaker {} retry {} "
                     "hedging { delay: \"30ms\" }"),
              {"a", "b"}},
        Scene{Method("breaker {}"), {"a", "b"}}));

}  // namespace
}  // namespace firebreak::engine
