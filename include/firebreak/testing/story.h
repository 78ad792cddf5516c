// Runs an outage by a virtual clock, and tells what happened.
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
// prints, in some milliseconds,
//
//     0.000s  charge: OK (20 times)
//     2.000s  the server goes down
//     2.000s  charge: UNAVAILABLE (5 times)
//     2.400s  /shop.v1.Payment/Charge on "payment" is open, was closed: 5
//             failures in a row (limit 5)
//     2.500s  charge: UNAVAILABLE (breaker_open) (50 times)
//     ...
//
// Everything runs on the thread that calls Run(), one after the other, while
// the clock stands; what is due at the same time runs in the order in which it
// was added. So the same story is told each time. A step that itself waits for
// the clock, such as a call with backoffs, would wait for ever: give it some
// patience().
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
  // The story that begins when Run() is called.
  Story(std::shared_ptr<Engine> engine, std::shared_ptr<VirtualClock> clock);
  ~Story();
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // While a step has not ended, timers that are due within this time are let
  // pass: choose it as for VirtualClock::AdvanceUntil(). Other timers may pass
  // too, so how long a step then takes is not the same each time. 0 (unless it
  // is set): the clock stands.
  void set_patience(Duration patience) { patience_ = patience; }

  // Something that happens once, `at` counted from the beginning.
  void At(Duration at, const std::string& what, std::function<void()> step);
  // Something that happens again and again, from the beginning on; it returns
  // how it went: OutcomeOf() a call, for instance. Equal outcomes one after the
  // other become one line. `period` > 0, else it never happens.
  void Every(Duration period, const std::string& what,
             std::function<std::string()> step);
  // So long. May be called again: the story goes on.
  // False: a step did not end within ten real seconds, although it was given
  // patience.
  bool Run(Duration duration);

  // What has happened so far, a line each.
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
