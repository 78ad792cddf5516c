#include "src/core/method_stats.h"

namespace firebreak::core {

void MethodStats::OnCallEnded(CallEnd end, absl::StatusCode code,
                              Duration latency) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  Add(&ends_[Index(end)]);
  if (end == CallEnd::kSuccess) latency_.Record(latency);
  if (end == CallEnd::kAbandoned || end == CallEnd::kRejected) return;
  const auto n = static_cast<size_t>(code);
  // A server may send a number that no code has; UNKNOWN is what it means.
  Add(&codes_[n < codes_.size() ? n : Index(absl::StatusCode::kUnknown)]);
}

void MethodStats::OnRejected(Reason reason) {
  Add(&rejections_[Index(reason)]);
  OnCallEnded(CallEnd::kRejected, absl::StatusCode::kOk, Duration::zero());
}

MethodCounts MethodStats::counts() const {
  auto read = [](const Counter& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  auto read_all = [&](const auto& from, auto* to) {
    for (size_t i = 0; i < from.size(); ++i) (*to)[i] = read(from[i]);
  };
  MethodCounts counts;
  read_all(ends_, &counts.ends);
  read_all(codes_, &counts.codes);
  read_all(rejections_, &counts.rejections);
  read_all(stops_, &counts.stops);
  read_all(attempts_, &counts.attempts);
  read_all(attributions_, &counts.attributions);
  counts.calls = read(calls_);
  counts.in_flight = read(in_flight_);
  counts.hedge_wins = read(hedge_wins_);
  counts.fallbacks = read(fallbacks_);
  return counts;
}

}  // namespace firebreak::core
