#include "src/engine/callbacks/log.h"

#include <chrono>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/core/base/printable.h"

namespace firebreak {
namespace engine {
namespace {

using Kind = EngineEvent::Kind;

LogLevel LevelOf(const EngineEvent& event) {
  switch (event.kind) {
    case Kind::kStateChange:
      return event.to == "open" && !event.shadow ? LogLevel::kWarning
                                                 : LogLevel::kInfo;
    case Kind::kOverrideSet:
    case Kind::kWarning:
      return LogLevel::kWarning;
    case Kind::kPolicy:
    case Kind::kAudit:
      return event.refused ? LogLevel::kWarning : LogLevel::kInfo;
    case Kind::kOverrideEnded:
    case Kind::kReset:
    case Kind::kRejection:
      return LogLevel::kInfo;
  }
  return LogLevel::kInfo;
}

std::string Line(const EngineEvent& event) {
  std::string line;
  for (const std::string* name :
       {&event.channel, &event.target, &event.method}) {
    if (name->empty()) continue;
    absl::StrAppend(&line, line.empty() ? "" : " ", core::Printable(*name));
  }
  if (!line.empty()) line += ": ";
  if (event.shadow) line += "(shadow) ";
  if (event.kind == Kind::kAudit) {
    absl::StrAppend(&line, core::Printable(event.action), " by ",
                    core::Printable(event.actor),
                    event.refused ? " refused: " : ": ");
  }
  if (event.kind == Kind::kPolicy) line += "policy version ";
  if (event.kind == Kind::kPolicy && event.from == event.to) {
    absl::StrAppend(&line, event.to, ": ");
  } else if (!event.to.empty()) {
    absl::StrAppend(&line, event.from, " -> ", event.to,
                    event.cause.empty() ? "" : ": ");
  }
  line += core::Printable(event.cause);
  if (event.missed > 0) {
    absl::StrAppend(&line, " (", event.missed, " earlier events were missed)");
  }
  return line;
}

}  // namespace

void EventLines::OnEvent(const EngineEvent& event) {
  if (event.kind == Kind::kRejection) return;
  Minute& minute = MinuteOf(event);
  // A new minute also begins if the clock was set back.
  if (minute.lines == 0 || event.time < minute.began ||
      event.time - minute.began >= std::chrono::minutes(1)) {
    minute.began = event.time;
    minute.lines = 0;
  }
  if (minute.lines >= kLinesAMinute) {
    ++minute.left_out;
    return;
  }
  ++minute.lines;
  std::string line = Line(event);
  if (minute.left_out > 0) {
    absl::StrAppend(&line, " (", minute.left_out, " lines were left out)");
    minute.left_out = 0;
  }
  sink_(LevelOf(event), line);
}

EventLines::Minute& EventLines::MinuteOf(const EngineEvent& event) {
  if (event.kind == Kind::kAudit && event.refused) return refused_;
  if (minutes_.size() >= kMethods) minutes_.clear();
  return minutes_[{event.channel, event.method}];
}

}  // namespace engine

void LogToStderr(LogLevel level, const std::string& line) {
  const std::string all =
      absl::StrCat(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ ", absl::Now(),
                                    absl::UTCTimeZone()),
                   level == LogLevel::kWarning ? "WARNING" : "INFO",
                   " firebreak: ", line, "\n");
  // One write, so that lines of several threads do not mix.
  std::fwrite(all.data(), 1, all.size(), stderr);
}

}  // namespace firebreak
