#include "tests/bench/studies/fanout.h"

#include <algorithm>
#include <memory>

#include "src/core/base/duration.h"
#include "src/sim/firebreak_client.h"

namespace firebreak::studies {
namespace {

// Makes one request after the other, each with `width` reads at once.
class Requests {
 public:
  Requests(sim::Simulation* sim, sim::Client* client, const FanoutStudy& study)
      : sim_(sim), client_(client), study_(study), lucks_(study.seed) {
    latencies_.reserve(static_cast<size_t>(study.requests));
  }

  void Begin() {
    const Time started = sim_->now();
    missing_ = study_.width;
    for (int i = 0; i < study_.width; ++i) {
      client_->Call(lucks_.Next(), [this, started](const sim::CallResult&) {
        if (--missing_ > 0) return;
        latencies_.push_back(sim_->now() - started);
        if (static_cast<int>(latencies_.size()) == study_.requests) return;
        // The next request must not begin within the call that just ended.
        sim_->After(Ms(1), [this] { Begin(); });
      });
    }
  }

  const std::vector<Duration>& latencies() const { return latencies_; }

 private:
  sim::Simulation* const sim_;
  sim::Client* const client_;
  const FanoutStudy study_;
  core::Rng lucks_;
  int missing_ = 0;
  std::vector<Duration> latencies_;
};

FanoutRow RunRow(const FanoutStudy& study, const std::string& name,
                 const sim::Distribution& leaf, bool hedges) {
  sim::Simulation sim;
  sim::ServerOptions options;
  options.workers = 0;
  options.service = leaf;
  options.honours_cancel = true;
  sim::Server first(&sim, options);
  sim::Server second(&sim, options);

  sim::FirebreakClient::Setup setup;
  setup.targets = {{&first, {}}, {&second, {}}};
  if (hedges) {
    setup.options.hedging = core::HedgingOptions{};
    setup.options.hedging->delay = study.hedge_after;
  }
  sim::WireCounts counts;
  sim::FirebreakClient client(&sim, setup, &counts);
  Requests requests(&sim, &client, study);
  requests.Begin();
  sim.Run();

  const double reads =
      static_cast<double>(study.requests) * static_cast<double>(study.width);
  return {name,
          hedges ? "after " + core::FormatDuration(study.hedge_after) : "none",
          sim::Quantile(requests.latencies(), 0.5),
          sim::Quantile(requests.latencies(), 0.99),
          sim::Quantile(requests.latencies(), 0.999),
          static_cast<double>(counts.sent) / reads - 1};
}

}  // namespace

sim::Distribution CalibratedLeaf() {
  return sim::Distribution::Tail({{Ms(1), 1},
                                  {Ms(10), 0.02},
                                  {Ms(69), 0.00316},
                                  {Ms(1800), 1e-5},
                                  {Ms(3000), 1e-6}});
}

sim::Distribution ParetoLeaf() {
  return sim::Distribution::Tail(
      {{Ms(1), 1}, {Ms(10), 0.02}, {Ms(1800), 1e-5}, {Ms(3000), 1e-6}});
}

std::vector<FanoutRow> RunFanout(const FanoutStudy& study) {
  std::vector<FanoutRow> rows;
  for (const bool hedges : {false, true}) {
    rows.push_back(RunRow(study, "calibrated", CalibratedLeaf(), hedges));
  }
  for (const bool hedges : {false, true}) {
    rows.push_back(RunRow(study, "Pareto", ParetoLeaf(), hedges));
  }
  return rows;
}

}  // namespace firebreak::studies
