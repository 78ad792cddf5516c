// Formats states and figures for people.
//
//   table.AddRow({StateCell(breaker), Between(breaker.since(), as_of)});
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_WORDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_WORDS_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/repeated_field.h>
#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "firebreak/v1/admin.pb.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

Colour ColourOf(v1::BreakerState state);
// "open" for BREAKER_STATE_OPEN.
std::string StateName(v1::BreakerState state);
// "open (shadow)" for a breaker that refuses nothing.
Table::Cell StateCell(const v1::Breaker& breaker);

// Milliseconds since 1970, and nanoseconds. An invalid time or duration from a
// target becomes the nearest valid one.
int64_t Millis(const google::protobuf::Timestamp& t);
int64_t Nanos(const google::protobuf::Duration& d);
// Formats nanoseconds with about three digits: "830us", "12.3ms", "1.24s",
// "2m05s", "3h20m", "4d06h". Negative ones are "0s".
std::string Brief(int64_t ns);
std::string Brief(const google::protobuf::Duration& duration);
std::string Between(const google::protobuf::Timestamp& from,
                    const google::protobuf::Timestamp& to);
// "-" if there is no success to measure.
std::string Quantile(const v1::Latency& latency,
                     const google::protobuf::Duration& quantile);
// Each value is the height of one character; the highest value is the tallest.
std::string Sparkline(const google::protobuf::RepeatedField<int64_t>& values,
                      bool utf8);
// Three digits, or all digits of a larger number: "0.123", "12.3", "12345".
std::string Figure(double value);
// "10/s, 98% not OK: PERMISSION_DENIED 98"; "" if nothing is known.
std::string NowText(const v1::CallsNow& now);
Colour ColourOf(v1::HealthLevel level);
// "degraded" for HEALTH_LEVEL_DEGRADED; also "breaker_open" and "critical".
std::string LevelName(v1::HealthLevel level);
std::string AlertName(v1::AlertKind kind);
std::string SeverityName(v1::AlertSeverity severity);
// "refused", "not retried".
Table::Cell DecisionCell(const v1::Decision& decision);
// "83.1", or "-" if the server has none.
Table::Cell ScoreCell(const v1::Method& method);
std::string ClockTime(const google::protobuf::Timestamp& t);
// "-" for an empty text.
std::string OrDash(const std::string& text);
// The message of a failure; not empty, even if the server sent none.
std::string ErrorText(const grpc::Status& status);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_WORDS_H_
