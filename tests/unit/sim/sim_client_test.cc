#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/sim/client.h"
#include "src/sim/firebreak_client.h"
#include "src/sim/naive_client.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::At;
using core::Ms;
using core::Sec;
using ::testing::ElementsAre;

// Appends each call as "began+took code xN".
OnCallEnd Into(std::vector<std::string>* lines) {
  return [lines](const CallResult& call) {
    lines->push_back(
        absl::StrCat(core::FormatDuration(call.started.time_since_epoch()), "+",
                     core::FormatDuration(call.ended - call.started), " ",
                     core::CodeName(call.code), " x", call.attempts));
  };
}

TEST(Simulation, KeepsTheOrderOfTimeAndOfPlanning) {
  Simulation sim;
  std::vector<int> seen;
  sim.After(Ms(2), [&] { seen.push_back(3); });
  sim.After(Ms(1), [&] {
    seen.push_back(1);
    sim.At(At(Ms(0)), [&] { seen.push_back(2); });  // in the past: now
  });
  sim.After(Ms(2), [&] { seen.push_back(4); });
  sim.At(core::kInfiniteFuture, [&] { seen.push_back(0); });
  sim.RunUntil(At(Ms(1)));
  EXPECT_THAT(seen, ElementsAre(1, 2));
  sim.Run();
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(sim.now(), At(Ms(2)));
}

TEST(SimLoad, ClosedLoopAwaitsAndThinks) {
  Simulation sim;
  Server server(&sim, ServerOptions{});
  WireCounts counts;
  NaiveClient client(&sim, {}, {&server, {}}, &counts);
  std::vector<std::string> calls;
  RunClosedLoop(&sim, &client, /*callers=*/1, /*think=*/Ms(5), At(Ms(30)),
                /*seed=*/1, Into(&calls));
  sim.Run();
  EXPECT_THAT(calls, ElementsAre("0s+10ms OK x1", "15ms+10ms OK x1"));
}

TEST(NaiveClient, RetriesAtOnceAndGivesUpSlowAttempts) {
  Simulation sim;
  ServerOptions options;
  options.failure_rate = 1;
  Server server(&sim, options);
  WireCounts counts;
  NaiveOptions naive;
  naive.max_retries = 2;
  NaiveClient client(&sim, naive, {&server, {}}, &counts);
  naive.attempt_timeout = Ms(4);
  NaiveClient hasty(&sim, naive, {&server, {}}, &counts);
  std::vector<std::string> calls;
  client.Call(1, Into(&calls));
  sim.Run();
  hasty.Call(1, Into(&calls));
  sim.Run();
  EXPECT_THAT(calls, ElementsAre("0s+30ms UNAVAILABLE x3",
                                 "30ms+12ms DEADLINE_EXCEEDED x3"));
}

TEST(FirebreakClient, DrivesCallsAsTheInterceptorsDo) {
  Simulation sim;
  ServerOptions options;
  options.failure_rate = 1;
  Server bad(&sim, options);
  Server good(&sim, ServerOptions{});
  FirebreakClient::Setup setup;
  setup.options = core::Retrying(3);
  setup.options.timeout = Sec(1);
  setup.targets = {{&bad, {}}, {&good, {}}};
  WireCounts counts;
  FirebreakClient client(&sim, setup, &counts);
  std::vector<std::string> calls;
  client.Call(1, Into(&calls));
  sim.Run();
  client.CallBy(sim.now() + Ms(5), 1, &counts, Into(&calls));
  sim.Run();
  // A failure, 100 ms of backoff, and the other target.
  EXPECT_THAT(calls,
              ElementsAre("0s+120ms OK x2", "1s+5ms DEADLINE_EXCEEDED x1"));
  EXPECT_EQ(counts.sent, 3);
  EXPECT_EQ(counts.doomed, 1);
  EXPECT_EQ(client.counts().calls, 2);
}

TEST(FirebreakClient, HedgesAndCancelsTheLoser) {
  Simulation sim;
  ServerOptions options;
  options.service = Distribution::Constant(Ms(100));
  options.honours_cancel = true;
  Server slow(&sim, options);
  Server quick(&sim, ServerOptions{});
  FirebreakClient::Setup setup;
  setup.options = core::Hedging(2, Ms(20));
  setup.targets = {{&slow, {}}, {&quick, {}}};
  WireCounts counts;
  FirebreakClient client(&sim, setup, &counts);
  std::vector<std::string> calls;
  client.Call(1, Into(&calls));
  sim.Run();
  EXPECT_THAT(calls, ElementsAre("0s+30ms OK x2"));
  EXPECT_EQ(slow.stats().broken_off, 1);
  EXPECT_EQ(slow.stats().wasted, Ms(30));
}

TEST(FirebreakClient, MayBeLeftUnfinished) {
  auto sim = std::make_unique<Simulation>();
  auto server = std::make_unique<Server>(sim.get(), ServerOptions{});
  FirebreakClient::Setup setup;
  setup.options = core::Retrying(3);
  setup.targets = {{server.get(), {}}};
  WireCounts counts;
  auto client = std::make_unique<FirebreakClient>(sim.get(), setup, &counts);
  client->Call(1, [](const CallResult&) {});
  client->Call(2, [](const CallResult&) {});
  sim->RunUntil(At(Ms(15)));  // one waits in the queue, and one is answered
  client.reset();
  server.reset();
  sim.reset();
}

TEST(Tally, SumsUp) {
  Tally tally(Sec(1), /*keeps_latencies=*/true);
  tally.Add({At(Ms(100)), At(Ms(300)), absl::StatusCode::kOk, 2});
  tally.Add({At(Ms(900)), At(Ms(1100)), absl::StatusCode::kOk, 1});
  tally.Add({At(Ms(950)), At(Ms(3000)), absl::StatusCode::kUnavailable, 3});
  EXPECT_DOUBLE_EQ(tally.success(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(tally.load(), 2);
  ASSERT_EQ(tally.buckets().size(), 2u);
  EXPECT_EQ(tally.buckets()[0].begun, 3);
  EXPECT_EQ(tally.buckets()[0].good, 2);
  EXPECT_EQ(tally.buckets()[0].done, 1);
  EXPECT_EQ(tally.buckets()[1].done, 1);
  EXPECT_THAT(tally.latencies(), ElementsAre(Ms(200), Ms(200)));
}

}  // namespace
}  // namespace firebreak::sim
