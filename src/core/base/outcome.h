// How an attempt ended, what caused the failure, and what follows from it.
//
//   AttemptEnd end;
//   end.code = absl::StatusCode::kUnavailable;
//   Attribution who = Attribute(end, options.blame());
//   permit.Settle(VerdictOn(who, end.code, options.blame()), now);
//
// Every attempt gets exactly one Attribution, and one table (`EffectsOf`) says
// how it affects the breaker and the retry. So a code cannot be an answer for
// one part of firebreak and a failure for another.
//
// Status codes are absl::StatusCode: the numbers are those of gRPC.
//
// Thread safety: pure functions and values.
#ifndef FIREBREAK_SRC_CORE_BASE_OUTCOME_H_
#define FIREBREAK_SRC_CORE_BASE_OUTCOME_H_

#include <cstdint>
#include <initializer_list>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// The number of canonical codes, OK included.
inline constexpr int kStatusCodes = 17;

// A set of status codes. A code outside the canonical range belongs to none.
class CodeSet {
 public:
  constexpr CodeSet() = default;
  constexpr CodeSet(std::initializer_list<absl::StatusCode> codes) {
    for (absl::StatusCode code : codes) Add(code);
  }

  constexpr void Add(absl::StatusCode code) { bits_ |= Bit(code); }
  constexpr bool Contains(absl::StatusCode code) const {
    return (bits_ & Bit(code)) != 0;
  }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(CodeSet a, CodeSet b) {
    return a.bits_ == b.bits_;
  }
  friend constexpr CodeSet operator|(CodeSet a, CodeSet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  friend constexpr CodeSet operator-(CodeSet a, CodeSet b) {
    a.bits_ &= ~b.bits_;
    return a;
  }

 private:
  static constexpr uint32_t Bit(absl::StatusCode code) {
    const int n = static_cast<int>(code);
    return n >= 0 && n < kStatusCodes ? uint32_t{1} << n : 0;
  }

  uint32_t bits_ = 0;
};

// Where a status was produced. kUnknown, if in doubt, counts as sent.
enum class Origin {
  kUnknown,    // not known
  kNowhere,    // no connection: nothing can have reached a server
  kHere,       // this process: a limit, credentials, a cancel, its clock
  kTransport,  // a broken connection; the server may have done the work
  kPeer,       // a server
};

enum class Attribution {
  kSuccess,            // the server answered OK
  kServerFailure,      // a failure code, or anything that is not explained
  kTransportFailure,   // the connection broke or could not be made
  kIgnored,            // the policy ignores the code
  kOverload,           // RESOURCE_EXHAUSTED, or the server pushed back
  kSuperseded,         // another attempt of the same call answered first
  kCancelledByCaller,  // this call's cancel, or its parent's
  kDeadlineTooShort,   // less time was granted than the method usually takes
  kNotSent,            // refused by a channel that was still reconnecting
  kAbandoned,          // destroyed without a status
  kLocalRejection,     // never left: refused by firebreak itself
  kLocalError,         // failed in this process's gRPC, not by a server
  // The server answered with an error that the policy does not count as its
  // failure, such as NOT_FOUND, but also PERMISSION_DENIED for an expired
  // token. The breaker counts it as a success.
  kAnsweredWithError,
};
inline constexpr int kAttributions =
    static_cast<int>(Attribution::kAnsweredWithError) + 1;

// Whether the server did its work, whatever it answered.
constexpr bool IsAnswer(Attribution attribution) {
  return attribution == Attribution::kSuccess ||
         attribution == Attribution::kAnsweredWithError;
}

// The snake_case name in metrics and in the admin service.
absl::string_view AttributionName(Attribution attribution);

enum class Verdict {
  kSuccess,
  kFailure,
  kNeutral,
  // Neutral, but the attempt lost although it had started first. A target that
  // always loses may be one that never answers, without any failure.
  kLost,
  // Neutral, but for a probe it means that there is no connection.
  kNotSent,
};
// Whether the verdict says nothing about the target.
inline bool IsNeutral(Verdict verdict) {
  return verdict != Verdict::kSuccess && verdict != Verdict::kFailure;
}

// Whether a failure is the server's own answer, so that it does not hang. A
// deadline or a broken connection is not.
constexpr bool IsServersWord(Attribution attribution, absl::StatusCode code) {
  return attribution != Attribution::kTransportFailure &&
         code != absl::StatusCode::kDeadlineExceeded;
}

// What an attribution means for the breaker and for retries.
struct Effects {
  Verdict verdict;      // for the breaker; but see VerdictOn()
  bool may_be_retried;  // if the code is listed; false: the call ends
};
const Effects& EffectsOf(Attribution attribution);
// Whether an application's classifier may change it: there is a status that
// says something about the server.
bool IsJudgeable(Attribution attribution);

// What the duration of an attempt says about the time an answer takes.
enum class Evidence {
  kExact,    // an answer took this long
  kAtLeast,  // the client gave up, so it would take longer
  kNone,     // a failure says nothing about it
};
Evidence EvidenceOf(absl::StatusCode code, Attribution attribution);

// The facts about one ended attempt, as the caller of the core knows them.
struct AttemptEnd {
  absl::StatusCode code = absl::StatusCode::kOk;
  // The `grpc-retry-pushback-ms` of the trailing metadata: absent, a delay, or
  // negative for "do not retry". An unreadable value is negative too (gRFC A6).
  absl::optional<Duration> pushback;
  Origin origin = Origin::kUnknown;  // of the status
  // The channel was not connected when the attempt started.
  bool channel_was_not_ready = false;
  // Whether a classifier decides later if the breaker counts it as a failure.
  bool is_judged_later = false;
  // The caller cancelled, or its parent call may have.
  bool cancelled_by_caller = false;
  // It had less time than calls usually take (the baseline of latency_model.h).
  bool deadline_was_too_short = false;
};

// The default failure codes: those that say that the target is in trouble,
// rather than that this request is wrong.
inline constexpr CodeSet kDefaultFailureCodes = {
    absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kInternal, absl::StatusCode::kUnknown,
    absl::StatusCode::kDataLoss};

// How a policy classifies status codes.
struct BlameRules {
  CodeSet failures = kDefaultFailureCodes;
  CodeSet ignored;  // wins over `failures`
  // kOverload is a failure for the breaker. It stays kOverload elsewhere.
  bool overload_counts = false;
};

// The one place that attributes an end. The first match wins:
//   cancelled here or by a known caller    -> kCancelledByCaller
//   DEADLINE_EXCEEDED, deadline too short  -> kDeadlineTooShort
//   any other failure made here, except a
//     deadline, which blames the server    -> kLocalError
//   UNAVAILABLE, channel never connected   -> kNotSent
//   an ignored code                        -> kIgnored
//   RESOURCE_EXHAUSTED, or a failure code
//     with pushback                        -> kOverload
//   no connection, or one that broke,
//     failure code                         -> kTransportFailure
//   failure code, or CANCELLED by someone
//     unknown                              -> kServerFailure
//   OK                                     -> kSuccess
//   anything else                          -> kAnsweredWithError
Attribution Attribute(const AttemptEnd& end, const BlameRules& rules);

// The verdict for the breaker. A neutral one changes nothing but frees a
// probe's slot. Overload is neutral: refusing calls to one busy target would
// make the others busy (brpc leaves ELIMIT out for that). A failure with a
// pushback is neutral too, whatever its code, since that server is alive.
// RESOURCE_EXHAUSTED is a failure if the policy's failure codes list it, which
// they do not by default. With `overload_counts` all overload is a failure.
Verdict VerdictOn(Attribution attribution, absl::StatusCode code,
                  const BlameRules& rules);

// Parses a `grpc-retry-pushback-ms`. An unreadable value means "do not retry",
// as gRFC A6 requires; gRPC itself passes it on as a huge negative number.
Duration ParsePushback(absl::string_view value);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_OUTCOME_H_
