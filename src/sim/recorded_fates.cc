#include "src/sim/recorded_fates.h"

#include <algorithm>

#include "absl/status/status.h"
#include "src/sim/client.h"

namespace firebreak::sim {
namespace {

// The number of recorded calls from which the result of a further attempt is
// drawn.
constexpr size_t kNeighbours = 32;

}  // namespace

RecordedFates::RecordedFates(const Recording& recording, uint64_t seed)
    : recording_(recording), seed_(seed), methods_(recording.methods.size()) {
  for (size_t i = 0; i < recording.calls.size(); ++i) {
    methods_[recording.calls[i].method].rows.push_back(
        static_cast<uint32_t>(i));
  }
}

Reply RecordedFates::Of(size_t method, uint64_t luck, int n) const {
  const auto& calls = recording_.calls;
  if (n == 0 && (luck & kMadeUp) == 0) {
    return Reply{calls[luck].code, calls[luck].latency};
  }
  const std::vector<uint32_t>& rows = methods_[method].rows;
  const size_t end = std::min(
      rows.size(),
      std::max(methods_[method].called + kNeighbours / 2, kNeighbours));
  const size_t begin = end > kNeighbours ? end - kNeighbours : 0;
  const size_t size = end - begin;
  const uint64_t first = AttemptLuck(luck ^ seed_, n).Next() % size;
  for (size_t i = 0; i < size; ++i) {
    const uint32_t row = rows[begin + (first + i) % size];
    // Neither its own call nor a cancelled one shows what it would meet.
    const Recording::Call& call = calls[row];
    const bool is_own = row == luck && size > 1;
    if (is_own || call.code == absl::StatusCode::kCancelled) continue;
    return Reply{call.code, call.latency};
  }
  return Reply{absl::StatusCode::kOk, calls[rows[begin]].latency};
}

std::vector<core::Duration> RecordedFates::FirstSuccesses(size_t method,
                                                          size_t most) const {
  std::vector<core::Duration> out;
  for (const uint32_t row : methods_[method].rows) {
    if (out.size() == most) break;
    const Recording::Call& call = recording_.calls[row];
    if (call.code == absl::StatusCode::kOk) out.push_back(call.latency);
  }
  return out;
}

}  // namespace firebreak::sim
