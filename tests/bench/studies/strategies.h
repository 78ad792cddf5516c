// The ways of retrying that the studies compare, by name.
//
//   for (const Strategy& strategy : StormStrategies()) {
//     auto client = strategy.make(&sim, target, seed, &counts);
//     ...
//   }
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_STRATEGIES_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_STRATEGIES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "src/core/options.h"
#include "src/sim/client.h"
#include "src/sim/naive_client.h"
#include "src/sim/simulation.h"
#include "src/sim/wire.h"

namespace firebreak::studies {

using core::Duration;
using core::Time;

struct Strategy {
  std::string name;
  std::function<std::unique_ptr<sim::Client>(
      sim::Simulation*, const sim::Target&, uint64_t seed, sim::WireCounts*)>
      make;
};

inline constexpr Duration Ms(int64_t n) { return std::chrono::milliseconds(n); }
inline constexpr Duration Sec(int64_t n) { return std::chrono::seconds(n); }
inline constexpr Time After(Duration since_start) {
  return Time{} + since_start;
}

Strategy Naive(std::string name, const sim::NaiveOptions& options);
Strategy Firebreak(std::string name, const core::MethodOptions& options,
                   const core::BudgetOptions& budget = {});

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_STRATEGIES_H_
