// Records what breakers do during a forecast.
//
//   Story story(&forecast);
//   log.SetSink(&story);         // ... the run ...
//   story.End(now);              // forecast.events, .times_opened, .open_time
//
// Thread safety: none. Ownership: the forecast outlives it; it outlives the
// log.
#ifndef FIREBREAK_SRC_SIM_STORY_H_
#define FIREBREAK_SRC_SIM_STORY_H_

#include <algorithm>
#include <map>
#include <string>

#include "src/core/breaker/breaker_snapshot.h"
#include "src/core/measure/event_log.h"
#include "src/sim/forecast.h"

namespace firebreak::sim {

class Story : public core::EventSink {
 public:
  explicit Story(Forecast* forecast) : forecast_(forecast) {}

  void OnEvent(const core::Event& event) override {
    if (event.kind != core::Event::Kind::kTransition) return;
    if (forecast_->events.size() < kMostEvents) {
      forecast_->events.push_back(event);
    }
    if (event.shadow) return;
    const std::string closed(
        core::BreakerStateName(core::BreakerState::kClosed));
    if (event.from == closed) {
      ++forecast_->times_opened;
      open_since_.emplace(event.method, event.at);
    } else if (event.to == closed) {
      const auto open = open_since_.find(event.method);
      if (open == open_since_.end()) return;
      forecast_->open_time += event.at - open->second;
      open_since_.erase(open);
    }
  }

  void End(Time now) {
    for (const auto& open : open_since_) {
      forecast_->open_time += std::max(now - open.second, Duration::zero());
    }
  }

 private:
  Forecast* const forecast_;
  std::map<std::string, Time> open_since_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_STORY_H_
