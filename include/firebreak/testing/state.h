// What an engine knows of a method, for tests to look at.
//
//   firebreak::testing::BreakerState state =
//       BreakerOf(*engine, "payment", "/shop.v1.PaymentService/Charge");
//   EXPECT_EQ(state.name, "open") << state;
//
// With GoogleMock, matchers.h says the same in one line.
//
// Thread safety: functions over an engine, from any thread.
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
  std::string method;  // "*": of all methods of the channel
  // "closed", "open", "half_open", "ramp", "forced_open", "forced_closed",
  // "disabled"; "none" if there is no such breaker.
  std::string name = "none";
  // Why it is not closed, in one line.
  std::string cause;
};
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out,
                                          const BreakerState& state);

// Those of every method that has been called, sorted by channel and method.
FIREBREAK_EXPORT std::vector<BreakerState> BreakersOf(const Engine& engine);
// The one of this method. If its channel has several targets, the one that is
// the least closed.
FIREBREAK_EXPORT BreakerState BreakerOf(const Engine& engine,
                                        const std::string& channel,
                                        const std::string& method);

// Whether a call with this reason was refused by `part` of firebreak before its
// first attempt: "breaker", "bulkhead", "rate_limit", "throttle",
// "deadline_gate"; or by a reason's own name, as "bulkhead_full".
FIREBREAK_EXPORT bool IsRefusedBy(Reason reason, absl::string_view part);
// Whether there is such a part or reason.
FIREBREAK_EXPORT bool IsPartOrReason(absl::string_view part);

// "first UNAVAILABLE", "retry OK", "hedge CANCELLED": each attempt of a call.
FIREBREAK_EXPORT std::vector<std::string> AttemptsOf(
    const v1::CallReport& report);

// "OK", or "UNAVAILABLE (breaker_open)".
FIREBREAK_EXPORT std::string OutcomeOf(const grpc::Status& status,
                                       const grpc::ClientContext& context);

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_STATE_H_
