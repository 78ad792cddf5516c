// The engine's log: what its events say, in lines.
//
//   listeners->Add(std::make_shared<EventLines>(options.log_sink),
//                  Listeners::Interest::kNoRejections);
//
// Bounded: kLinesAMinute for each method, by the time of the events, so that a
// breaker that flaps does not fill a disk. The first line after that tells how
// many were left out. Refused admin calls share so many of their own, since
// their names are what the caller wrote: nobody who is refused can silence a
// method, or fill the log with names.
//
// Thread safety: as a listener, one event at a time.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_LOG_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_LOG_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "firebreak/events.h"
#include "firebreak/log.h"

namespace firebreak::engine {

class EventLines final : public EventListener {
 public:
  // A trip and its recovery are three or four lines; two of them a minute is
  // already more than anybody reads.
  static constexpr int kLinesAMinute = 10;
  // Methods remembered. Past it the counts start anew.
  static constexpr std::size_t kMethods = 10'000;

  explicit EventLines(LogSink sink) : sink_(std::move(sink)) {}
  void OnEvent(const EngineEvent& event) override;

 private:
  struct Minute {
    std::chrono::system_clock::time_point began;
    int lines = 0;
    int64_t left_out = 0;
  };

  Minute& MinuteOf(const EngineEvent& event);

  const LogSink sink_;
  Minute refused_;
  // By channel and method.
  absl::flat_hash_map<std::pair<std::string, std::string>, Minute> minutes_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_LOG_H_
