#include "tests/bench/studies/storm.h"

#include <algorithm>
#include <memory>

namespace firebreak::studies {
namespace {

StormCell RunCell(const StormStudy& study, const Strategy& strategy,
                  double failure_rate) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.workers = 0;
  options.service = sim::Distribution::Constant(Duration::zero());
  options.failure_rate = failure_rate;
  sim::Server server(&sim, options);
  const auto leg = sim::Distribution::Exponential(study.mean_leg);
  const sim::Target target{&server, {leg, leg}};

  sim::WireCounts counts;
  sim::Tally tally;
  core::Rng seeds(study.seed);
  std::vector<std::unique_ptr<sim::Client>> clients;
  for (int i = 0; i < study.clients; ++i) {
    const uint64_t seed = seeds.Next();
    clients.push_back(strategy.make(&sim, target, seed, &counts));
    sim::RunOpenLoop(&sim, clients.back().get(), study.calls_per_second,
                     After(study.length), seed, tally.Counter());
  }
  sim.Run();
  return {failure_rate, tally.success(), tally.load()};
}

}  // namespace

std::vector<Strategy> StormStrategies() {
  sim::NaiveOptions none;
  sim::NaiveOptions three;
  three.max_retries = 3;
  // As published, it retries as long as there are tokens.
  sim::NaiveOptions bucket;
  bucket.max_retries = 1'000'000;
  bucket.bucket.emplace();
  sim::NaiveOptions breaker = three;
  breaker.stop_above_failures = 0.1;

  core::MethodOptions retry;
  retry.retry = core::RetryOptions{};
  core::BudgetOptions floor;
  floor.floor = 1;
  core::MethodOptions adaptive = retry;
  adaptive.retry->adaptive.emplace();
  core::MethodOptions guarded = retry;
  guarded.breaker = core::BreakerOptions{};
  return {Naive(kNoRetry, none),
          Naive("3 retries", three),
          Naive("token bucket", bucket),
          Naive("stop above 10 %", breaker),
          Firebreak(kFirebreak, retry),
          Firebreak(kFirebreakFloor, retry, floor),
          Firebreak("firebreak, adaptive", adaptive),
          Firebreak(kFirebreakBreaker, guarded)};
}

std::vector<StormRow> RunStorm(const StormStudy& study) {
  std::vector<StormRow> rows;
  for (const Strategy& strategy : StormStrategies()) {
    rows.push_back({strategy.name, {}});
    for (const double failure_rate : study.failure_rates) {
      rows.back().cells.push_back(RunCell(study, strategy, failure_rate));
    }
  }
  return rows;
}

const StormRow& Find(const std::vector<StormRow>& rows,
                     const std::string& strategy) {
  return *std::find_if(rows.begin(), rows.end() - 1, [&](const StormRow& row) {
    return row.strategy == strategy;
  });
}

double LargestLoad(const StormRow& row) {
  double largest = 0;
  for (const StormCell& cell : row.cells) {
    largest = std::max(largest, cell.load);
  }
  return largest;
}

double SuccessAt(const StormRow& row, double failure_rate) {
  for (const StormCell& cell : row.cells) {
    if (cell.failure_rate == failure_rate) return cell.success;
  }
  return 0;
}

int WorseThan(const StormRow& none, const StormRow& row) {
  int worse = 0;
  for (const StormCell& cell : row.cells) {
    if (cell.success < SuccessAt(none, cell.failure_rate)) ++worse;
  }
  return worse;
}

double Hurt(const std::vector<StormRow>& rows) {
  const StormRow& none = Find(rows, kNoRetry);
  const StormRow& alone = Find(rows, kFirebreak);
  double most = 0;
  for (const StormCell& cell : Find(rows, kFirebreakBreaker).cells) {
    if (cell.failure_rate > 0.5) continue;
    const double best = std::max(SuccessAt(none, cell.failure_rate),
                                 SuccessAt(alone, cell.failure_rate));
    most = std::max(most, best - cell.success);
  }
  return most;
}

std::vector<LoadCell> RunLoads(uint64_t seed) {
  core::MethodOptions retry;
  retry.retry = core::RetryOptions{};
  const Strategy strategy = Firebreak(kFirebreak, retry);
  std::vector<LoadCell> cells;
  for (const double rate : {0.1, 10.0, 10'000.0}) {
    StormStudy study;
    study.seed = seed;
    study.calls_per_second = rate;
    study.clients = rate > 100 ? 2 : 50;
    study.length = core::Scale(Sec(1), (rate > 100 ? 50'000 : 1'000) / rate);
    LoadCell cell{rate, 0, 0};
    for (const double failure_rate : study.failure_rates) {
      const StormCell one = RunCell(study, strategy, failure_rate);
      cell.load = std::max(cell.load, one.load);
      if (failure_rate == 0.05) cell.success_at_5 = one.success;
    }
    cells.push_back(cell);
  }
  return cells;
}

double LoadBound(const StormStudy& study, const core::BudgetOptions& budget) {
  const double calls_each =
      study.calls_per_second * core::ToSeconds(study.length);
  return 1 + budget.ratio + budget.floor / study.calls_per_second +
         budget.initial.value_or(budget.burst) / calls_each;
}

}  // namespace firebreak::studies
