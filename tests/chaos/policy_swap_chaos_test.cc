// Policies are replaced under load, in every stub style: no call fails because
// of it, and the engine loses no state.
//
//   FIREBREAK_SWAPS=3000   half a minute of swaps every 10 ms (the nightly run)
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "src/engine/io/clock.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

class PolicySwapChaosTest : public ChaosTest {};
INSTANTIATE_TEST_SUITE_P(Shapes, PolicySwapChaosTest, AllShapes(), ShapeName);

// Returns one of many policies: with and without each part, and in turn for
// native and for driven calls.
std::string SomePolicy(int n) {
  std::string entry = "method { name {} ";
  if (n % 2 == 0) {
    absl::StrAppend(&entry, "breaker { consecutive_failures: ", 5 + n % 7,
                    " window { calls: ", 50 + n % 3, " } ",
                    n % 5 == 0 ? "scope: CHANNEL" : "", " } ");
  }
  if (n % 3 == 0) absl::StrAppend(&entry, kQuickRetry);
  if (n % 4 < 2) {
    absl::StrAppend(&entry, "bulkhead { max_concurrent: ", 1 + n % 4,
                    " max_queue: 1000 max_wait: \"30s\" } ");
  }
  if (n % 5 == 1) {
    absl::StrAppend(&entry, "rate_limit { rate: ", 100'000 + n, " } ");
  }
  if (n % 7 == 1) absl::StrAppend(&entry, "throttle { k: ", 2 + n % 3, " } ");
  if (n % 11 == 10) entry = "method { name { service: \"p.Nothing\" } ";
  return absl::StrCat(entry, "} channel { budget { ratio: 1 burst: ", 100 + n,
                      " } ",
                      n % 6 == 0 ? "bulkhead { max_queue: 1000 "
                                   "max_wait: \"30s\" }"
                                 : "",
                      " }");
}

TEST_P(PolicySwapChaosTest, NoCallFailsForASwap) {
  ServerProcess server;
  auto engine = Engine::FromText(SomePolicy(0));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
  Load::Options options;
  options.style = GetParam().style;
  options.deadline = std::chrono::seconds(30);
  options.delay_ms = 1;
  Load load(channel, options);
  ASSERT_TRUE(load.WaitFor(5, IsOk()));
  const char* const given = std::getenv("FIREBREAK_SWAPS");
  const int swaps = given == nullptr ? 200 : std::atoi(given);
  const auto start = std::chrono::steady_clock::now();
  for (int n = 1; n <= swaps; ++n) {
    std::this_thread::sleep_until(start + n * std::chrono::milliseconds(10));
    PolicyUpdate update;
    update.if_version = static_cast<uint64_t>(n);
    const auto change = (*engine)->UpdatePolicy(SomePolicy(n), update);
    ASSERT_TRUE(change.ok()) << change.status();
    ASSERT_EQ(change->version, static_cast<uint64_t>(n) + 1);
    // Waits for some calls with each policy, since the swap itself takes almost
    // no time.
    ASSERT_TRUE(load.WaitFor(2, IsOk()));
  }
  load.Stop();
  load.ExpectSound();
  ExpectAllOk(load);

  const engine::PolicyStats stats = (*engine)->core()->policy_stats();
  EXPECT_EQ(stats.applied, swaps);
  EXPECT_EQ(stats.unchanged + stats.refused, 0);

  // The engine has kept its state, and nothing is in flight.
  const auto methods = (*engine)->core()->Methods();
  ASSERT_EQ(methods.size(), 1u);
  const core::MethodCounts counts = methods[0]->stats.counts();
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(counts.end(core::CallEnd::kSuccess), counts.calls);
  EXPECT_GT(counts.calls, swaps);
  // Policies without an entry for the method let its calls pass uncounted.
  EXPECT_LE(counts.calls, static_cast<int64_t>(load.ends().size()));
  ASSERT_TRUE((*engine)
                  ->SetPolicyText("method { name {} bulkhead {} breaker {} }")
                  .ok());
  const auto settings = methods[0]->settings();
  EXPECT_EQ(settings->admission.bulkhead()->snapshot().active, 0);
  EXPECT_EQ(settings->admission.bulkhead()->snapshot().queued, 0);
}

TEST_P(PolicySwapChaosTest, AQueuedCallComesInByTheNewPolicysPlaces) {
  EchoServer server;
  const std::string rest =
      std::string(GetParam().driven ? kQuickRetry : "") + " }";
  auto engine = Engine::FromText(
      "method { name {} bulkhead { max_concurrent: 1 max_wait: \"1h\" } " +
      rest);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
  server.Script({Step::Hang()});
  const Caller caller(GetParam().style, channel);
  UnaryCall first("first");
  std::thread first_thread([&] { caller.Run(&first); });
  ASSERT_TRUE(server.WaitForCalls(1));
  UnaryCall second("second");
  std::thread second_thread([&] { caller.Run(&second); });
  const auto runtime = (*engine)->core()->Methods()[0];
  EXPECT_TRUE(Eventually([&] {
    return runtime->settings()->admission.bulkhead()->snapshot().queued == 1;
  }));
  ASSERT_TRUE((*engine)
                  ->SetPolicyText(
                      "method { name {} bulkhead { max_concurrent: 2 } " + rest)
                  .ok());
  second_thread.join();
  EXPECT_TRUE(second.status.ok()) << second.status.error_message();
  server.Release();
  first_thread.join();
  EXPECT_TRUE(first.status.ok());
  EXPECT_EQ(runtime->settings()->admission.bulkhead()->snapshot().completed, 2);
}

TEST_P(PolicySwapChaosTest, OverridesOutliveSwaps) {
  ServerProcess server;
  ChaosEngine engine(GetParam().policy());
  Load load(engine.Channel(server.address()), Options());
  ASSERT_TRUE(load.WaitFor(5, IsOk()));
  engine.engine()->core()->Methods()[0]->breakers()[0]->ForceOpen(
      absl::nullopt, engine::Now());
  ASSERT_TRUE(load.WaitFor(5, IsRefused()));
  for (int n = 0; n < 20; ++n) {
    ASSERT_TRUE(
        engine.engine()
            ->SetPolicyText(absl::StrCat(
                "method { name {} ", n % 2 == 0 ? kQuickRetry : "",
                n % 3 == 0 ? "" : "breaker { window { calls: 30 } }", " }"))
            .ok());
    ASSERT_TRUE(load.WaitFor(2, IsRefused()));
  }
  EXPECT_EQ(engine.breaker().state, core::BreakerState::kForcedOpen);
  load.Stop();
  EXPECT_EQ(Surprises(load), 0) << Summary(load.ends());
  EXPECT_EQ(load.Count(
                [](const CallEnd& end) { return end.reason == "forced_open"; }),
            load.Count(IsRefused()));
}

}  // namespace
}  // namespace firebreak::testing
