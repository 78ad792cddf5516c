#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "src/core/measure/event_log.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/sim/forecast.h"
#include "tests/bench/replay/figures.h"
#include "tests/bench/replay/recorded_engine.h"
#include "tests/bench/replay/scenes.h"

namespace firebreak::bench {
namespace {

using core::Duration;
using core::Time;
using std::chrono::milliseconds;

constexpr int kCallers = 8;
constexpr milliseconds kPause{20};
constexpr milliseconds kBetweenProbes{1000};
constexpr int kSeeds = 20;
constexpr char kChannel[] = "shop";

constexpr char kPolicy[] = R"(
    method { name {} timeout: "250ms" idempotent: true breaker {}
             retry { max_attempts: 2 } })";

class Freezer final : public testing::Echo::Service {
 public:
  Freezer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Freezer() override {
    is_frozen_ = false;
    server_->Shutdown();
  }
  const std::string& address() const { return address_; }
  void Freeze(bool frozen) { is_frozen_ = frozen; }

  grpc::Status Unary(grpc::ServerContext* context,
                     const testing::EchoRequest* /*request*/,
                     testing::EchoReply* /*reply*/) override {
    std::this_thread::sleep_for(milliseconds(5));
    while (is_frozen_ && !context->IsCancelled()) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    return grpc::Status::OK;
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::atomic<bool> is_frozen_{false};
};

struct Outage {
  Time begin;
  Time end;
};

// What the state changes of a breaker amount to, for each outage.
struct BreakerStory {
  std::vector<double> open_s;      // not closed, from its begin to the next's
  std::vector<double> recovery_s;  // from its end to the last close

  // `since` is the zero of the events' times, on the clock of the outages.
  BreakerStory(const std::vector<core::Event>& events,
               const std::vector<Outage>& outages, Time since)
      : open_s(outages.size()), recovery_s(outages.size()) {
    size_t n = 0;
    Time opened;
    for (const core::Event& event : events) {
      if (event.kind != core::Event::Kind::kTransition) continue;
      const Time at = since + event.at.time_since_epoch();
      while (n + 1 < outages.size() && at >= outages[n + 1].begin) ++n;
      if (event.from == "closed") opened = at;
      if (event.to != "closed") continue;
      open_s[n] += core::ToSeconds(at - opened);
      recovery_s[n] = std::max(0.0, core::ToSeconds(at - outages[n].end));
    }
  }
};

std::vector<Outage> Play(Freezer* server, int outages, Duration well,
                         Duration frozen) {
  std::vector<Outage> played;
  for (int i = 0; i < outages; ++i) {
    std::this_thread::sleep_for(well);
    Outage outage;
    outage.begin = engine::Now();
    server->Freeze(true);
    std::this_thread::sleep_for(frozen + kBetweenProbes * i / outages);
    outage.end = engine::Now();
    server->Freeze(false);
    played.push_back(outage);
  }
  std::this_thread::sleep_for(well);
  return played;
}

}  // namespace

OutageErrors ReplayOutages(int outages, Duration well, Duration frozen) {
  Freezer server;
  const auto engine = *Engine::FromText(kPolicy);
  const auto channel = engine->CreateChannel(
      kChannel, server.address(), grpc::InsecureChannelCredentials());
  RecordedEngine recorded(engine);
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  // The first call begins at this time, or very soon after.
  const Time begun = engine::Now();
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      const auto stub = testing::Echo::NewStub(channel);
      while (!stop) {
        grpc::ClientContext context;
        testing::EchoRequest request;
        testing::EchoReply reply;
        stub->Unary(&context, request, &reply);
        std::this_thread::sleep_for(kPause);
      }
    });
  }
  const std::vector<Outage> played = Play(&server, outages, well, frozen);
  stop = true;
  for (std::thread& caller : callers) caller.join();
  const sim::Recording recording = recorded.Stop();
  core::MethodCounts counts;
  for (const auto& method : engine->core()->Methods()) {
    counts = method->stats.counts();
  }
  const BreakerStory measured(engine->core()->events().Since(0, 1000).events,
                              played, Time());

  Runs success, refused, retries;
  std::vector<double> open_s(played.size());
  std::vector<double> recovery_s(played.size());
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const sim::Forecast f = Simulate(recording, engine->core()->policy(),
                                     kChannel, static_cast<uint64_t>(seed), {});
    const BreakerStory simulated(f.events, played, begun);
    for (size_t i = 0; i < played.size(); ++i) {
      open_s[i] += simulated.open_s[i] / kSeeds;
      recovery_s[i] += simulated.recovery_s[i] / kSeeds;
    }
    success.Add(static_cast<double>(counts.end(core::CallEnd::kSuccess)) /
                    static_cast<double>(counts.calls),
                f.success());
    refused.Add(static_cast<double>(counts.end(core::CallEnd::kRejected)),
                static_cast<double>(f.refused()));
    retries.Add(
        static_cast<double>(counts.attempts_of(core::AttemptKind::kRetry)),
        static_cast<double>(f.retries));
  }
  std::printf(
      "the outages: %d, of %.0f s and more; each simulated with %d seeds; "
      "medians (of the recovery means), and from the least to the most\n",
      outages, core::ToSeconds(frozen), kSeeds);
  success.Show("success");
  refused.Show("refused");
  retries.Show("retries");
  Runs open;
  Runs recovery;
  for (size_t i = 0; i < played.size(); ++i) {
    open.Add(measured.open_s[i], open_s[i]);
    recovery.Add(measured.recovery_s[i], recovery_s[i]);
  }
  OutageErrors errors;
  errors.open = open.Show("not closed (s)");
  // A recovery is equally likely at all times between two probes. Of such times
  // a few outages give a better mean than median.
  errors.recovery = recovery.Show("recovery (s)", /*of_means=*/true);
  return errors;
}

}  // namespace firebreak::bench
