#include "tests/bench/studies/tied.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/sim/server.h"

namespace firebreak::studies {
namespace {

// Calls servers that know of each other's copies.
class TiedClient : public sim::Client {
 public:
  TiedClient(sim::Simulation* sim, const TiedStudy& study, bool tied,
             std::vector<std::unique_ptr<sim::Server>>* servers)
      : sim_(sim), study_(study), tied_(tied), servers_(servers) {}

  void Call(uint64_t luck, sim::OnCallEnd on_end) override {
    core::Rng rng(luck);
    const auto n = static_cast<double>(servers_->size());
    const auto first = static_cast<size_t>(rng.Uniform() * n);
    // The second server is any but the first.
    const auto other = static_cast<size_t>(rng.Uniform() * (n - 1));
    const size_t second = other < first ? other : other + 1;

    auto call = std::make_shared<Pair>();
    call->on_end = std::move(on_end);
    call->started = sim_->now();
    Send(call, 0, first, core::Rng(rng.Next()));
    if (!tied_) return;
    sim_->After(study_.offset, [this, call, second, luck_2 = rng.Next()] {
      if (!call->has_begun[0]) Send(call, 1, second, core::Rng(luck_2));
    });
  }

 private:
  struct Pair {
    sim::OnCallEnd on_end;
    Time started;
    bool ended = false;
    bool has_begun[2] = {false, false};
    sim::Server* server[2] = {nullptr, nullptr};
    sim::Server::Handle job[2];
  };

  void Send(const std::shared_ptr<Pair>& call, int copy, size_t server,
            core::Rng luck) {
    call->server[copy] = (*servers_)[server].get();
    sim_->After(study_.network, [this, call, copy, luck] {
      sim::Server::Work work;
      work.luck = luck;
      work.on_start = [this, call, copy] { Begun(call, copy); };
      work.on_end = [this, call](const sim::Reply&) {
        sim_->After(study_.network, [this, call] {
          if (std::exchange(call->ended, true)) return;
          call->on_end({call->started, sim_->now(), absl::StatusCode::kOk, 1});
        });
      };
      call->job[copy] = call->server[copy]->Submit(std::move(work));
    });
  }

  // One server tells the other that it has begun.
  void Begun(const std::shared_ptr<Pair>& call, int copy) {
    call->has_begun[copy] = true;
    const int twin = 1 - copy;
    sim_->After(study_.network, [call, copy, twin] {
      // If both have begun, the first copy goes on.
      if (call->server[twin] == nullptr ||
          (call->has_begun[twin] && copy == 1)) {
        return;
      }
      call->server[twin]->Cancel(call->job[twin]);
    });
  }

  sim::Simulation* const sim_;
  const TiedStudy study_;
  const bool tied_;
  std::vector<std::unique_ptr<sim::Server>>* const servers_;
};

TiedRow RunRow(const TiedStudy& study, const std::string& name,
               double utilization, bool tied) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.honours_cancel = true;
  options.service =
      sim::Distribution::LogNormal(study.mean_service, study.service_deviation);
  std::vector<std::unique_ptr<sim::Server>> servers;
  for (int i = 0; i < study.servers; ++i) {
    servers.push_back(std::make_unique<sim::Server>(&sim, options));
  }
  TiedClient client(&sim, study, tied, &servers);
  sim::Tally tally(Sec(1), /*keeps_latencies=*/true);
  const double calls_per_second =
      utilization * study.servers / core::ToSeconds(study.mean_service);
  sim::RunOpenLoop(&sim, &client, calls_per_second, After(study.length),
                   study.seed, tally.Counter());
  sim.Run();

  Duration busy{};
  Duration wasted{};
  for (const auto& server : servers) {
    busy += server->stats().busy;
    wasted += server->stats().wasted;
  }
  const std::vector<Duration>& of = tally.latencies();
  return {name,
          tied,
          sim::Quantile(of, 0.5),
          sim::Quantile(of, 0.9),
          sim::Quantile(of, 0.99),
          sim::Quantile(of, 0.999),
          core::ToSeconds(wasted) / std::max(core::ToSeconds(busy), 1e-9)};
}

}  // namespace

std::vector<TiedRow> RunTied(const TiedStudy& study) {
  std::vector<TiedRow> rows;
  for (const bool tied : {false, true}) {
    rows.push_back(RunRow(study, "idle", study.idle_utilization, tied));
  }
  for (const bool tied : {false, true}) {
    rows.push_back(RunRow(study, "loaded", study.loaded_utilization, tied));
  }
  return rows;
}

}  // namespace firebreak::studies
