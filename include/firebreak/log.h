// Where an engine's log lines go: changes of state, warnings, and operators.
//
//   firebreak::EngineOptions options;
//   options.log_sink = [](firebreak::LogLevel level, const std::string& line) {
//     MyLog(level == firebreak::LogLevel::kWarning ? 'W' : 'I', line);
//   };
//   options.log_sink = nullptr;                 // no log
//
// A line is short and printable: channel, target, method, what and why. It has
// nothing of a request or an answer in it, no metadata and no status message. A
// method has at most 10 lines a minute, and so have all refused admin calls
// together; the next one after that tells how many were left out. Refused calls
// are counted (docs/metrics.md), not logged.
//
// Called one line at a time and in order, on the engine's observer threads:
// under no lock, and never on the way of a call. It may block and throw, as an
// EventListener may: see events.h.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_LOG_H_
#define FIREBREAK_INCLUDE_FIREBREAK_LOG_H_

#include <functional>
#include <string>

namespace firebreak {

enum class LogLevel {
  kInfo,     // it goes on by itself
  kWarning,  // somebody may want to look: a breaker opens, an override, a fault
};

using LogSink = std::function<void(LogLevel level, const std::string& line)>;

// "2026-01-31T12:00:00.123Z WARNING firebreak: ..." on stderr. The default.
void LogToStderr(LogLevel level, const std::string& line);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_LOG_H_
