// The events of an engine, in order, in bounded memory.
//
//   EventLog log(/*capacity=*/1000);
//   log.Append(std::move(event));
//   EventLog::Page page = log.Since(cursor, /*limit=*/100);
//   cursor = page.next;                      // page.missed: overwritten before
//
// Events are numbered from 1 without gaps. The oldest are overwritten; a reader
// that is too slow learns how many it missed.
//
// Thread safety: safe from any thread. Its lock is a leaf: while it is held
// only the sink is called. So a caller may append under any other lock, which
// keeps the events of one breaker in order.
#ifndef FIREBREAK_SRC_CORE_MEASURE_EVENT_LOG_H_
#define FIREBREAK_SRC_CORE_MEASURE_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// The numbers behind a trip, from the window that tripped it.
struct Trip {
  int64_t calls = 0;
  int64_t failures = 0;
  int64_t timed = 0;  // calls whose speed is known
  int64_t slow = 0;   // of these
  // The longest that a unary call took since the breaker was last closed. A
  // call in flight counts with slow_call_duration once it has passed that.
  Duration slowest = Duration::zero();
};

struct Event {
  enum class Kind {
    kTransition,     // a breaker changed its state
    kOverrideSet,    // by an operator
    kOverrideEnded,  // cleared, or expired
    kReset,          // by an operator
    kWarning,        // the owner should know of it
    kAudit,          // an operator's change, or its refusal
    kPolicy,         // an update, or its refusal
  };
  int64_t sequence = 0;  // set by Append
  Time at;
  Kind kind = Kind::kWarning;
  std::string channel;
  std::string target;
  std::string method;
  std::string from;  // states, for a transition; versions, for a policy
  std::string to;
  bool shadow = false;        // of a breaker that refuses nothing
  std::string cause;          // one line: why
  absl::optional<Trip> trip;  // set if a trip rule held
  // For an audit: who asked, for what, and whether it was refused. For a
  // policy: whether it was refused.
  std::string actor;
  std::string action;
  bool refused = false;
};

// Called for each event, in order, under the lock of the log and any lock
// that the appending thread holds. It may only enqueue work.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(const Event& event) = 0;
};

class EventLog {
 public:
  struct Page {
    std::vector<Event> events;
    int64_t next = 0;    // the cursor for the next Since()
    int64_t missed = 0;  // overwritten between the cursor and the first event
  };

  explicit EventLog(size_t capacity) : capacity_(capacity) {}
  // To be called at most once, before the first event. The sink outlives the
  // log.
  void SetSink(EventSink* sink);

  void Append(Event event);
  // Returns the events numbered after `cursor` (0 = all), oldest first. A
  // cursor below zero or past the last event counts as the nearest valid one.
  // With cursor 0, events overwritten since the first one count as missed; a
  // reader that only wants the present ones ignores `missed`.
  Page Since(int64_t cursor, size_t limit) const;
  // The number of the newest event, 0 before the first.
  int64_t last() const;

 private:
  const size_t capacity_;
  mutable Mutex mu_;
  EventSink* sink_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);
  int64_t last_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_EVENT_LOG_H_
