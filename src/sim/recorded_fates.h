// What the attempts of recorded calls meet when they are made again.
//
//   RecordedFates fates(recording, seed);
//   fates.OnCall(method);
//   Reply first = fates.Of(method, row, 0);     // as it was recorded
//   Reply hedge = fates.Of(method, row, 1);     // what others met then
//
// A first attempt meets what was recorded of its call. Nobody saw what a
// further attempt would have met, so that is drawn from the calls of the method
// at about that time. The same holds for a call that was not recorded.
//
// Thread safety: none. Ownership: the recording outlives it.
#ifndef FIREBREAK_SRC_SIM_RECORDED_FATES_H_
#define FIREBREAK_SRC_SIM_RECORDED_FATES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "src/core/base/time.h"
#include "src/sim/recording.h"
#include "src/sim/server.h"

namespace firebreak::sim {

class RecordedFates {
 public:
  // Marks the luck of a call that is no row of the recording.
  static constexpr uint64_t kMadeUp = uint64_t{1} << 63;

  RecordedFates(const Recording& recording, uint64_t seed);

  // The next recorded call of the method begins.
  void OnCall(size_t method) { ++methods_[method].called; }
  // Attempt `n` of a call: `luck` is its row, or has kMadeUp.
  Reply Of(size_t method, uint64_t luck, int n) const;
  // The latencies of the first calls of the method that succeeded.
  std::vector<core::Duration> FirstSuccesses(size_t method, size_t most) const;

 private:
  struct Method {
    std::vector<uint32_t> rows;
    size_t called = 0;  // of the rows
  };

  const Recording& recording_;
  const uint64_t seed_;
  std::vector<Method> methods_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_RECORDED_FATES_H_
