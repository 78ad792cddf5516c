// Compares the simulator with queueing theory, and tests it by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "src/sim/client.h"
#include "src/sim/naive_client.h"
#include "src/sim/server.h"
#include "src/sim/simulation.h"
#include "src/sim/wire.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::At;
using core::Ms;
using core::Sec;
using ::testing::ElementsAre;

// Makes calls at random times to a server, without a network.
Server::Stats RunQueue(const ServerOptions& options, double per_second,
                       Duration length) {
  Simulation sim;
  Server server(&sim, options);
  WireCounts counts;
  NaiveClient client(&sim, {}, {&server, {}}, &counts);
  RunOpenLoop(&sim, &client, per_second, At(length), /*seed=*/7,
              [](const CallResult&) {});
  sim.RunUntil(At(length));
  return server.stats();
}

double MeanQueue(const Server::Stats& stats, Duration length) {
  return stats.queued_seconds / core::ToSeconds(length);
}

TEST(SimServer, OneWorkerWithRandomWorkQueuesAsMM1) {
  ServerOptions options;
  options.service = Distribution::Exponential(Ms(10));
  const Server::Stats stats = RunQueue(options, 80, Sec(4'000));
  // rho^2 / (1 - rho)
  EXPECT_NEAR(MeanQueue(stats, Sec(4'000)), 3.2, 0.25);
}

TEST(SimServer, OneWorkerWithEqualWorkQueuesHalfAsLong) {
  // Pollaczek and Khinchine: rho^2 / (2 (1 - rho))
  const Server::Stats stats = RunQueue(ServerOptions{}, 80, Sec(4'000));
  EXPECT_NEAR(MeanQueue(stats, Sec(4'000)), 1.6, 0.08);
}

TEST(SimServer, ManyWorkersQueueAsErlangC) {
  ServerOptions options;
  options.workers = 10;
  options.service = Distribution::Exponential(Ms(10));
  const Server::Stats stats = RunQueue(options, 800, Sec(500));
  // C(10, 8) = 0.4092; times rho / (1 - rho)
  EXPECT_NEAR(MeanQueue(stats, Sec(500)), 1.637, 0.15);
}

TEST(SimServer, ManyWorkersWithEqualWorkQueueAboutHalfAsLong) {
  ServerOptions options;
  options.workers = 10;
  const Server::Stats stats = RunQueue(options, 800, Sec(500));
  // M/D/c after Cosmetatos (1975): half of M/M/c, times
  // 1 + (1 - rho) (c - 1) (sqrt(4 + 5 c) - 2) / (16 rho c)
  EXPECT_NEAR(MeanQueue(stats, Sec(500)), 0.880, 0.06);
}

TEST(SimServer, KeepsLittlesLaw) {
  ServerOptions options;
  options.workers = 3;
  options.service = Distribution::LogNormal(Ms(10), Ms(20));
  const Server::Stats stats = RunQueue(options, 250, Sec(200));
  // L = lambda W. Only the calls in flight at the end are missing.
  EXPECT_NEAR(stats.present_seconds / core::ToSeconds(stats.spent), 1, 0.005);
}

TEST(SimServer, RefusesWhatFindsItsQueueFull) {
  Simulation sim;
  ServerOptions options;
  options.queue_limit = 1;
  Server server(&sim, options);
  std::vector<absl::StatusCode> ends;
  for (int i = 0; i < 3; ++i) {
    Server::Work work;
    work.on_end = [&](const Reply& reply) { ends.push_back(reply.code); };
    server.Submit(std::move(work));
  }
  sim.Run();
  EXPECT_THAT(ends, ElementsAre(absl::StatusCode::kResourceExhausted,
                                absl::StatusCode::kOk, absl::StatusCode::kOk));
  EXPECT_EQ(sim.now(), At(Ms(20)));
}

TEST(SimServer, HonoursCancelsOnlyWhenToldTo) {
  for (const bool honours : {false, true}) {
    Simulation sim;
    ServerOptions options;
    options.honours_cancel = honours;
    Server server(&sim, options);
    std::vector<Server::Handle> jobs;
    int ends = 0;
    for (int i = 0; i < 3; ++i) {
      Server::Work work;
      work.on_end = [&](const Reply&) { ++ends; };
      jobs.push_back(server.Submit(std::move(work)));
    }
    sim.RunUntil(At(Ms(4)));
    server.Cancel(jobs[0]);  // under way
    server.Cancel(jobs[1]);  // queued
    server.Cancel(jobs[1]);  // again
    sim.Run();
    EXPECT_EQ(ends, honours ? 1 : 3);
    EXPECT_EQ(server.stats().broken_off, honours ? 2 : 0);
    EXPECT_EQ(server.stats().wasted, honours ? Ms(4) : Ms(0));
    EXPECT_EQ(server.stats().busy, honours ? Ms(14) : Ms(30));
    EXPECT_EQ(server.queued(), 0);
    EXPECT_EQ(server.under_way(), 0);
  }
}

TEST(SimServer, WorksSlowerAndStandsStill) {
  Simulation sim;
  Server server(&sim, ServerOptions{});
  std::vector<Duration> ends;
  server.SetSpeed(0.2);
  for (int i = 0; i < 3; ++i) {
    Server::Work work;
    work.on_end = [&](const Reply&) {
      ends.push_back(sim.now().time_since_epoch());
    };
    server.Submit(std::move(work));
  }
  sim.At(At(Ms(60)), [&] { server.SetSpeed(0); });
  sim.At(At(Ms(500)),
         [&] { server.SetSpeed(std::numeric_limits<double>::quiet_NaN()); });
  sim.At(At(Sec(1)), [&] { server.SetSpeed(1); });
  sim.Run();
  EXPECT_THAT(ends, ElementsAre(Ms(50), Ms(100), Ms(1010)));
}

TEST(SimWire, TakesItsLegsAndCountsWhatComesTooLate) {
  Simulation sim;
  Server server(&sim, ServerOptions{});
  const Target target{
      &server, {Distribution::Constant(Ms(1)), Distribution::Constant(Ms(2))}};
  WireCounts counts;
  std::vector<std::string> ends;
  const auto send = [&](Duration deadline) {
    Flight::Times times;
    times.attempt_deadline = times.call_deadline = At(deadline);
    return Flight::Send(
        &sim, target, core::Rng(1), times, &counts,
        [&](const core::AttemptEnd& end) {
          ends.push_back(core::FormatDuration(sim.now().time_since_epoch()) +
                         " " + core::CodeName(end.code));
        });
  };
  send(Ms(14));  // is answered just in time
  send(Ms(22));  // is queued, and its answer late
  auto cancelled = send(Sec(1)).lock();
  ASSERT_NE(cancelled, nullptr);
  cancelled->Cancel();
  cancelled.reset();
  sim.Run();
  EXPECT_THAT(ends, ElementsAre("13ms OK", "22ms DEADLINE_EXCEEDED"));
  EXPECT_EQ(counts.sent, 3);
  EXPECT_EQ(counts.unwanted, 2);
  EXPECT_EQ(counts.doomed, 1);
  EXPECT_EQ(server.stats().wasted, Ms(20));
}

TEST(SimDistribution, HasTheMeansAndTailsThatItIsGiven) {
  core::Rng rng(3);
  const auto mean = [&](const Distribution& of) {
    double sum = 0;
    for (int i = 0; i < 200'000; ++i) sum += core::ToSeconds(of.Sample(&rng));
    return sum / 200'000 * 1e3;
  };
  EXPECT_NEAR(mean(Distribution::Constant(Ms(5))), 5, 1e-6);
  EXPECT_NEAR(mean(Distribution::Exponential(Ms(5))), 5, 0.05);
  EXPECT_NEAR(mean(Distribution::LogNormal(Ms(5), Ms(2))), 5, 0.03);
  EXPECT_NEAR(
      mean(Distribution::LogNormal(Ms(5), Ms(2)).WithStragglers(.05, 10)), 7.25,
      0.1);
  EXPECT_NEAR(mean(Distribution::TwoPoint(Ms(1), Ms(101), 0.1)), 11, 0.3);
  const auto tail = Distribution::Tail({{Ms(1), 1}, {Ms(10), 0.1}});
  int over = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Duration sample = tail.Sample(&rng);
    ASSERT_GE(sample, Ms(1));
    ASSERT_LE(sample, Ms(10));
    if (sample > Ms(5)) ++over;  // a share of 1/5, on these scales
  }
  EXPECT_NEAR(over / 1e5, 0.2, 0.006);
}

TEST(SimDistribution, NeverGivesNonsense) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  core::Rng rng(3);
  const Duration longest = core::kInfiniteDuration;
  for (const Distribution& of :
       {Distribution::Constant(Ms(-1)), Distribution::Constant(longest),
        Distribution::Exponential(Ms(-1)), Distribution::Exponential(longest),
        Distribution::LogNormal(Ms(0), Ms(1)),
        Distribution::LogNormal(Ms(1), longest),
        Distribution::TwoPoint(Ms(1), Ms(-1), kNan), Distribution::Tail({}),
        Distribution::OneOf({}), Distribution::Mixture({}),
        Distribution::Mixture({{kNan, Distribution::Constant(Ms(1))}}),
        Distribution::Constant(Ms(1)).WithStragglers(1, kNan),
        Distribution::Constant(Ms(1)).WithStragglers(1, 1e300)}) {
    for (int i = 0; i < 100; ++i) {
      const Duration sample = of.Sample(&rng);
      EXPECT_GE(sample, Duration::zero());
      EXPECT_LE(sample, Distribution::kLongest);
    }
  }
}

}  // namespace
}  // namespace firebreak::sim
