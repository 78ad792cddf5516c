// What a breaker may do without its lock: let a call in, count a success, turn
// a call away.
//
//   QuickPath path;                            // safe from any thread
//   QuickPath::Owner owner(&path);             // under the owner's lock
//
//   const QuickPath::Entry entry = path.Enter(now);
//   if (entry.kind == QuickPath::Kind::kShut) ...        // take the lock
//   if (!path.CountSuccess(epoch, started, now)) ...     // take the lock
//
// and whoever has the lock:
//
//   rules.Add(owner.TakeSuccesses(&latest));   // first of all
//   ... whatever is to be done ...
//   const int64_t late = owner.Publish(facts, latest);   // last of all
//
// The facts say what may be done, and each thread finds them in a cell of a few
// that it shares with few others: so two threads on one breaker hardly meet. A
// cell is one cache line; its word is {generation, kind, successes}. It is
// opened for the thread that had the lock, under a new generation, and stays
// open until the facts change. A success is one compare-and-swap on the word:
// it fails when the cell was shut meanwhile, and so what was read beside it
// still held when it counted.
//
// Nothing is lost or counted twice, and there always is an order of events that
// gives the same result under one lock. Successes that TakeSuccesses() finds
// come before what the owner does, since successes among themselves have no
// order that could be told from the counts. Those that Publish() finds in cells
// that it had to shut come after, for the owner to judge by the facts that hold
// now. docs/adr/0013 has the reasons.
//
// Time: an entry or success is taken to be no earlier than what its own thread
// has shown before; TakeSuccesses() tells its owner.
//
// Thread safety: QuickPath, any thread. Owner, under one lock. Memory: half a
// kilobyte, nothing from the heap.
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
    kShut,      // nothing goes without the lock
    kPassing,   // calls may go, and count for nothing
    kCounting,  // calls may go, and successes count
    kRefusing,  // calls are refused
  };
  struct Facts {
    Kind kind = Kind::kShut;
    uint64_t epoch = 0;
    // kCounting: of the oldest calls whose successes count.
    uint64_t oldest_epoch = 0;
    // kCounting: when successes count no more. kRefusing: the same of refusals.
    Time until;
    // kCounting: no call that took longer counts here.
    Duration slowest = Duration::zero();
  };
  // Kind, epoch and end as in the facts; `now` is not before an earlier one of
  // this thread.
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
  // Of a call of that epoch; `started` is kInfiniteFuture where the time that
  // it took is of no interest. False: it has not been counted.
  bool CountSuccess(uint64_t epoch, Time started, Time now);

 private:
  static constexpr size_t kCells = kStripes;
  // Of a word. So few that the owner is not long at counting them.
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
    // Threads that share a cell may overwrite a later one of each other: their
    // clocks are read before, as that of threads which wait for a lock.
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
  // Nothing that follows is done before, so that what is read between two looks
  // at a word belongs to that word.
  template <class T>
  static T Read(const std::atomic<T>& value) {
    return value.load(std::memory_order_acquire);
  }
  template <class T>
  static void Write(std::atomic<T>* value, T to) {
    if (value->load(std::memory_order_relaxed) == to) return;
    value->store(to, std::memory_order_release);
  }
  // `now`, or what the threads of a cell have shown if that is later.
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

  // How many were counted since it was last asked. Raises `latest` to the times
  // that were shown.
  int64_t TakeSuccesses(Time* latest);
  // From now on these facts hold, for calls no earlier than `latest`. If they
  // leave less than those before, all cells are shut, and where that finds
  // successes it gives their number and leaves all shut: they are to be judged
  // as if they came now, and the facts published again.
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

// What a call pays: no more calls.
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
