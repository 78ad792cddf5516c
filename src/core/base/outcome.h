// How an attempt ended, who is to blame, and what follows from it.
//
//   AttemptEnd end;
//   end.code = absl::StatusCode::kUnavailable;
//   Attribution who = Attribute(end, options.blame());
//   permit.Settle(VerdictOn(who, end.code, options.blame()), now);
//
// Every attempt gets exactly one Attribution, and one table (`EffectsOf`) says
// what it does to the breaker and the retry. So a code
// that is an answer for one part of firebreak can never be a failure for
// another.
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

// Where a status was made. Told by whoever knows the wire; in doubt kUnknown,
// which counts as sent.
enum class Origin {
  kUnknown,    // nobody can tell
  kNowhere,    // there was no connection: nothing can have reached a server
  kHere,       // in this process: a limit, credentials, a cancel, its clock
  kTransport,  // by a connection that broke; the server may have done the work
  kPeer,       // by a server
};

enum class Attribution {
  kSuccess,            // the server answered OK
  kServerFailure,      // a failure code, or anything we cannot explain
  kTransportFailure,   // the connection broke or could not be made
  kIgnored,            // a code that is to say nothing about the server
  kOverload,           // RESOURCE_EXHAUSTED, or the server pushed back
  kSuperseded,         // another attempt of the same call answered first
  kCancelledByCaller,  // and we saw the cancel, or its parent call's
  kDeadlineTooShort,   // less time was granted than the method usually takes
  kNotSent,            // refused by a channel that was still reconnecting
  kAbandoned,          // destroyed without a status
  kLocalRejection,     // never left: refused by firebreak itself
  kLocalError,  // failed by this process's gRPC: says nothing of a server
  // The server answered with an error that the policy does not count as its
  // failure: NOT_FOUND, but PERMISSION_DENIED of an expired token too. To the
  // breaker it is a success.
  kAnsweredWithError,
};
inline constexpr int kAttributions =
    static_cast<int>(Attribution::kAnsweredWithError) + 1;

// The server did its work, whatever it answered.
constexpr bool IsAnswer(Attribution attribution) {
  return attribution == Attribution::kSuccess ||
         attribution == Attribution::kAnsweredWithError;
}

// snake_case name, as it appears in metrics and the admin service.
absl::string_view AttributionName(Attribution attribution);

enum class Verdict {
  kSuccess,
  kFailure,
  kNeutral,
  // Neutral; but it had a head start on the attempt it lost against, and who
  // always loses so may be a black hole that no failure ever shows.
  kLost,
  // Neutral; but a probe that finds no connection has found nobody.
  kNotSent,
};
// Whether it says neither that the target works nor that it does not.
inline bool IsNeutral(Verdict verdict) {
  return verdict != Verdict::kSuccess && verdict != Verdict::kFailure;
}

// Of a failure: the server itself has said so, and so it is not frozen. A
// deadline may have come in its place, or the end of a connection.
constexpr bool IsServersWord(Attribution attribution, absl::StatusCode code) {
  return attribution != Attribution::kTransportFailure &&
         code != absl::StatusCode::kDeadlineExceeded;
}

// What an attribution does to everything that listens to ends of attempts.
struct Effects {
  Verdict verdict;      // to the breaker, but see VerdictOn()
  bool may_be_retried;  // if its code is listed; false: the call ends here
};
const Effects& EffectsOf(Attribution attribution);
// Whether the application may judge it otherwise: there is a status that says
// something of the server.
bool IsJudgeable(Attribution attribution);

// What the time until an attempt's end says about the time an answer takes.
enum class Evidence {
  kExact,    // an answer took so long
  kAtLeast,  // it would have taken longer: we gave up
  kNone,     // failures come fast or slow for reasons of their own
};
Evidence EvidenceOf(absl::StatusCode code, Attribution attribution);

// Facts about one ended attempt, as the caller of the core knows them.
struct AttemptEnd {
  absl::StatusCode code = absl::StatusCode::kOk;
  // `grpc-retry-pushback-ms` of the trailing metadata: absent, a delay, or
  // negative for "do not retry" (also what garbage means, gRFC A6).
  absl::optional<Duration> pushback;
  Origin origin = Origin::kUnknown;  // of the status
  // The channel was not connected when the attempt started.
  bool channel_was_not_ready = false;
  // Whether the breaker counts it as a failure is decided later, by others.
  bool is_judged_later = false;
  // The caller cancelled, or a parent call that it hangs on may have.
  bool cancelled_by_caller = false;
  // It was granted less time than usual (latency_model.h's baseline) calls
  // take.
  bool deadline_was_too_short = false;
};

// Failures by default: what says that the target is in trouble rather than
// that this request is wrong.
inline constexpr CodeSet kDefaultFailureCodes = {
    absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kInternal, absl::StatusCode::kUnknown,
    absl::StatusCode::kDataLoss};

// What a policy says of status codes.
struct BlameRules {
  CodeSet failures = kDefaultFailureCodes;
  CodeSet ignored;  // wins over `failures`
  // kOverload is a failure to the breaker. It stays kOverload to the rest.
  bool overload_counts = false;
};

// The one place that decides. Rules, first match wins:
//   cancelled here, or we know by whom     -> kCancelledByCaller
//   DEADLINE_EXCEEDED of too short a one   -> kDeadlineTooShort
//   any other failure made here, but a
//     deadline: that says who was slow     -> kLocalError
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

// What the breaker is told; neutral moves nothing and gives a probe's slot
// back. Overload is neutral, since to stop calling one busy target makes its
// neighbours busy (brpc leaves ELIMIT out for that). A server that says when to
// come back is alive, whatever its code; RESOURCE_EXHAUSTED is a failure where
// the codes list it, since by default they do not, and all of it where
// `overload_counts`.
Verdict VerdictOn(Attribution attribution, absl::StatusCode code,
                  const BlameRules& rules);

// Reads the value of `grpc-retry-pushback-ms`. Garbage is "do not retry", as
// gRFC A6 asks; gRPC itself hands garbage on as a huge negative number.
Duration ParsePushback(absl::string_view value);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_OUTCOME_H_
