// Runs an outage in virtual time, and reports what happened.
//
//   firebreak::testing::Story story(engine, clock);
//   story.At(2s, "the server goes down",
//            [&] { server.Always(kCharge, Bad()); });
//   story.At(6s, "the server is back",
//            [&] { server.Always(kCharge, Good()); });
//   story.Every(100ms, "charge", [&] { return Charge(); });
//   story.Run(30s);
//   std::cout << story.text();
//
// This prints, after some milliseconds of real time:
//
//     0.000s  charge: OK (20 times)
//     2.000s  the server goes down
//     2.000s  charge: UNAVAILABLE (5 times)
//     2.400s  /shop.v1.Payment/Charge on "payment" is open, was closed: 5
//             failures in a row (limit 5)
//     2.500s  charge: UNAVAILABLE (breaker_open) (50 times)
//     ...
//
// All steps run on the thread that calls Run(), one after the other, while the
// clock stands still. Steps that are due at the same time run in the order in
// which they were added. So the result is the same each time. A step that
// itself waits for the clock, such as a call with backoffs, would wait for
// ever: use set_patience() for it.
//
// Thread safety: none. Ownership: it shares the engine and the clock.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_STORY_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_STORY_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/engine.h"
#include "firebreak/export.h"
#include "firebreak/testing/state.h"
#include "firebreak/testing/virtual_clock.h"

namespace firebreak {
namespace testing {

class FIREBREAK_EXPORT Story {
 public:
  using Duration = std::chrono::nanoseconds;
  // The times of its steps are counted from the first Run().
  Story(std::shared_ptr<Engine> engine, std::shared_ptr<VirtualClock> clock);
  ~Story();
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // While a step has not ended, the clock moves to timers that are due within
  // this time: choose it as for VirtualClock::AdvanceUntil(). The clock may
  // pass other timers too, so the duration of such a step is not the same each
  // time. By default it is 0: the clock stands still during a step.
  void set_patience(Duration patience) { patience_ = patience; }

  // Adds a step that runs once, `at` after the beginning.
  void At(Duration at, const std::string& what, std::function<void()> step);
  // Adds a step that runs at the beginning (or now, if the story has begun) and
  // then once in every `period`. It returns its outcome, for instance
  // OutcomeOf() a call. Equal outcomes in a row become one line. If `period` is
  // not positive, it never runs.
  void Every(Duration period, const std::string& what,
             std::function<std::string()> step);
  // Runs the steps of this time. It may be called again to go on.
  // Returns false if a step with patience has not ended within ten real
  // seconds.
  bool Run(Duration duration);

  // The events and outcomes so far, one per line.
  std::vector<std::string> lines() const;
  std::string text() const;
  // How often `what` ended with each outcome.
  std::map<std::string, int64_t> outcomes(const std::string& what) const;

 private:
  struct Step;
  struct Line;

  void Tell(const std::string& text);
  void TellOutcome(const std::string& what, const std::string& outcome);
  void TellBreakers();
  bool RunStep(Step* step);

  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<VirtualClock> clock_;
  Duration patience_ = Duration::zero();
  bool has_begun_ = false;
  Clock::Time began_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<Line> lines_;
  std::vector<BreakerState> breakers_;
  std::map<std::string, std::map<std::string, int64_t>> outcomes_;
};

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_STORY_H_
