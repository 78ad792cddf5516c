#include "src/core/breaker/slow_watch.h"

namespace firebreak::core {

SlowWatch::SlowWatch(Duration limit, Time now) { Restart(limit, now); }

void SlowWatch::Restart(Duration limit, Time now) {
  ++current_;
  Clear();
  first_ = current_;
  limit_ = limit;
  // Rounded up, so that the slots always cover the whole limit.
  width_ = limit / kSlices + Duration(1);
  current_start_ = now;
}

uint64_t SlowWatch::Begin(Time now) {
  if (now >= current_start_ + width_) {
    const int64_t steps = (now - current_start_) / width_;
    current_ += static_cast<uint64_t>(steps);
    current_start_ += steps * width_;
    if (watched_ == 0) oldest_ = current_;
  }
  ++Slot(current_);
  ++watched_;
  return current_;
}

SlowWatch::Ended SlowWatch::End(uint64_t ticket) {
  if (ticket < first_) return Ended::kForgotten;
  if (ticket < oldest_) {
    --found_;
    return Ended::kFound;
  }
  --Slot(ticket);
  --watched_;
  return Ended::kWatched;
}

int64_t SlowWatch::TakeOverdue(Time now) {
  int64_t taken = 0;
  while (watched_ > 0 && OldestDue() <= now) {
    taken += Slot(oldest_);
    watched_ -= Slot(oldest_);
    Slot(oldest_) = 0;
    ++oldest_;
  }
  found_ += taken;
  return taken;
}

Time SlowWatch::next_due() const {
  if (watched_ == 0) return kInfiniteFuture;
  uint64_t slice = oldest_;
  while (Slot(slice) == 0) ++slice;
  return OldestDue() + static_cast<int64_t>(slice - oldest_) * width_;
}

void SlowWatch::Clear() {
  slots_.fill(0);
  watched_ = 0;
  found_ = 0;
  oldest_ = current_;
}

Time SlowWatch::OldestDue() const {
  const auto age = static_cast<int64_t>(current_ - oldest_);
  return current_start_ - (age - 1) * width_ + limit_;
}

}  // namespace firebreak::core
