// A clock that stands still until the test moves it, so that a test of what
// happens in ten seconds takes no time and never sleeps.
//
//   auto clock = std::make_shared<firebreak::testing::VirtualClock>();
//   firebreak::EngineOptions options;
//   options.clock = clock;
//   auto engine = firebreak::Engine::FromText(policy, options);
//   ... calls fail until the breaker opens ...
//   clock->Advance(std::chrono::seconds(10));       // its open time is over
//
// These times are measured by this clock: windows, open times, probes and
// leases of breakers, backoffs and hedge delays, `timeout` and
// `attempt_timeout`, queues, tokens, latencies, caches of fallbacks, and the
// latency of a FaultInjector that was given the clock.
//
// gRPC's own times cannot be virtual: connecting, keepalive. The deadline of a
// grpc::ClientContext holds by both clocks: gRPC ends the call in real time,
// and the engine by this clock. An attempt gets no deadline but that of its
// caller, so no attempt ends before this clock has reached the time for it.
// While the clock is virtual, a synchronous call is driven by the engine's
// threads, and not by the one that waits
// (EngineOptions::drive_on_calling_thread). A thread that the application
// blocks in an AttemptListener or interceptor may not be replaced by another
// one.
//
// A call that waits for the clock does not return until the clock is moved. So
// make it asynchronously, or on a separate thread:
//
//   auto call = std::async([&] { return service.Charge(); });
//   clock->WaitForTimer(std::chrono::milliseconds(100));   // its backoff
//   clock->Advance(std::chrono::milliseconds(100));
//   EXPECT_TRUE(call.get().ok());
//
// Several engines may share a clock; each change is seen by all of them.
//
// Thread safety: every member function may be called from any thread. The
// functions that move the clock take turns, and wait until the engines have
// done what is due. So do not call them from an AttemptListener or an
// interceptor, since the engines wait for those. They give up after ten real
// seconds.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_VIRTUAL_CLOCK_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_VIRTUAL_CLOCK_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "firebreak/clock.h"
#include "firebreak/export.h"

namespace firebreak {
namespace testing {

class FIREBREAK_EXPORT VirtualClock final : public Clock {
 public:
  VirtualClock();
  ~VirtualClock() override;
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  Time Now() const override { return Time(Time::duration(now_.load())); }
  // The time since the clock was created.
  std::chrono::nanoseconds elapsed() const { return Now() - start_; }

  // Moves the clock. It stops at each timer in between, in order, until what is
  // due there has been done. Network operations that a timer starts, such as
  // another attempt, may not have ended when this returns.
  // The clock does not run backwards: for a negative `by` it stays, writes a
  // message to stderr, and returns false. 0 runs what is due now.
  bool Advance(std::chrono::nanoseconds by);

  // Waits, in real time, until some timer is due in exactly this time from now,
  // for instance that of a backoff without jitter. Returns false after ten
  // seconds.
  bool WaitForTimer(std::chrono::nanoseconds in) {
    return WaitForTimer(in, in);
  }
  // The same for a timer that is due in [at_least, at_most] from now.
  bool WaitForTimer(std::chrono::nanoseconds at_least,
                    std::chrono::nanoseconds at_most);

  // Moves the clock from one timer to the next, as long as they are due within
  // `within` of the clock, until `done()` is true. Waits in real time for the
  // network. Returns false after ten seconds without a timer. Choose `within`
  // longer than the waits that are to pass, such as backoffs, and shorter than
  // the others, such as timeouts.
  bool AdvanceUntil(const std::function<bool()>& done,
                    std::chrono::nanoseconds within);

  void Add(User* user) override;
  void Remove(User* user) override;

 private:
  // These three address all users.
  Time NextDue();
  bool HasTimer(Time from, Time to);
  void TellUsers();
  void MoveTo(Time target);

  const Time start_;
  std::atomic<Time::rep> now_;
  std::mutex moving_;  // held while the clock is being moved
  std::mutex mu_;      // guards the members below; locked after `moving_`
  std::condition_variable told_;
  std::vector<User*> users_;
  // The users that are being called at this moment. One may be here twice.
  std::vector<User*> in_use_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_VIRTUAL_CLOCK_H_
