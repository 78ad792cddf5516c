// The clock of an engine: EngineOptions::clock.
//
// Only tests set it. firebreak/testing.h has a VirtualClock, which moves when a
// test moves it. This header is the interface between the engine and such a
// clock, for those who write one of their own.
//
// The engine uses it for all times in policies: windows and open times of
// breakers, backoffs, hedge delays, timeouts, queues, tokens. gRPC's own times
// stay real: connections, keepalives. The deadline of a grpc::ClientContext
// holds by both clocks: gRPC ends the call in real time, and the engine
// computes the remaining time by this clock.
//
// Thread safety: every member function may be called from any thread, and Now()
// from all of them at once. Ownership: the engine shares its clock. A clock
// does not own its users: each is valid from Add() until Remove() has returned.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CLOCK_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CLOCK_H_

#include <chrono>

#include "firebreak/export.h"

namespace firebreak {

class FIREBREAK_EXPORT Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Something that has timers on a clock, such as an engine.
  class FIREBREAK_EXPORT User {
   public:
    virtual ~User() = default;
    // When the next of its timers is due; Time::max() if there is none.
    virtual Time NextDue() = 0;
    // Whether one of its timers is due in [from, to].
    virtual bool HasTimer(Time from, Time to) = 0;
    // The time has changed. Returns when everything that is due has been done,
    // but after ten (real) seconds in any case.
    virtual void OnTimeChange() = 0;
  };

  virtual ~Clock() = default;
  // Returns the time, which is never less than what it has returned before.
  virtual Time Now() const = 0;
  // From Add() until Remove(), the clock calls OnTimeChange() of `user` after
  // each change. Remove() waits until no such call is running.
  virtual void Add(User* user) = 0;
  virtual void Remove(User* user) = 0;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CLOCK_H_
