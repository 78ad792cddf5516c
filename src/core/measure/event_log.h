// What happened, in order, in bounded memory.
//
//   EventLog log(/*capacity=*/1000);
//   log.Append(std::move(event));
//   EventLog::Page page = log.Since(cursor, /*limit=*/100);
//   cursor = page.next;                      // page.missed: overwritten before
//
// Events are numbered from 1 without gaps. The oldest are overwritten; a
// reader that fell behind is told how many it missed.
//
// Thread safety: safe from any thread. A leaf lock: nothing but the sink is
// called while it is held, so it may be appended to under any other lock, which
// is what keeps the events of one breaker in order.
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

// The numbers behind a trip, from the window that was judged.
struct Trip {
  int64_t calls = 0;
  int64_t failures = 0;
  int64_t timed = 0;  // calls whose speed is known
  int64_t slow = 0;   // of these
  // The longest that a unary call took since the breaker was last closed; one
  // still in flight counts with slow_call_duration, once it has passed that.
  Duration slowest = Duration::zero();
};

struct Event {
  enum class Kind {
    kTransition,     // a breaker changed its state
    kOverrideSet,    // by an operator
    kOverrideEnded,  // cleared, or expired
    kReset,          // by an operator
    kWarning,        // something the engine had to do that an owner should know
    kAudit,          // somebody changed something, or was refused
    kPolicy,         // replaced, or an update refused
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
  std::string cause;          // one line: the evidence
  absl::optional<Trip> trip;  // where a trip rule held
  // Of an audit: who, what they asked for, and whether they got it. Of a
  // policy: whether it was refused.
  std::string actor;
  std::string action;
  bool refused = false;
};

// Told of each event in order, under the lock of the log and whatever the
// event's own lock is: it may enqueue work and nothing else.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(const Event& event) = 0;
};

class EventLog {
 public:
  struct Page {
    std::vector<Event> events;
    int64_t next = 0;    // hand this to the next Since()
    int64_t missed = 0;  // overwritten between the cursor and the first event
  };

  explicit EventLog(size_t capacity) : capacity_(capacity) {}
  // Once, before the first event. It outlives the log.
  void SetSink(EventSink* sink);

  void Append(Event event);
  // Events numbered after `cursor` (0 = all of them), oldest first. A cursor
  // from the future or below zero counts as the nearest real one. 0 is a cursor
  // like any other: what was overwritten since the first event is missed. A
  // reader who only wants what there is does not look at `missed`.
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
