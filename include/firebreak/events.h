// An event listener is called for each event of the engine, such as a breaker's
// change of state, or calls that were refused.
//
//   class Pager : public firebreak::EventListener {
//     void OnEvent(const firebreak::EngineEvent& event) override {
//       if (event.to == "open") Page(event.method, event.cause);
//     }
//   };
//   auto pager = std::make_shared<Pager>();
//   engine->AddEventListener(pager);
//
// From the moment it is added, a listener gets every event, one at a time and
// in order, on threads of the engine (EngineOptions::observer_threads). No lock
// is held, and no call waits for it. So it may be slow, throw, and call the
// engine.
//
// While it is busy, up to EngineOptions::event_log_size events wait for it.
// Past that the oldest refusals are dropped, or the oldest events if no
// refusals are waiting, and the next event says how many are missing
// (`missed`). Waiting refusals of one method for one reason become one event
// with a `count`, as long as only refusals stand between them. An exception of
// a listener is dropped and counted (Engine::callback_faults()).
//
// A listener that blocks for ever takes one of those threads out of service.
//
// Ownership: the engine shares the listener until it is removed. A listener
// that owns the engine, or one of its channels or stubs, keeps both alive for
// ever. When the engine ends, waiting events are dropped; a listener may still
// be handling its current event.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/types/optional.h"
#include "firebreak/export.h"

namespace firebreak {

// The content of the breaker's window when it opened.
struct TripEvidence {
  int64_t calls = 0;
  int64_t failures = 0;
  double failure_rate = 0;
  // Slow calls, and their share of the calls whose speed was known. 0 without
  // `slow_call_duration`.
  int64_t slow_calls = 0;
  double slow_call_rate = 0;
  // The longest duration of a unary call since the breaker was last closed. A
  // call in flight counts as `slow_call_duration` once it has taken that long.
  std::chrono::nanoseconds slowest{0};
};

struct EngineEvent {
  enum class Kind {
    kStateChange,    // A breaker changed its state; `to` "open" is a trip.
    kOverrideSet,    // An operator forced a breaker open or closed.
    kOverrideEnded,  // The override was cleared, or it expired.
    kReset,          // An operator reset a breaker.
    kRejection,      // Calls were refused before anything was sent.
    kWarning,        // The owner of the service should look at something.
    kAudit,          // Somebody changed something, or was refused.
    // The policy was replaced, a candidate policy was set or cleared, or such a
    // change was refused; or a watched file is in order again and changes
    // nothing.
    kPolicy,
  };
  Kind kind = Kind::kWarning;
  std::chrono::system_clock::time_point time;
  std::string channel;
  // The breaker's, as given to CreateChannel(). Empty for a rejection.
  std::string target;
  // "/pkg.Service/Method". "*" for a breaker that all methods of a channel
  // share; "other" for methods past EngineOptions::max_methods.
  std::string method;
  // The states before and after a change of state: "closed", "open",
  // "half_open", ... as in the admin service. The same for an audit of a change
  // to a breaker. For a policy: its versions, "3" and "4", or the same version
  // twice if the policy stays.
  std::string from;
  std::string to;
  // The breaker has `mode: SHADOW`: it refuses nothing, and the event shows
  // what would have happened.
  bool shadow = false;
  // The evidence, in one line: "5 failures in a row (limit 5)". For a rejection
  // its reason, as in `firebreak-reason`: "bulkhead_full". For a policy its
  // source and the result: "file /etc/p: 3 differences", or "file /etc/p:
  // refused: ..." with the first fault.
  std::string cause;
  // The numbers behind `cause` when a rule opened the breaker. (When a probe
  // opened it again, `cause` has the numbers.)
  absl::optional<TripEvidence> trip;
  // For an audit: who it was, what they asked for ("SetOverride FORCED_OPEN"),
  // and whether it was refused; `cause` then says why. For a policy: whether it
  // was refused.
  std::string actor;
  std::string action;
  bool refused = false;
  // For a rejection the number of calls; otherwise 1.
  int64_t count = 1;
  // Events that this listener missed since the event before this one.
  int64_t missed = 0;
};

class FIREBREAK_EXPORT EventListener {
 public:
  virtual ~EventListener() = default;
  // `event` is valid only during the call.
  virtual void OnEvent(const EngineEvent& event) = 0;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_
