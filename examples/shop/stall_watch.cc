#include "examples/shop/stall_watch.h"

#include <sched.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace shop {
namespace {

constexpr absl::Duration kNap = absl::Milliseconds(1);
// A wake-up that is later than this is a stall, not the scheduler's jitter.
constexpr absl::Duration kLate = absl::Milliseconds(2);
// The time in which the calls that were delayed by the same stall end.
constexpr absl::Duration kWake = absl::Milliseconds(5);

}  // namespace

StallWatch::StallWatch() {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned core = 0; core < cores; ++core) {
    threads_.emplace_back([this, core] { Run(core); });
  }
}

StallWatch::~StallWatch() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

bool StallWatch::Hit(absl::Time from, absl::Time to) const {
  std::lock_guard<std::mutex> lock(mu_);
  return std::any_of(stalls_.begin(), stalls_.end(), [&](const auto& stall) {
    return stall.first <= to && from <= stall.second + kWake;
  });
}

void StallWatch::Run(unsigned core) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(core, &own);
  // If this fails, the thread watches whichever core it runs on.
  sched_setaffinity(0, sizeof own, &own);
  for (absl::Time last = absl::Now(); !stopping_;) {
    absl::SleepFor(kNap);
    const absl::Time now = absl::Now();
    if (now - last > kNap + kLate) {
      std::lock_guard<std::mutex> lock(mu_);
      stalls_.emplace_back(last, now);
    }
    last = now;
  }
}

}  // namespace shop
