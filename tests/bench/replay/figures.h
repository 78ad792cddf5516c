// A figure that was measured several times, beside what was simulated of it.
//
//   Runs p99;
//   p99.Add(measured, simulated);             // of each run
//   double error = p99.Show("p99 (ms)");      // of the medians
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_BENCH_REPLAY_FIGURES_H_
#define FIREBREAK_TESTS_BENCH_REPLAY_FIGURES_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/core/base/time.h"
#include "src/engine/policy/policy_table.h"
#include "src/sim/forecast.h"
#include "src/sim/recording.h"

namespace firebreak::bench {

double MedianOf(std::vector<double> values);

class Runs {
 public:
  void Add(double measured, double simulated) {
    measured_.push_back(measured);
    simulated_.push_back(simulated);
  }
  // Prints the medians (or the means) and the spreads. Returns how far they are
  // apart, as a share of what was measured.
  double Show(const char* what, bool of_means = false) const;

 private:
  std::vector<double> measured_;
  std::vector<double> simulated_;
};

double Ms(core::Duration d);

// How late this process is with its timers: a thread that waits for one after
// the other, as the engine's does, and does nothing else.
class TimerWatch {
 public:
  TimerWatch();
  ~TimerWatch();
  // What it has seen so far; ends it.
  std::vector<core::Duration> Stop();

 private:
  std::mutex mu_;
  std::condition_variable wake_;
  bool stops_ = false;
  std::vector<core::Duration> late_;
  std::thread thread_;
};

// What the channel's part of the policy would have done with these calls.
sim::Forecast Simulate(const sim::Recording& recording,
                       const engine::PolicyTable& table,
                       const std::string& channel, uint64_t seed,
                       std::vector<core::Duration> timers_late);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_REPLAY_FIGURES_H_
