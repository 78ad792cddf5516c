#include "src/core/outcome.h"

#include <array>
#include <limits>

#include "absl/strings/numbers.h"

namespace firebreak::core {
namespace {

struct Row {
  absl::string_view name;
  Effects effects;
};

// Order of rows is the order of Attribution.
constexpr std::array<Row, kAttributions> kTable = {{
    // name                  verdict           retry  latency
    {"success", {Verdict::kSuccess, true, true}},
    {"server_failure", {Verdict::kFailure, true, false}},
    {"transport_failure", {Verdict::kFailure, true, false}},
    {"overload", {Verdict::kNeutral, true, false}},
    {"superseded", {Verdict::kNeutral, false, false}},
    {"cancelled_by_caller", {Verdict::kNeutral, false, false}},
    {"not_sent", {Verdict::kNeutral, true, false}},
    {"abandoned", {Verdict::kNeutral, false, false}},
    {"local_rejection", {Verdict::kNeutral, false, false}},
}};

const Row& RowOf(Attribution attribution) {
  return kTable[static_cast<size_t>(attribution)];
}

}  // namespace

absl::string_view AttributionName(Attribution attribution) {
  return RowOf(attribution).name;
}

const Effects& EffectsOf(Attribution attribution) {
  return RowOf(attribution).effects;
}

bool IsJudgeable(Attribution attribution) {
  return attribution == Attribution::kSuccess ||
         attribution == Attribution::kServerFailure ||
         attribution == Attribution::kTransportFailure ||
         attribution == Attribution::kOverload;
}

Attribution Attribute(const AttemptEnd& end, CodeSet failure_codes) {
  const bool failed = failure_codes.Contains(end.code);
  if (end.code == absl::StatusCode::kCancelled && end.cancelled_by_caller) {
    return Attribution::kCancelledByCaller;
  }
  if (end.code == absl::StatusCode::kUnavailable && end.from_transport &&
      end.channel_was_not_ready) {
    return Attribution::kNotSent;
  }
  if (end.code == absl::StatusCode::kResourceExhausted ||
      (failed && end.pushback.has_value())) {
    return Attribution::kOverload;
  }
  if (failed && end.from_transport) return Attribution::kTransportFailure;
  if (failed || end.code == absl::StatusCode::kCancelled ||
      static_cast<int>(end.code) < 0 ||
      static_cast<int>(end.code) >= kStatusCodes) {
    return Attribution::kServerFailure;
  }
  return Attribution::kSuccess;
}

Duration ParsePushback(absl::string_view value) {
  constexpr int64_t kMaxMs =
      std::numeric_limits<Duration::rep>::max() / 1'000'000;
  int64_t ms = 0;
  if (!absl::SimpleAtoi(value, &ms) || ms < 0 || ms > kMaxMs) {
    return Duration(-1);
  }
  return std::chrono::milliseconds(ms);
}

}  // namespace firebreak::core
