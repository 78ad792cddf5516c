// The engine's log: a line for each event.
//
//   listeners->Add(std::make_shared<EventLines>(options.log_sink),
//                  Listeners::Interest::kNoRejections);
//
// The log is limited to kLinesAMinute lines for each method, by the time of the
// events, so that a breaker that flaps does not fill a disk. The first line
// after that says how many were left out. All refused admin calls share one
// limit of their own, since the caller chooses the names in them: nobody who is
// refused can silence a method, or fill the log with names.
//
// Thread safety: like every listener, it gets one event at a time.
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
  // A breaker that opens and recovers logs three or four lines, and two such
  // cycles a minute are already more than anybody reads.
  static constexpr int kLinesAMinute = 10;
  // How many methods are remembered. After that the counts start anew.
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
