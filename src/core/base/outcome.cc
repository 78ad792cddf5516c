#include "src/core/base/outcome.h"

#include <array>
#include <limits>

#include "absl/strings/numbers.h"

namespace firebreak::core {
namespace {

struct Row {
  absl::string_view name;
  Effects effects;
};

// The rows are in the order of Attribution.
constexpr std::array<Row, kAttributions> kTable = {{
    // name                  verdict           retry
    {"success", {Verdict::kSuccess, true}},
    {"server_failure", {Verdict::kFailure, true}},
    {"transport_failure", {Verdict::kFailure, true}},
    {"ignored", {Verdict::kNeutral, true}},
    {"overload", {Verdict::kNeutral, true}},
    {"superseded", {Verdict::kNeutral, false}},
    {"cancelled_by_caller", {Verdict::kNeutral, false}},
    {"deadline_too_short", {Verdict::kNeutral, true}},
    {"not_sent", {Verdict::kNotSent, true}},
    {"abandoned", {Verdict::kNeutral, false}},
    {"local_rejection", {Verdict::kNeutral, false}},
    {"local_error", {Verdict::kNeutral, false}},
    {"answered_with_error", {Verdict::kSuccess, true}},
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

Evidence EvidenceOf(absl::StatusCode code, Attribution attribution) {
  switch (attribution) {
    case Attribution::kSuperseded:
    case Attribution::kCancelledByCaller:
    case Attribution::kDeadlineTooShort:
      return Evidence::kAtLeast;
    case Attribution::kSuccess:
      if (code == absl::StatusCode::kOk) return Evidence::kExact;
      break;
    case Attribution::kNotSent:
    case Attribution::kAbandoned:
    case Attribution::kLocalRejection:
    case Attribution::kLocalError:
      return Evidence::kNone;
    default:
      break;
  }
  // This does not depend on the attribution.
  return code == absl::StatusCode::kDeadlineExceeded ? Evidence::kAtLeast
                                                     : Evidence::kNone;
}

bool IsJudgeable(Attribution attribution) {
  return IsAnswer(attribution) || attribution == Attribution::kServerFailure ||
         attribution == Attribution::kTransportFailure ||
         attribution == Attribution::kIgnored ||
         attribution == Attribution::kOverload;
}

Attribution Attribute(const AttemptEnd& end, const BlameRules& rules) {
  const bool failed = rules.failures.Contains(end.code);
  const bool is_local = end.origin == Origin::kHere;
  const bool is_connection =
      end.origin == Origin::kNowhere || end.origin == Origin::kTransport;
  if (end.code == absl::StatusCode::kCancelled &&
      (end.cancelled_by_caller || is_local)) {
    return Attribution::kCancelledByCaller;
  }
  if (end.code == absl::StatusCode::kDeadlineExceeded &&
      end.deadline_was_too_short) {
    return Attribution::kDeadlineTooShort;
  }
  if (is_local && end.code != absl::StatusCode::kOk &&
      end.code != absl::StatusCode::kDeadlineExceeded) {
    return Attribution::kLocalError;
  }
  if (end.code == absl::StatusCode::kUnavailable && is_connection &&
      end.channel_was_not_ready) {
    return Attribution::kNotSent;
  }
  if (rules.ignored.Contains(end.code)) return Attribution::kIgnored;
  if (end.code == absl::StatusCode::kResourceExhausted ||
      (failed && end.pushback.has_value())) {
    return Attribution::kOverload;
  }
  if (failed && is_connection) return Attribution::kTransportFailure;
  if (failed || end.code == absl::StatusCode::kCancelled ||
      static_cast<int>(end.code) < 0 ||
      static_cast<int>(end.code) >= kStatusCodes) {
    return Attribution::kServerFailure;
  }
  return end.code == absl::StatusCode::kOk ? Attribution::kSuccess
                                           : Attribution::kAnsweredWithError;
}

Verdict VerdictOn(Attribution attribution, absl::StatusCode code,
                  const BlameRules& rules) {
  if (attribution == Attribution::kOverload &&
      (rules.overload_counts || (code == absl::StatusCode::kResourceExhausted &&
                                 rules.failures.Contains(code)))) {
    return Verdict::kFailure;
  }
  return EffectsOf(attribution).verdict;
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
