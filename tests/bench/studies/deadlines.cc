#include "tests/bench/studies/deadlines.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/types/optional.h"
#include "src/sim/firebreak_client.h"

namespace firebreak::studies {
namespace {

struct Group {
  Duration deadline;
  sim::WireCounts sent{};
  sim::Tally calls{Sec(1)};
};

// Gives each call one of the deadlines at random.
class MixedCaller : public sim::Client {
 public:
  MixedCaller(sim::Simulation* sim, const sim::FirebreakClient::Setup& setup,
              std::vector<Group>* groups)
      : sim_(sim), client_(sim, setup, &groups->back().sent), groups_(groups) {}

  void Call(uint64_t luck, sim::OnCallEnd on_end) override {
    core::Rng rng(luck);
    Group& group = (*groups_)[static_cast<size_t>(
        rng.Uniform() * static_cast<double>(groups_->size()))];
    client_.CallBy(
        sim_->now() + group.deadline, rng.Next(), &group.sent,
        [&group, on_end = std::move(on_end)](const sim::CallResult& call) {
          group.calls.Add(call);
          on_end(call);
        });
  }

 private:
  sim::Simulation* const sim_;
  sim::FirebreakClient client_;
  std::vector<Group>* const groups_;
};

double Share(int64_t of, int64_t all) {
  return all == 0 ? 0 : static_cast<double>(of) / static_cast<double>(all);
}

DeadlineCell Summary(double deadline, const sim::WireCounts& sent,
                     const sim::Tally& calls) {
  return {deadline, Share(sent.doomed, sent.sent), calls.success(),
          Share(sent.sent, calls.calls())};
}

DeadlineRow RunRow(const DeadlineStudy& study, const std::string& name,
                   double utilization, absl::optional<int64_t> queue_limit,
                   Gate gate) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.workers = study.workers;
  options.service =
      sim::Distribution::LogNormal(study.mean_service, study.service_deviation);
  options.failure_rate = study.failure_rate;
  options.queue_limit = queue_limit;
  sim::Server server(&sim, options);

  sim::FirebreakClient::Setup setup;
  setup.targets = {{&server, {}}};
  setup.options.retry = core::RetryOptions{};
  setup.options.retry->backoff.initial = study.median() / 4;
  if (gate != Gate::kOff) {
    setup.options.deadline_gate = core::DeadlineGateOptions{};
    setup.options.deadline_gate->first_attempt = gate == Gate::kAll;
  }

  std::vector<Group> groups;
  for (const double deadline : study.deadlines) {
    groups.push_back({core::Scale(study.median(), deadline)});
  }
  sim::Tally all;
  core::Rng seeds(study.seed);
  std::vector<std::unique_ptr<MixedCaller>> callers;
  const double calls_per_second =
      utilization * study.workers / core::ToSeconds(study.mean_service);
  for (int i = 0; i < study.clients; ++i) {
    setup.seed = seeds.Next();
    callers.push_back(std::make_unique<MixedCaller>(&sim, setup, &groups));
    sim::RunOpenLoop(&sim, callers.back().get(),
                     calls_per_second / study.clients, After(study.length),
                     setup.seed, all.Counter());
  }
  sim.Run();

  DeadlineRow row{name, gate, {}, 0};
  sim::WireCounts sent{};
  for (size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    row.cells.push_back(Summary(study.deadlines[i], group.sent, group.calls));
    sent.sent += group.sent.sent;
    sent.doomed += group.sent.doomed;
  }
  row.cells.push_back(Summary(0, sent, all));
  const sim::Server::Stats stats = server.stats();
  row.wasted = core::ToSeconds(stats.wasted) /
               std::max(core::ToSeconds(stats.busy), 1e-9);
  return row;
}

}  // namespace

Duration DeadlineStudy::median() const {
  const double ratio =
      core::ToSeconds(service_deviation) / core::ToSeconds(mean_service);
  return core::Scale(mean_service, 1 / std::sqrt(1 + ratio * ratio));
}

const char* GateName(Gate gate) {
  switch (gate) {
    case Gate::kOff:
      return "off";
    case Gate::kRetries:
      return "for retries";
    case Gate::kAll:
      return "for all";
  }
  return "";
}

std::vector<DeadlineRow> RunDeadlines(const DeadlineStudy& study) {
  std::vector<DeadlineRow> rows;
  for (const Gate gate : {Gate::kOff, Gate::kRetries, Gate::kAll}) {
    rows.push_back(RunRow(study, "idle", study.idle, absl::nullopt, gate));
    rows.push_back(
        RunRow(study, "overloaded", study.overloaded, study.queue_limit, gate));
    rows.push_back(
        RunRow(study, "drowned", study.overloaded, absl::nullopt, gate));
  }
  return rows;
}

const DeadlineRow& Find(const std::vector<DeadlineRow>& rows,
                        const std::string& server, Gate gate) {
  return *std::find_if(rows.begin(), rows.end() - 1,
                       [&](const DeadlineRow& row) {
                         return row.server == server && row.gate == gate;
                       });
}

}  // namespace firebreak::studies
