// A buffer for samples on their way to a table of counters that threads share.
//
//   SampleBuffer buffer;
//   auto count = [&](uint16_t bucket) { ++buckets_[bucket]; };
//   buffer.Add(bucket, count);   // now or later
//   buffer.HandOn(count);        // before the table is read
//
// Calls of one method take about the same time, so all its threads increment
// counters on the same few cache lines. With this buffer they do so once per
// kBatch samples: until then each thread writes to its own cache line.
//
// No sample is lost, and each is passed on once. A sample that is added while
// HandOn() runs may be passed on by the next one. When no thread adds samples,
// HandOn() passes on all of them.
//
// Thread safety: safe from any thread, if `count` is; it runs while a stripe is
// held (striped.h). Memory: half a kilobyte.
#ifndef FIREBREAK_SRC_CORE_MEASURE_SAMPLE_BUFFER_H_
#define FIREBREAK_SRC_CORE_MEASURE_SAMPLE_BUFFER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "src/core/base/striped.h"

namespace firebreak::core {

class SampleBuffer {
 public:
  template <class Count>
  void Add(uint16_t sample, Count count) {
    if (auto mine = stripes_.TryHold()) {
      mine->samples[mine->size++] = sample;
      if (mine->size == kBatch) Empty(mine.get(), count);
    } else {
      count(sample);
    }
  }

  template <class Count>
  void HandOn(Count count) {
    stripes_.ForEachFree([&](Batch* batch) { Empty(batch, count); });
  }

 private:
  static constexpr size_t kBatch = 28;
  struct Batch {
    uint16_t size = 0;
    std::array<uint16_t, kBatch> samples{};
  };
  // A batch and the flag of its stripe fit into one cache line.
  static_assert(sizeof(Batch) + sizeof(uint16_t) <= kCacheLine);

  template <class Count>
  static void Empty(Batch* batch, Count count) {
    const size_t size = std::exchange(batch->size, uint16_t{0});
    for (size_t i = 0; i < size; ++i) count(batch->samples[i]);
  }

  Striped<Batch> stripes_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_SAMPLE_BUFFER_H_
