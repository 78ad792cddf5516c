// Nothing grows: under a long load with every fault, while engines come and go
// and channels are destroyed, memory, threads and descriptors stay the same.
//
//   FIREBREAK_SOAK_SECONDS=600   the length in seconds (the nightly run)
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "tests/support/accounting.h"
#include "tests/support/call_plans.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

using Clock = std::chrono::steady_clock;

// Each round has its own engine, servers and channels.
constexpr size_t kCallsOfARound = 4000;
// In the first rounds the heap, gRPC's caches and its threads reach their size.
constexpr size_t kWarmUpRounds = 5;
constexpr size_t kRoundsToCompare = 4;

std::chrono::seconds Duration() {
  const char* const seconds = std::getenv("FIREBREAK_SOAK_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 5 : std::atoi(seconds));
}

struct Sample {
  double resident_mb = 0;
  size_t threads = 0;
  size_t descriptors = 0;
};

size_t CountEntries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

Sample TakeSample() {
  malloc_trim(0);
  Sample sample;
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  sample.resident_mb = pages * 4096 / 1e6;
  sample.threads = CountEntries("/proc/self/task");
  sample.descriptors = CountEntries("/proc/self/fd");
  return sample;
}

template <class Member>
double Median(std::vector<Sample> samples, Member member) {
  std::sort(samples.begin(), samples.end(), [&](const auto& a, const auto& b) {
    return a.*member < b.*member;
  });
  const size_t middle = samples.size() / 2;
  return static_cast<double>(samples[middle].*member);
}

TEST(SoakTest, MemoryThreadsAndDescriptorsStayFlat) {
  const auto end = Clock::now() + Duration();
  std::vector<Sample> samples;
  size_t rounds = 0;
  while (Clock::now() < end || samples.size() < 2 * kRoundsToCompare) {
    const uint64_t seed = ++rounds;
    {
      Accounting books(kCallsOfARound,
                       [seed](size_t id) { return WildPlan(seed, id); });
      books.Run();
      books.ExpectBalanced();
    }
    if (rounds <= kWarmUpRounds) continue;
    samples.push_back(TakeSample());
    if (samples.size() % 20 == 1) {
      std::printf("round %zu: %.1f MB, %zu threads, %zu descriptors\n", rounds,
                  samples.back().resident_mb, samples.back().threads,
                  samples.back().descriptors);
      std::fflush(stdout);
    }
  }
  // Compares a fifth of them at each end, and at least kRoundsToCompare.
  const auto n = static_cast<std::ptrdiff_t>(
      std::max(samples.size() / 5, kRoundsToCompare));
  const std::vector<Sample> first(samples.begin(), samples.begin() + n);
  const std::vector<Sample> last(samples.end() - n, samples.end());
  std::printf(
      "%zu rounds of %zu calls: memory %.1f to %.1f MB, threads %.0f "
      "to %.0f, descriptors %.0f to %.0f (medians of %td rounds)\n",
      rounds, kCallsOfARound, Median(first, &Sample::resident_mb),
      Median(last, &Sample::resident_mb), Median(first, &Sample::threads),
      Median(last, &Sample::threads), Median(first, &Sample::descriptors),
      Median(last, &Sample::descriptors), n);
#ifndef ABSL_HAVE_ADDRESS_SANITIZER  // which keeps what is freed for a while
  EXPECT_LT(Median(last, &Sample::resident_mb),
            Median(first, &Sample::resident_mb) * 1.05 + 4);
#endif
  // gRPC may start and end some of its threads at any time.
  EXPECT_LE(Median(last, &Sample::threads),
            Median(first, &Sample::threads) + 4);
  EXPECT_LE(Median(last, &Sample::descriptors),
            Median(first, &Sample::descriptors) + 4);
}

}  // namespace
}  // namespace firebreak::testing
