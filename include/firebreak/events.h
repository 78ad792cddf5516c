// Told of what the engine does: changes of state, refusals, trips and why.
//
//   class Pager : public firebreak::EventListener {
//     void OnEvent(const firebreak::EngineEvent& event) override {
//       if (event.to == "open") Page(event.method, event.cause);
//     }
//   };
//   auto pager = std::make_shared<Pager>();
//   engine->AddEventListener(pager);
//
// Each listener gets every event from its adding on, one at a time and in
// order, on threads of the engine's (EngineOptions::observer_threads): under no
// lock, and never on the way of a call. It may take its time, throw, and call
// the engine. While it does not come back, events wait for it,
// EngineOptions::event_log_size at the most; then the oldest refusals go, and
// where there are none the oldest events, and the next one tells how many
// (`missed`). Refusals of one method for one reason that wait, with nothing but
// refusals between them, become one event with a `count`. What a listener
// throws is dropped and counted (Engine::callback_faults).
//
// A listener that blocks for ever takes one of those threads with it.
//
// Ownership: the engine shares the listener until it is removed; one that owns
// the engine, or a channel or stub of it, keeps both alive for ever. When the
// engine ends, what waits is dropped; what a listener is told at that moment
// may still go on.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/types/optional.h"

namespace firebreak {

// What was counted in the breaker's window when it tripped.
struct TripEvidence {
  int64_t calls = 0;
  int64_t failures = 0;
  double failure_rate = 0;
  // Slow ones, and their share of those whose speed was known; 0 without
  // `slow_call_duration`.
  int64_t slow_calls = 0;
  double slow_call_rate = 0;
  // The longest that a unary call took since the breaker was last closed. One
  // in flight counts with `slow_call_duration`, once it has passed that.
  std::chrono::nanoseconds slowest{0};
};

struct EngineEvent {
  enum class Kind {
    kStateChange,    // of a breaker; a trip is one `to` "open"
    kOverrideSet,    // by an operator
    kOverrideEnded,  // cleared, or expired
    kReset,          // by an operator
    kRejection,      // calls that were refused before anything was sent
    kWarning,        // something an owner should know
    kAudit,          // somebody changed something, or was refused
    kPolicy,         // replaced, or an update was refused
  };
  Kind kind = Kind::kWarning;
  std::chrono::system_clock::time_point time;
  std::string channel;
  std::string target;  // of a breaker, as given to CreateChannel()
  // "/pkg.Service/Method"; "*" of a breaker that all methods of a channel
  // share, "other" past EngineOptions::max_methods.
  std::string method;
  // Of a change: "closed", "open", "half_open", ... as in the admin service. Of
  // a policy its versions, "3" and "4"; the same one twice when it stays.
  std::string from;
  std::string to;
  // Of a breaker with `mode: SHADOW`, which refuses nothing: what would be.
  bool shadow = false;
  // The evidence, in one line: "5 failures in a row (limit 5)". Of a rejection
  // its reason, as in `firebreak-reason`: "bulkhead_full". Of a policy where it
  // came from and what came of it: "file /etc/p: 3 differences", "file /etc/p:
  // refused: ..." with the first fault.
  std::string cause;
  // The numbers of it, where a trip rule held. (One that opens again on its
  // probes has them in `cause`.)
  absl::optional<TripEvidence> trip;
  // Of an audit: who it was, what they asked for ("SetOverride FORCED_OPEN"),
  // and whether it was refused; then `cause` says why. Of a policy, whether it
  // was refused.
  std::string actor;
  std::string action;
  bool refused = false;
  // Calls, of a rejection; else 1.
  int64_t count = 1;
  // Events lost to this listener since the one before.
  int64_t missed = 0;
};

class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void OnEvent(const EngineEvent& event) = 0;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_EVENTS_H_
