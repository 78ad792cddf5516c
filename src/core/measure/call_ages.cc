#include "src/core/measure/call_ages.h"

#include <algorithm>

namespace firebreak::core {
namespace {

static_assert(CallAges::kSlots == 32, "a slot is a bit of a uint32_t");

// The index of the lowest bit that is not set in `bits`, which has one.
size_t LowestFree(uint32_t bits) {
  size_t n = 0;
  for (uint32_t free = ~bits; (free & 1) == 0; free >>= 1) ++n;
  return n;
}

}  // namespace

CallAges::CallAges() {
  for (Stripe& stripe : stripes_) {
    for (auto& start : stripe.starts) {
      start.store(kNone, std::memory_order_relaxed);
    }
  }
}

CallAges::Call CallAges::Begin(Time now) {
  // Tries the next stripe too, since one thread may start all calls.
  for (size_t i = 0; i < 2; ++i) {
    const size_t stripe = (MyStripe() + i) % kStripes;
    Stripe& mine = stripes_[stripe];
    uint32_t taken = mine.taken.load(std::memory_order_relaxed);
    while (taken != ~uint32_t{0}) {
      const size_t slot = LowestFree(taken);
      // Acquire: this write to the slot comes after that of the thread that
      // freed it.
      if (!mine.taken.compare_exchange_weak(taken, taken | uint32_t{1} << slot,
                                            std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
        continue;
      }
      mine.starts[slot].store(now.time_since_epoch().count(),
                              std::memory_order_relaxed);
      return Call(this, stripe * kSlots + slot);
    }
  }
  unknown_.fetch_add(1, std::memory_order_relaxed);
  return Call(this, kNoSlot);
}

void CallAges::Free(size_t slot) {
  if (slot == kNoSlot) {
    unknown_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  Stripe& stripe = stripes_[slot / kSlots];
  stripe.starts[slot % kSlots].store(kNone, std::memory_order_relaxed);
  stripe.taken.fetch_and(~(uint32_t{1} << slot % kSlots),
                         std::memory_order_release);
}

CallAges::Look CallAges::LookAt(Time now, Duration limit) const {
  Look look;
  look.unknown = unknown_.load(std::memory_order_relaxed);
  for (const Stripe& stripe : stripes_) {
    const uint32_t taken = stripe.taken.load(std::memory_order_acquire);
    for (size_t slot = 0; slot < kSlots; ++slot) {
      if ((taken >> slot & 1) == 0) continue;
      const Time::rep count =
          stripe.starts[slot].load(std::memory_order_relaxed);
      if (count == kNone) continue;
      const Time start{Duration(count)};
      ++look.known;
      if (start <= now && now - start >= limit) ++look.older;
      look.oldest = std::min(look.oldest.value_or(start), start);
    }
  }
  return look;
}

}  // namespace firebreak::core
