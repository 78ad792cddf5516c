// What a breaker does without its lock: it admits a call, counts a success or
// refuses a call.
//
//   QuickPath path;                            // safe from any thread
//   QuickPath::Owner owner(&path);             // under the owner's lock
//
//   const QuickPath::Entry entry = path.Enter(now);
//   if (entry.kind == QuickPath::Kind::kShut) ...        // take the lock
//   if (!path.CountSuccess(epoch, started, now)) ...     // take the lock
//
// The thread that holds the lock:
//
//   rules.Add(owner.TakeSuccesses(&latest));   // first
//   ... changes the breaker ...
//   const int64_t late = owner.Publish(facts, latest);   // last
//
// The facts say what may be done. Each thread reads them from one of a few
// cells, which it shares with few others, so that two threads on one breaker
// rarely contend. A cell is one cache line; its word is {generation, kind,
// successes}. A cell is opened for the thread that held the lock, with a new
// generation, and stays open until the facts allow less. A success is one
// compare-and-swap on the word. It fails if the cell was shut meanwhile, so the
// facts that were read before it still held when it was counted.
//
// No success is lost or counted twice, and some order of the events under one
// lock gives the same result. Successes that TakeSuccesses() finds come before
// what the owner does, since counts do not depend on the order of successes.
// Successes that Publish() finds in cells that it had to shut come after it;
// the owner judges them by the new facts. docs/adr/0013 has the reasons.
//
// Time: an entry or a success is never earlier than the latest time that its
// own thread has passed in; TakeSuccesses() hands that time to the owner.
//
// Thread safety: QuickPath is safe from any thread; its Owner needs a lock.
// Memory: half a kilobyte, nothing from the heap.
#ifndef FIREBREAK_SRC_CORE_BREAKER_QUICK_PATH_H_
#define FIREBREAK_SRC_CORE_BREAKER_QUICK_PATH_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/core/base/striped.h"
#include "src/core/base/time.h"

namespace firebreak::core {

class QuickPath {
 public:
  enum class Kind : uint8_t {
    kShut,      // everything needs the lock
    kPassing,   // calls are admitted and do not count
    kCounting,  // calls are admitted, and successes count
    kRefusing,  // calls are refused
  };
  struct Facts {
    Kind kind = Kind::kShut;
    uint64_t epoch = 0;
    // kCounting: the epoch of the oldest calls whose successes count.
    uint64_t oldest_epoch = 0;
    // kCounting: until when successes count. kRefusing: until when it refuses.
    Time until;
    // kCounting: no call that took longer counts here.
    Duration slowest = Duration::zero();
  };
  // Kind, epoch and `until` are those of the facts; `now` is never before an
  // earlier one of the same thread.
  struct Entry {
    Kind kind = Kind::kShut;
    uint64_t epoch = 0;
    Time now;
    Time until;
  };

  class Owner;

  QuickPath() = default;
  QuickPath(const QuickPath&) = delete;
  QuickPath& operator=(const QuickPath&) = delete;

  Entry Enter(Time now);
  // Counts a success of a call of that epoch. `started` is kInfiniteFuture if
  // its duration does not matter. False if it has not been counted.
  bool CountSuccess(uint64_t epoch, Time started, Time now);

 private:
  static constexpr size_t kCells = kStripes;
  // The bits of a word. The count is small, so that the owner adds it up
  // quickly.
  static constexpr int kCountBits = 16;
  static constexpr int kKindBits = 2;
  static constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;
  static constexpr uint64_t kMostSuccesses = kCountMask / 2;

  struct alignas(kCacheLine) Cell {
    std::atomic<uint64_t> word{0};
    std::atomic<uint64_t> epoch{0};
    std::atomic<uint64_t> oldest_epoch{0};
    std::atomic<Time::rep> until{0};
    std::atomic<Time::rep> slowest{0};
    // Threads that share a cell may overwrite a later time of each other. That
    // is as if they had read their clocks before they waited for a lock.
    std::atomic<Time::rep> latest{Time::min().time_since_epoch().count()};
  };

  static Kind KindOf(uint64_t word) {
    return static_cast<Kind>((word >> kCountBits) &
                             ((uint64_t{1} << kKindBits) - 1));
  }
  static uint64_t GenerationOf(uint64_t word) {
    return word >> (kCountBits + kKindBits);
  }
  // The cell of this thread.
  static size_t Mine() { return MyStripe(); }
  static Time ToTime(Time::rep count) { return Time(Duration(count)); }
  static Time::rep ToCount(Time t) { return t.time_since_epoch().count(); }
  // Acquire: no later read moves before this one, so what is read between two
  // reads of a word belongs to that word.
  template <class T>
  static T Read(const std::atomic<T>& value) {
    return value.load(std::memory_order_acquire);
  }
  template <class T>
  static void Write(std::atomic<T>* value, T to) {
    if (value->load(std::memory_order_relaxed) == to) return;
    value->store(to, std::memory_order_release);
  }
  // `now`, or the latest time that the threads of a cell have passed in.
  static Time LaterOf(std::atomic<Time::rep>* latest, Time now) {
    const Time before = ToTime(latest->load(std::memory_order_relaxed));
    if (now <= before) return before;
    latest->store(ToCount(now), std::memory_order_relaxed);
    return now;
  }

  std::array<Cell, kCells> cells_;
};

class QuickPath::Owner {
 public:
  explicit Owner(QuickPath* path) : path_(path) {}
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  // Takes the number of successes since the last call. Raises `latest` to the
  // latest time that was passed in.
  int64_t TakeSuccesses(Time* latest);
  // Sets the facts from now on, for calls no earlier than `latest`. If they
  // allow less than the previous ones, all cells are shut. If that finds
  // successes, their number is returned and the cells stay shut: the caller
  // counts them as if they came now, and publishes again.
  int64_t Publish(const Facts& facts, Time latest);

 private:
  bool IsOpen(size_t cell) const { return (open_ >> cell & 1) != 0; }
  bool LeavesNoLess(const Facts& facts) const;
  int64_t Shut();

  QuickPath* const path_;
  Facts facts_;
  uint64_t generation_ = 0;
  uint32_t open_ = 0;  // a bit for each cell
};

// Inline, since every call runs it.
inline QuickPath::Entry QuickPath::Enter(Time now) {
  Cell& cell = cells_[Mine()];
  const uint64_t word = Read(cell.word);
  Entry entry;
  entry.kind = KindOf(word);
  if (entry.kind == Kind::kShut) return entry;
  entry.epoch = Read(cell.epoch);
  entry.until = ToTime(Read(cell.until));
  if (GenerationOf(Read(cell.word)) != GenerationOf(word)) return Entry{};
  entry.now = LaterOf(&cell.latest, now);
  if (entry.kind == Kind::kRefusing && entry.now >= entry.until) return Entry{};
  return entry;
}

inline bool QuickPath::CountSuccess(uint64_t epoch, Time started, Time now) {
  Cell& cell = cells_[Mine()];
  uint64_t word = Read(cell.word);
  if (KindOf(word) != Kind::kCounting) return false;
  const uint64_t generation = GenerationOf(word);
  if (epoch < Read(cell.oldest_epoch)) return false;
  now = LaterOf(&cell.latest, now);
  if (now >= ToTime(Read(cell.until))) return false;
  if (started < now && now - started > Duration(Read(cell.slowest))) {
    return false;
  }
  do {
    if (GenerationOf(word) != generation) return false;
    if ((word & kCountMask) >= kMostSuccesses) return false;
  } while (!cell.word.compare_exchange_weak(
      word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  return true;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_QUICK_PATH_H_
