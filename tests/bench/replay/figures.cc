#include "tests/bench/replay/figures.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

#include "tools/firebreakctl/foresight/sim_policy.h"

namespace firebreak::bench {
namespace {

constexpr auto kTimer = std::chrono::milliseconds(11);

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(std::max<size_t>(values.size(), 1));
}

}  // namespace

double MedianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double Runs::Show(const char* what, bool of_means) const {
  const double measured = of_means ? MeanOf(measured_) : MedianOf(measured_);
  const double simulated = of_means ? MeanOf(simulated_) : MedianOf(simulated_);
  const double error = measured > 0 ? std::abs(simulated - measured) / measured
                                    : (simulated > 0 ? 1 : 0);
  const auto least = [](const std::vector<double>& of) {
    return of.empty() ? 0 : *std::min_element(of.begin(), of.end());
  };
  const auto most = [](const std::vector<double>& of) {
    return of.empty() ? 0 : *std::max_element(of.begin(), of.end());
  };
  std::printf(
      "  %-16s measured %9.3f (%.3f to %.3f)  simulated %9.3f (%.3f to %.3f)  "
      "error %5.1f%%\n",
      what, measured, least(measured_), most(measured_), simulated,
      least(simulated_), most(simulated_), error * 100);
  return error;
}

double Ms(core::Duration d) { return core::ToSeconds(d) * 1e3; }

TimerWatch::TimerWatch()
    : thread_([this] {
        std::unique_lock<std::mutex> lock(mu_);
        while (!stops_) {
          const auto due = std::chrono::steady_clock::now() + kTimer;
          if (wake_.wait_until(lock, due, [this] { return stops_; })) return;
          late_.push_back(std::chrono::steady_clock::now() - due);
        }
      }) {}

TimerWatch::~TimerWatch() { Stop(); }

std::vector<core::Duration> TimerWatch::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stops_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  return late_;
}

sim::Forecast Simulate(const sim::Recording& recording,
                       const engine::PolicyTable& table,
                       const std::string& channel, uint64_t seed,
                       std::vector<core::Duration> timers_late) {
  sim::Workload workload;
  workload.recording = &recording;
  workload.timers_late = std::move(timers_late);
  workload.seed = seed;
  return sim::RunForecast(workload, ctl::PolicyOf(table, channel));
}

}  // namespace firebreak::bench
