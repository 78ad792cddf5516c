// How old the calls in flight are: which of them hang.
//
//   CallAges ages;
//   CallAges::Call call = ages.Begin(now);           // ends with `call`
//   CallAges::Look look = ages.LookAt(now, limit);
//   look.oldest;                            // its start, if there is one
//   look.older;                             // how many have passed `limit`
//
// Counters tell how many calls are in flight, and nothing of how long: a server
// that swallows calls looks like one that has much to do. So the start of a
// call is kept in a slot of its thread's stripe, a few dozen of each, and taken
// out when it ends, wherever that is. Where all slots are taken, the age of a
// further call is not known, and it is only counted: those that hang the
// longest keep their slots, so the oldest is known, and `older` is at least so
// many.
//
// Thread safety: safe from any thread, without a lock. Ownership: it outlives
// its calls. Memory: fixed, 2.5 kB. Cost: two atomic operations for each call,
// on a cache line that few threads share.
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
  // Of each stripe.
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
    // Before its time; again does nothing.
    void End() {
      if (ages_ != nullptr) std::exchange(ages_, nullptr)->Free(slot_);
    }

   private:
    friend class CallAges;
    Call(CallAges* ages, size_t slot) : ages_(ages), slot_(slot) {}

    CallAges* ages_ = nullptr;
    size_t slot_ = 0;  // of all stripes, or kNoSlot
  };

  struct Look {
    int64_t known = 0;
    int64_t older = 0;
    int64_t unknown = 0;          // in flight too, of no known age
    absl::optional<Time> oldest;  // when it began
  };

  CallAges();
  CallAges(const CallAges&) = delete;
  CallAges& operator=(const CallAges&) = delete;

  Call Begin(Time now);
  // `older`: those that began `limit` ago, or before.
  Look LookAt(Time now, Duration limit) const;

 private:
  struct alignas(kCacheLine) Stripe {
    std::atomic<uint32_t> taken{0};  // a bit for each slot
    std::array<std::atomic<Time::rep>, kSlots> starts;
  };
  // Of a slot that is free, or taken a moment ago.
  static constexpr Time::rep kNone = Time::min().time_since_epoch().count();

  static constexpr size_t kNoSlot = kStripes * kSlots;

  void Free(size_t slot);

  std::array<Stripe, kStripes> stripes_;
  // Only calls that find no slot write here.
  std::atomic<int64_t> unknown_{0};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_CALL_AGES_H_
