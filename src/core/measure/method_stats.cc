#include "src/core/measure/method_stats.h"

#include <algorithm>

namespace firebreak::core {

void MethodStats::OnCallEnded(CallEnd end, absl::StatusCode code,
                              Duration latency) {
  Counters& mine = Mine();
  if (end == CallEnd::kSuccess) latency_.Record(latency);
  if (end != CallEnd::kAbandoned && end != CallEnd::kRejected) {
    const auto n = static_cast<size_t>(code);
    // A server may send a number that is no status code; it counts as UNKNOWN.
    Add(&mine.codes[n < mine.codes.size() ? n
                                          : Index(absl::StatusCode::kUnknown)]);
  }
  // Release, for counts(): a thread that reads this end also sees the call's
  // start, which may be in another stripe.
  mine.ends[Index(end)].fetch_add(1, std::memory_order_release);
}

void MethodStats::OnRejected(Reason reason) {
  Add(&Mine().rejections[Index(reason)]);
  OnCallEnded(CallEnd::kRejected, absl::StatusCode::kOk, Duration::zero());
}

void MethodStats::OnExtraAttempts(int retries, int hedges) {
  const auto add = [](int n, auto* to) {
    if (n <= 0) return;
    Add(&(*to)[std::min<size_t>(static_cast<size_t>(n), to->size()) - 1]);
  };
  add(retries, &Mine().retries_of_calls);
  add(hedges, &Mine().hedges_of_calls);
}

MethodCounts MethodStats::counts() const {
  auto add = [](const Counter& counter, int64_t* to) {
    *to += counter.load(std::memory_order_relaxed);
  };
  auto add_all = [&](const auto& from, auto* to) {
    for (size_t i = 0; i < from.size(); ++i) add(from[i], &(*to)[i]);
  };
  MethodCounts counts;
  // The ends are read first, with acquire: the start of each call that has
  // ended is then visible below, so there are never more ends than starts.
  int64_t ended = 0;
  for (const Counters& each : stripes_) {
    for (size_t i = 0; i < each.ends.size(); ++i) {
      const int64_t n = each.ends[i].load(std::memory_order_acquire);
      counts.ends[i] += n;
      ended += n;
    }
  }
  for (const Counters& each : stripes_) {
    add_all(each.codes, &counts.codes);
    add_all(each.rejections, &counts.rejections);
    add_all(each.stops, &counts.stops);
    add_all(each.attempts, &counts.attempts);
    add_all(each.attributions, &counts.attributions);
    add_all(each.retries_of_calls, &counts.retries_of_calls);
    add_all(each.hedges_of_calls, &counts.hedges_of_calls);
    add(each.hedge_wins, &counts.hedge_wins);
    add(each.fallbacks, &counts.fallbacks);
    add(each.calls, &counts.calls);
  }
  counts.in_flight = counts.calls - ended;
  return counts;
}

}  // namespace firebreak::core
