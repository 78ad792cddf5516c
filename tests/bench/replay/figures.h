// A figure that was measured several times, and simulated as often.
//
//   Runs p99;
//   p99.Add(measured, simulated);             // for each run
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
  // Prints the medians (or the means) and the spreads. Returns how far the two
  // medians (or means) are apart, as a share of the measured one.
  double Show(const char* what, bool of_means = false) const;

 private:
  std::vector<double> measured_;
  std::vector<double> simulated_;
};

double Ms(core::Duration d);

// Measures how late the timers of this process fire, with a thread that waits
// for one after the other, as the engine's does, and does nothing else.
class TimerWatch {
 public:
  TimerWatch();
  ~TimerWatch();
  // Ends the thread, and returns how late each of its timers was.
  std::vector<core::Duration> Stop();

 private:
  std::mutex mu_;
  std::condition_variable wake_;
  bool stops_ = false;
  std::vector<core::Duration> late_;
  std::thread thread_;
};

// Simulates what the channel's part of the policy would have done with these
// calls.
sim::Forecast Simulate(const sim::Recording& recording,
                       const engine::PolicyTable& table,
                       const std::string& channel, uint64_t seed,
                       std::vector<core::Duration> timers_late);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_REPLAY_FIGURES_H_
