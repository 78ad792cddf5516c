// The ages of the calls in flight, to find those that hang.
//
//   CallAges ages;
//   CallAges::Call call = ages.Begin(now);  // in flight while `call` lives
//   CallAges::Look look = ages.LookAt(now, limit);
//   look.oldest;                            // the start of the oldest
//   look.older;                             // how many are older than `limit`
//
// A counter of the calls in flight does not show their age, so a server that
// hangs looks like one that is busy. Therefore each call keeps its start in a
// slot of its thread's stripe, which has a few dozen, and frees the slot when
// it ends, on any thread. If all slots of this stripe and of the next one are
// taken, a further call is only counted, without its age. The calls that hang
// longest keep their slots, so the oldest is known, and `older` is a lower
// bound.
//
// Thread safety: safe from any thread, without a lock. Ownership: it outlives
// its calls. Memory: fixed, 2.5 kB. Cost: two atomic operations per call, on a
// cache line that few threads share.
#ifndef FIREBREAK_SRC_CORE_MEASURE_CALL_AGES_H_
#define FIREBREAK_SRC_CORE_MEASURE_CALL_AGES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/types/optional.h"
#include "src/core/base/striped.h"
#include "src/core/base/time.h"

namespace firebreak::core {

class CallAges {
 public:
  // The slots of each stripe.
  static constexpr size_t kSlots = 32;

  // One call in flight, or none.
  class Call {
   public:
    Call() = default;
    Call(Call&& other) noexcept
        : ages_(std::exchange(other.ages_, nullptr)), slot_(other.slot_) {}
    Call& operator=(Call&& other) noexcept {
      if (this == &other) return *this;
      End();
      ages_ = std::exchange(other.ages_, nullptr);
      slot_ = other.slot_;
      return *this;
    }
    ~Call() { End(); }
    // Ends the call before the destructor does. A second call does nothing.
    void End() {
      if (ages_ != nullptr) std::exchange(ages_, nullptr)->Free(slot_);
    }

   private:
    friend class CallAges;
    Call(CallAges* ages, size_t slot) : ages_(ages), slot_(slot) {}

    CallAges* ages_ = nullptr;
    size_t slot_ = 0;  // an index over all stripes, or kNoSlot
  };

  struct Look {
    int64_t known = 0;
    int64_t older = 0;
    int64_t unknown = 0;          // in flight too, but their age is not known
    absl::optional<Time> oldest;  // the start of the oldest call
  };

  CallAges();
  CallAges(const CallAges&) = delete;
  CallAges& operator=(const CallAges&) = delete;

  Call Begin(Time now);
  // `older` counts the calls that began `limit` ago or earlier.
  Look LookAt(Time now, Duration limit) const;

 private:
  struct alignas(kCacheLine) Stripe {
    std::atomic<uint32_t> taken{0};  // a bit for each slot
    std::array<std::atomic<Time::rep>, kSlots> starts;
  };
  // The start in a slot that is free, or was taken a moment ago.
  static constexpr Time::rep kNone = Time::min().time_since_epoch().count();

  static constexpr size_t kNoSlot = kStripes * kSlots;

  void Free(size_t slot);

  std::array<Stripe, kStripes> stripes_;
  // Only calls that find no slot write here.
  std::atomic<int64_t> unknown_{0};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_CALL_AGES_H_
