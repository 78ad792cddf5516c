// The live quantile in a feedback loop with its own hedges: in virtual time,
// for the service of the hedging bench, compared with the optimum.
#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/attempts/hedging.h"
#include "src/core/measure/latency_model.h"
#include "tests/bench/hedging/ideal.h"
#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {
namespace {

using core::Duration;
using core::LatencyModel;
using core::Time;

struct Result {
  double extra = 0;
  double p99_ms = 0;
  double p999_ms = 0;
};

// The end of a call, with which the model is updated: its attempts, and which
// of them answered.
struct End {
  Time at;
  Duration took;
  bool answered;
  bool operator>(const End& other) const { return at > other.at; }
};

// Runs 20 callers, each of which waits for its answer before its next call.
Result RunLoop(const core::HedgingOptions& options, int calls) {
  LatencyModel model;
  std::vector<Time> free(20);
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  std::vector<double> ms;
  int64_t hedges = 0;
  const int warm_up = calls / 10;
  for (int call = 0; call < warm_up + calls; ++call) {
    Time& caller = *std::min_element(free.begin(), free.end());
    const Time now = caller;
    for (; !ends.empty() && ends.top().at <= now; ends.pop()) {
      const End& end = ends.top();
      if (end.answered) {
        model.Record(end.took, end.at);
      } else {
        model.RecordAtLeast(end.took, end.at);
      }
    }
    const Duration delay = core::HedgeDelay(options, &model, now);
    std::vector<std::pair<Duration, Duration>> attempts;  // start, end
    Duration end = Duration::max();
    for (int n = 0; n < options.max_attempts && delay * n < end; ++n) {
      attempts.emplace_back(delay * n,
                            delay * n + DrawSleep(1, call, n, kStragglers));
      end = std::min(end, attempts.back().second);
    }
    for (const auto& [started, ended] : attempts) {
      ends.push({now + end, end - started, ended == end});
    }
    caller = now + end;
    if (call < warm_up) continue;
    hedges += static_cast<int64_t>(attempts.size()) - 1;
    ms.push_back(core::ToSeconds(end) * 1000);
  }
  std::sort(ms.begin(), ms.end());
  const auto at = [&ms](double q) {
    return ms[static_cast<size_t>(q * static_cast<double>(ms.size()))];
  };
  return {static_cast<double>(hedges) / calls, at(0.99), at(0.999)};
}

TEST(HedgingLoopTest, CostsWhatTheQuantileSaysAndIsNearTheBest) {
  for (double q : {0.8, 0.9, 0.95}) {
    for (int hedges : {1, 2}) {
      SCOPED_TRACE(q);
      core::HedgingOptions options;
      options.max_attempts = hedges + 1;
      options.quantile = q;
      const Result result = RunLoop(options, 40'000);

      Ideal ideal;
      ideal.hedges = hedges;
      ideal.delay_ms = ideal.DelayFor(1 - q + (hedges - 1) * (1 - q) * 0.05);
      EXPECT_NEAR(result.extra, ideal.Extra(), ideal.Extra() * 0.1);
      ideal.delay_ms = ideal.DelayFor(result.extra);
      EXPECT_NEAR(result.p99_ms, ideal.Quantile(0.99),
                  ideal.Quantile(0.99) * 0.05);
      EXPECT_LT(result.p999_ms, ideal.Quantile(0.999) * 1.08);
    }
  }
}

}  // namespace
}  // namespace firebreak::bench
