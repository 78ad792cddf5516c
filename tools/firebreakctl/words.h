// How firebreakctl puts states and figures into words.
//
//   table.AddRow({StateCell(breaker), Between(breaker.since(), as_of)});
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_WORDS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_WORDS_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/repeated_field.h>
#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "firebreak/v1/admin.pb.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {

Colour ColourOf(v1::BreakerState state);
// "open" for BREAKER_STATE_OPEN.
std::string StateName(v1::BreakerState state);
// "open (shadow)" for one that refuses nothing.
Table::Cell StateCell(const v1::Breaker& breaker);

// Since 1970. Of a time or duration that a target should not send, the nearest
// that there is.
int64_t Millis(const google::protobuf::Timestamp& t);
int64_t Nanos(const google::protobuf::Duration& d);
// Nanoseconds to three digits or so: "830us", "12.3ms", "1.24s", "2m05s",
// "3h20m", "4d06h". Negative ones are "0s".
std::string Brief(int64_t ns);
std::string Brief(const google::protobuf::Duration& duration);
std::string Between(const google::protobuf::Timestamp& from,
                    const google::protobuf::Timestamp& to);
// "-" when there is no success to measure.
std::string Quantile(const v1::Latency& latency,
                     const google::protobuf::Duration& quantile);
// Each value as the height of one letter, the highest as the tallest.
std::string Sparkline(const google::protobuf::RepeatedField<int64_t>& values,
                      bool utf8);
// Three digits, or all of a larger number: "0.123", "12.3", "12345".
std::string Figure(double value);
// "10/s, 98% not OK: PERMISSION_DENIED 98"; "" when nothing is known.
std::string NowText(const v1::CallsNow& now);
Colour ColourOf(v1::HealthLevel level);
// "degraded" for HEALTH_LEVEL_DEGRADED; so too "breaker_open", "critical".
std::string LevelName(v1::HealthLevel level);
std::string AlertName(v1::AlertKind kind);
std::string SeverityName(v1::AlertSeverity severity);
// "refused", "not retried".
Table::Cell DecisionCell(const v1::Decision& decision);
// "83.1"; "-" where the server does not say.
Table::Cell ScoreCell(const v1::Method& method);
std::string ClockTime(const google::protobuf::Timestamp& t);
// "-" for nothing.
std::string OrDash(const std::string& text);
// The message of a failure; never empty, since a server may send none.
std::string ErrorText(const grpc::Status& status);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_WORDS_H_
