// gRFC A6 ("gRPC Retry Design") as tables: what a client does, given a policy
// and a server's answers. Each case is played in virtual time against the core,
// over real sockets against an engine, and by a client in another language.
//
//   for (const A6Case& c : A6Cases()) {
//     CallRig rig(c.policy.Options());            // the core
//     Engine::FromText(c.policy.Text());          // an engine
//     ... c.policy.ServiceConfig() ...            // any other gRPC
//   }
//
// A case must hold on a machine of any speed: attempts may come later than the
// table says, but never earlier, and their number and the call's status are the
// same everywhere. So an answer may wait for an event (`waits_for`), and not
// only for milliseconds of virtual time. A hedge that must not become due has a
// delay of ten seconds. An attempt that is to be cancelled never answers.
//
// Thread safety: the tables are constant.
#ifndef FIREBREAK_TESTS_CONFORMANCE_A6_CASES_H_
#define FIREBREAK_TESTS_CONFORMANCE_A6_CASES_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/outcome.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"
#include "tests/support/echo_server.h"

namespace firebreak::testing {

using Code = absl::StatusCode;

inline constexpr Code kUnavailable = Code::kUnavailable;
inline constexpr int kNever = 10'000;  // a delay that no test waits for

// A retryPolicy or a hedgingPolicy, in the format of each of its readers.
struct A6Policy {
  bool hedges = false;
  int max_attempts = 4;
  std::vector<absl::StatusCode> codes;  // retryable, or non-fatal
  // Only for retries.
  int initial_ms = 0;
  int max_ms = 0;
  double multiplier = 2;
  core::BackoffOptions::Jitter jitter = core::BackoffOptions::Jitter::kNone;
  // Only for hedges.
  int delay_ms = 0;
  absl::optional<core::ThrottlingOptions> throttling;

  core::MethodOptions Options() const;
  // The only limit is A6's: the attempt budget is its throttling, or none.
  core::BudgetOptions Budget() const;
  // A whole policy, for every method of every channel.
  std::string Text() const;
  // The same as a service config, which is gRPC's own JSON.
  std::string ServiceConfig() const;
};

A6Policy RetryPolicy(int max_attempts, int initial_ms, int max_ms,
                     std::vector<absl::StatusCode> codes = {
                         absl::StatusCode::kUnavailable});
A6Policy HedgingPolicy(int max_attempts, int delay_ms,
                       std::vector<absl::StatusCode> codes = {
                           absl::StatusCode::kUnavailable,
                           absl::StatusCode::kInternal,
                           absl::StatusCode::kAborted});

// What the server does with one attempt. Attempts get the replies in the order
// in which they arrive.
struct Reply {
  absl::StatusCode code = absl::StatusCode::kOk;
  int latency_ms = 0;
  absl::optional<std::string> pushback;  // grpc-retry-pushback-ms, as sent
  bool hangs = false;                    // until it is cancelled
  int waits_for = 0;                     // attempts that must have begun
  bool sends_headers = false;            // before the status

  Step ToStep() const;
  core::AttemptEnd ToEnd() const;
};

inline Reply Ok(int latency_ms = 0, int waits_for = 0) {
  return {absl::StatusCode::kOk, latency_ms, {}, false, waits_for};
}
inline Reply Fail(absl::StatusCode code, int latency_ms = 0,
                  int waits_for = 0) {
  return {code, latency_ms, {}, false, waits_for};
}
inline Reply PushBack(const std::string& value,
                      absl::StatusCode code = absl::StatusCode::kUnavailable) {
  return {code, 0, value, false, 0};
}
inline Reply Hang() { return {absl::StatusCode::kOk, 0, {}, true, 0}; }

// An attempt on the wire. It is sent not earlier than `at_ms` after the call's
// start, and in virtual time exactly then.
struct Sent {
  int at_ms;
  core::AttemptKind kind;
};
inline Sent First() { return {0, core::AttemptKind::kFirst}; }
inline Sent Retry(int at_ms) { return {at_ms, core::AttemptKind::kRetry}; }
inline Sent Hedge(int at_ms) { return {at_ms, core::AttemptKind::kHedge}; }

struct A6Case {
  std::string name;
  A6Policy policy;
  std::vector<Reply> server;
  std::vector<Sent> timeline;
  absl::StatusCode status;
  int ends_ms;  // in virtual time
  int deadline_ms = 0;
  std::vector<int> cancelled = {};  // numbers of attempts, which all hang
};

void PrintTo(const A6Case& c, std::ostream* out);  // for GoogleTest

// All cases: first the retries, then the hedges. Their names are unique.
const std::vector<A6Case>& A6Cases();

// The two parts of A6Cases().
std::vector<A6Case> A6RetryCases();
std::vector<A6Case> A6HedgingCases();

// One of several calls that share one count of tokens.
struct ThrottledCall {
  std::vector<Reply> server;
  size_t attempts;
  absl::StatusCode status;
  double tokens;  // after the call
};

struct ThrottlingCase {
  std::string name;
  A6Policy policy;
  std::vector<ThrottledCall> calls;
};

std::vector<ThrottlingCase> A6ThrottlingCases();

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CONFORMANCE_A6_CASES_H_
