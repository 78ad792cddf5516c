// The log of an engine: changes of state, warnings, and what operators do.
//
//   firebreak::EngineOptions options;
//   options.log_sink = [](firebreak::LogLevel level, const std::string& line) {
//     MyLog(level == firebreak::LogLevel::kWarning ? 'W' : 'I', line);
//   };
//   options.log_sink = nullptr;                 // no log
//
// A line is short and printable. It says what happened to which channel, target
// and method, and why. It contains nothing of a request or a reply, and no
// metadata and no status message of a call. Each method has at most 10 lines a
// minute, and so have all refused admin calls together; the next line says how
// many were left out. Refused calls are counted (docs/metrics.md) and not
// logged.
//
// The sink is called with one line at a time and in order, on the engine's
// observer threads. No lock is held, and no call waits for it. It may block and
// throw, as an EventListener may: see events.h.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_LOG_H_
#define FIREBREAK_INCLUDE_FIREBREAK_LOG_H_

#include <functional>
#include <string>

#include "firebreak/export.h"

namespace firebreak {

enum class LogLevel {
  kInfo,     // No action is needed.
  kWarning,  // It may need attention: a breaker opened, for instance.
};

using LogSink = std::function<void(LogLevel level, const std::string& line)>;

// The default: writes "2026-01-31T12:00:00.123Z WARNING firebreak: ..." to
// stderr.
FIREBREAK_EXPORT void LogToStderr(LogLevel level, const std::string& line);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_LOG_H_
