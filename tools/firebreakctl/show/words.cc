#include "tools/firebreakctl/show/words.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace firebreak::ctl {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

Colour ColourOf(v1::BreakerState state) {
  switch (state) {
    case v1::BREAKER_STATE_CLOSED:
      return Colour::kGreen;
    case v1::BREAKER_STATE_OPEN:
      return Colour::kRed;
    case v1::BREAKER_STATE_HALF_OPEN:
    case v1::BREAKER_STATE_RAMP:
      return Colour::kYellow;
    case v1::BREAKER_STATE_FORCED_OPEN:
    case v1::BREAKER_STATE_FORCED_CLOSED:
      return Colour::kMagenta;
    default:
      return Colour::kDim;
  }
}

std::string StateName(v1::BreakerState state) {
  const std::string name = v1::BreakerState_Name(state);
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "BREAKER_STATE_"));
}

std::string Brief(int64_t ns) {
  if (ns <= 0) return "0s";
  if (ns < 59'950'000'000) {
    // Rounded to three digits first, so that no unit shows 1000 of itself.
    int64_t step = 1;
    while (ns / step >= 1000) step *= 10;
    ns = (ns + step / 2) / step * step;
    const auto value = static_cast<double>(ns);
    if (ns < 1'000) return absl::StrCat(ns, "ns");
    if (ns < 1'000'000) return absl::StrFormat("%.3gus", value / 1e3);
    if (ns < 1'000'000'000) return absl::StrFormat("%.3gms", value / 1e6);
    return absl::StrFormat("%.3gs", value / 1e9);
  }
  const int64_t seconds = (ns + 500'000'000) / 1'000'000'000;
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  if (hours == 0) return absl::StrFormat("%dm%02ds", minutes, seconds % 60);
  if (hours < 24) return absl::StrFormat("%dh%02dm", hours, minutes % 60);
  return absl::StrFormat("%dd%02dh", hours / 24, hours % 24);
}

Table::Cell StateCell(const v1::Breaker& breaker) {
  Table::Cell cell{StateName(breaker.state()), ColourOf(breaker.state())};
  if (breaker.shadow()) cell.text += " (shadow)";
  return cell;
}

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string ErrorText(const grpc::Status& status) {
  if (!status.error_message().empty()) return status.error_message();
  const int code = status.error_code();
  const std::string name = v1::Code_Name(static_cast<v1::Code>(code));
  return absl::StrCat(name.empty() ? absl::StrCat("code ", code) : name,
                      ", without a message");
}

int64_t Millis(const Timestamp& t) {
  return std::clamp(t.seconds(), TimeUtil::kTimestampMinSeconds,
                    TimeUtil::kTimestampMaxSeconds) *
             1'000 +
         std::clamp(t.nanos(), 0, 999'999'999) / 1'000'000;
}

int64_t Nanos(const google::protobuf::Duration& d) {
  constexpr int64_t kMost = 9'000'000'000;  // seconds, of 63 bits of ns
  return std::clamp(d.seconds(), -kMost, kMost) * 1'000'000'000 +
         std::clamp(d.nanos(), -999'999'999, 999'999'999);
}

std::string Brief(const google::protobuf::Duration& duration) {
  return Brief(Nanos(duration));
}

std::string Quantile(const v1::Latency& latency,
                     const google::protobuf::Duration& quantile) {
  return latency.count() == 0 ? "-" : Brief(quantile);
}

std::string Between(const Timestamp& from, const Timestamp& to) {
  google::protobuf::Duration apart;
  const int64_t ms = Millis(to) - Millis(from);
  apart.set_seconds(ms / 1'000);
  apart.set_nanos(static_cast<int32_t>(ms % 1'000 * 1'000'000));
  return Brief(apart);
}

std::string Sparkline(const google::protobuf::RepeatedField<int64_t>& values,
                      bool utf8) {
  static constexpr absl::string_view kBlocks[] = {"▁", "▂", "▃", "▄",
                                                  "▅", "▆", "▇", "█"};
  static constexpr absl::string_view kAscii[] = {"_", ".", ":", "-",
                                                 "=", "+", "*", "#"};
  int64_t highest = 0;
  for (int64_t value : values) highest = std::max(highest, value);
  std::string out;
  for (int64_t value : values) {
    // Only zero has the lowest height.
    const double share =
        value <= 0 ? 0
                   : static_cast<double>(value) / static_cast<double>(highest);
    const auto height = static_cast<size_t>(std::ceil(share * 7));
    absl::StrAppend(&out, (utf8 ? kBlocks : kAscii)[height]);
  }
  return out;
}

std::string Figure(double value) {
  return value < 999.5 ? absl::StrFormat("%.3g", value)
                       : absl::StrFormat("%.0f", value);
}

std::string NowText(const v1::CallsNow& now) {
  if (now.calls_per_second() == 0 && now.answered() == 0) return "";
  std::string text = Figure(now.calls_per_second()) + "/s";
  if (now.not_ok() == 0 || now.answered() == 0) return text;
  absl::StrAppendFormat(&text, ", %.0f%% not OK:",
                        100 * static_cast<double>(now.not_ok()) /
                            static_cast<double>(now.answered()));
  const char* before = " ";
  for (const v1::CodeCount& each : now.codes()) {
    absl::StrAppend(&text, before, v1::Code_Name(each.code()), " ",
                    each.count());
    before = ", ";
  }
  return text;
}

Colour ColourOf(v1::HealthLevel level) {
  switch (level) {
    case v1::HEALTH_LEVEL_HEALTHY:
      return Colour::kGreen;
    case v1::HEALTH_LEVEL_DEGRADED:
      return Colour::kYellow;
    case v1::HEALTH_LEVEL_UNHEALTHY:
      return Colour::kRed;
    default:
      return Colour::kDim;
  }
}

namespace {

// An enum's name without its prefix; the number of a value that a newer server
// sent.
std::string Short(const std::string& name, absl::string_view prefix, int n) {
  if (name.empty()) return absl::StrCat(n);
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string LevelName(v1::HealthLevel level) {
  return Short(v1::HealthLevel_Name(level), "HEALTH_LEVEL_", level);
}

std::string AlertName(v1::AlertKind kind) {
  return Short(v1::AlertKind_Name(kind), "ALERT_KIND_", kind);
}

std::string SeverityName(v1::AlertSeverity severity) {
  return Short(v1::AlertSeverity_Name(severity), "ALERT_SEVERITY_", severity);
}

Table::Cell DecisionCell(const v1::Decision& decision) {
  const std::string name = Short(v1::DecisionKind_Name(decision.kind()),
                                 "DECISION_KIND_", decision.kind());
  const bool is_made = decision.kind() == v1::DECISION_KIND_RETRIED ||
                       decision.kind() == v1::DECISION_KIND_HEDGED;
  return {absl::StrReplaceAll(name, {{"_", " "}}),
          decision.kind() == v1::DECISION_KIND_REFUSED ? Colour::kRed
          : is_made                                    ? Colour::kNone
                                                       : Colour::kYellow};
}

Table::Cell ScoreCell(const v1::Method& method) {
  if (!method.has_health()) return {"-"};
  return {absl::StrFormat("%.0f", method.health().score()),
          ColourOf(method.health().level())};
}

std::string ClockTime(const Timestamp& t) { return TimeUtil::ToString(t); }

}  // namespace firebreak::ctl
