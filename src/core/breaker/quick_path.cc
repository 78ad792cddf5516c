#include "src/core/breaker/quick_path.h"

#include <algorithm>

namespace firebreak::core {

int64_t QuickPath::Owner::TakeSuccesses(Time* latest) {
  if (open_ == 0) return 0;
  uint64_t taken = 0;
  for (size_t i = 0; i < kCells; ++i) {
    if (!IsOpen(i)) continue;
    Cell& cell = path_->cells_[i];
    *latest = std::max(*latest, ToTime(Read(cell.latest)));
    const uint64_t count = Read(cell.word) & kCountMask;
    if (count == 0) continue;
    cell.word.fetch_sub(count, std::memory_order_acq_rel);
    taken += count;
  }
  return static_cast<int64_t>(taken);
}

int64_t QuickPath::Owner::Publish(const Facts& facts, Time latest) {
  if (!LeavesNoLess(facts)) {
    facts_ = Facts{};
    if (const int64_t late = Shut()) return late;
  }
  facts_ = facts;
  if (facts.kind == Kind::kShut) return 0;
  const size_t mine = Mine();
  for (size_t i = 0; i < kCells; ++i) {
    if (!IsOpen(i) && i != mine) continue;
    Cell& cell = path_->cells_[i];
    // These two are the only members of an open cell that change, and they only
    // grow.
    Write(&cell.until, ToCount(facts.until));
    Write(&cell.slowest, facts.slowest.count());
    if (IsOpen(i)) continue;
    Write(&cell.epoch, facts.epoch);
    Write(&cell.oldest_epoch, facts.oldest_epoch);
    open_ |= uint32_t{1} << i;
    cell.word.store(
        ++generation_ << (kCountBits + kKindBits) |
            uint64_t{static_cast<uint8_t>(facts.kind)} << kCountBits,
        std::memory_order_release);
  }
  LaterOf(&path_->cells_[mine].latest, latest);
  return 0;
}

bool QuickPath::Owner::LeavesNoLess(const Facts& facts) const {
  return facts.kind == facts_.kind && facts.epoch == facts_.epoch &&
         facts.oldest_epoch == facts_.oldest_epoch &&
         facts.until >= facts_.until && facts.slowest >= facts_.slowest;
}

int64_t QuickPath::Owner::Shut() {
  uint64_t late = 0;
  for (size_t i = 0; i < kCells; ++i) {
    if (!IsOpen(i)) continue;
    late += path_->cells_[i].word.exchange(0, std::memory_order_acq_rel) &
            kCountMask;
  }
  open_ = 0;
  return static_cast<int64_t>(late);
}

}  // namespace firebreak::core
