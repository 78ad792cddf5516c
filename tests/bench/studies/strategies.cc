#include "tests/bench/studies/strategies.h"

#include <utility>

#include "src/sim/firebreak_client.h"

namespace firebreak::studies {

Strategy Naive(std::string name, const sim::NaiveOptions& options) {
  return {std::move(name),
          [options](sim::Simulation* sim, const sim::Target& target, uint64_t,
                    sim::WireCounts* counts) {
            return std::make_unique<sim::NaiveClient>(sim, options, target,
                                                      counts);
          }};
}

Strategy Firebreak(std::string name, const core::MethodOptions& options,
                   const core::BudgetOptions& budget) {
  return {std::move(name),
          [options, budget](sim::Simulation* sim, const sim::Target& target,
                            uint64_t seed, sim::WireCounts* counts) {
            sim::FirebreakClient::Setup setup;
            setup.options = options;
            setup.budget = budget;
            setup.targets = {target};
            setup.seed = seed;
            return std::make_unique<sim::FirebreakClient>(sim, setup, counts);
          }};
}

}  // namespace firebreak::studies
