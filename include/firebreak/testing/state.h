// The state of an engine's breakers and the outcome of calls, for tests.
//
//   firebreak::testing::BreakerState state =
//       BreakerOf(*engine, "payment", "/shop.v1.PaymentService/Charge");
//   EXPECT_EQ(state.name, "open") << state;
//
// With GoogleMock, matchers.h checks the same in one line.
//
// Thread safety: these functions may be called from any thread.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_STATE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_STATE_H_

#include <grpcpp/client_context.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/engine.h"
#include "firebreak/export.h"
#include "firebreak/reason.h"
#include "firebreak/v1/call_report.pb.h"

namespace firebreak {
namespace testing {

struct BreakerState {
  std::string channel;
  std::string target;
  std::string method;  // "*" if all methods of the channel share the breaker
  // "closed", "open", "half_open", "ramp", "forced_open", "forced_closed",
  // "disabled"; "none" if there is no such breaker.
  std::string name = "none";
  // Why the breaker is in this state, in one line.
  std::string cause;
};
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out,
                                          const BreakerState& state);

// Returns the breakers of every method that has been called, sorted by channel
// and method.
FIREBREAK_EXPORT std::vector<BreakerState> BreakersOf(const Engine& engine);
// Returns the breaker of this method. If its channel has several targets, it is
// the one in the worst state. The name is "none" if there is no such breaker.
FIREBREAK_EXPORT BreakerState BreakerOf(const Engine& engine,
                                        const std::string& channel,
                                        const std::string& method);

// Returns whether a call with this reason was refused before its first attempt
// by `part` of firebreak: "breaker", "bulkhead", "rate_limit", "throttle",
// "deadline_gate". `part` may also be the name of a reason, "bulkhead_full".
FIREBREAK_EXPORT bool IsRefusedBy(Reason reason, absl::string_view part);
// Returns whether there is such a part or reason.
FIREBREAK_EXPORT bool IsPartOrReason(absl::string_view part);

// Returns one string for each attempt of a call: "first UNAVAILABLE",
// "retry OK", "hedge CANCELLED".
FIREBREAK_EXPORT std::vector<std::string> AttemptsOf(
    const v1::CallReport& report);

// Returns the status code and, if there is one, the reason: "OK",
// "UNAVAILABLE (breaker_open)".
FIREBREAK_EXPORT std::string OutcomeOf(const grpc::Status& status,
                                       const grpc::ClientContext& context);

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_STATE_H_
