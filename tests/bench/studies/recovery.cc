#include "tests/bench/studies/recovery.h"

#include <algorithm>
#include <memory>

#include "tests/bench/studies/metastable.h"

namespace firebreak::studies {
namespace {

struct Phase {
  absl::optional<Duration> recovery;
  double sent_in_trouble;
  double sent_after;
};

void Begin(Outage outage, double slow, sim::Server* server) {
  switch (outage) {
    case Outage::kSlow:
      server->SetSpeed(slow);
      break;
    case Outage::kBlackHole:
      server->SetTrouble(sim::Server::Trouble::kSwallows);
      break;
    case Outage::kFrozen:
      server->SetSpeed(0);
      break;
    case Outage::kDead:
      server->SetTrouble(sim::Server::Trouble::kRefuses);
      break;
  }
}

Phase RunPhase(const RecoveryStudy& study, Outage outage, Duration trigger,
               uint64_t seed) {
  const MetastableStudy setting;
  const auto strategies = MetastableStrategies(setting);
  const Strategy& strategy =
      *std::find_if(strategies.begin(), strategies.end(),
                    [](const Strategy& each) { return each.name == kGuarded; });
  sim::Simulation sim;
  sim::ServerOptions options;
  options.workers = setting.workers;
  options.service = sim::Distribution::Constant(setting.service);
  options.honours_cancel = outage == Outage::kFrozen;
  sim::Server server(&sim, options);
  const auto leg = sim::Distribution::Constant(Ms(1));
  const sim::Target target{&server, {leg, leg}};

  const Duration end = study.warm_up + trigger;
  const Duration length = end + study.after;
  sim::WireCounts counts;
  sim::Tally tally(kRecoveryBucket);
  core::Rng seeds(seed);
  std::vector<std::unique_ptr<sim::Client>> clients;
  for (int i = 0; i < setting.clients; ++i) {
    const uint64_t client_seed = seeds.Next();
    clients.push_back(strategy.make(&sim, target, client_seed, &counts));
    sim::RunOpenLoop(&sim, clients.back().get(), setting.calls_per_second,
                     After(length), client_seed, tally.Counter());
  }
  const double usual = setting.clients * setting.calls_per_second;
  Phase phase{};
  sim.RunUntil(After(study.warm_up));
  Begin(outage, setting.speed, &server);
  const Duration last_quarter = trigger / 4;
  sim.RunUntil(After(end - last_quarter));
  const int64_t sent = counts.sent;
  sim.RunUntil(After(end));
  phase.sent_in_trouble = static_cast<double>(counts.sent - sent) /
                          (usual * core::ToSeconds(last_quarter));
  server.SetTrouble(sim::Server::Trouble::kNone);
  server.SetSpeed(1);
  for (int i = 1; i <= 30; ++i) {
    const int64_t before = counts.sent;
    sim.RunUntil(After(end + Ms(100) * i));
    phase.sent_after =
        std::max(phase.sent_after,
                 static_cast<double>(counts.sent - before) / (usual * 0.1));
  }
  sim.RunUntil(After(length + Sec(5)));
  phase.recovery = RecoveryIn(tally.buckets(), end, length);
  return phase;
}

}  // namespace

const char* OutageName(Outage outage) {
  switch (outage) {
    case Outage::kSlow:
      return "slow";
    case Outage::kBlackHole:
      return "black hole";
    case Outage::kFrozen:
      return "frozen";
    case Outage::kDead:
      return "dead";
  }
  return "";
}

std::vector<RecoveryRow> RunRecovery(const RecoveryStudy& study,
                                     Outage outage) {
  std::vector<RecoveryRow> rows;
  for (const Duration trigger : study.triggers) {
    RecoveryRow row{trigger, {}, 0, 0};
    for (int i = 0; i < study.phases; ++i) {
      const Phase phase =
          RunPhase(study, outage, trigger + study.phase_step * i,
                   static_cast<uint64_t>(i) + 1);
      row.recoveries.push_back(phase.recovery);
      row.sent_in_trouble =
          std::max(row.sent_in_trouble, phase.sent_in_trouble);
      row.sent_after = std::max(row.sent_after, phase.sent_after);
    }
    std::sort(row.recoveries.begin(), row.recoveries.end(),
              [](const auto& a, const auto& b) {
                return a.value_or(core::kInfiniteDuration) <
                       b.value_or(core::kInfiniteDuration);
              });
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace firebreak::studies
