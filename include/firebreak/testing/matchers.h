// Matchers for GoogleMock, which check in one line what state.h returns.
//
//   using namespace firebreak::testing;
//   EXPECT_THAT(BreakerOf(*engine, "payment", kCharge), BreakerIs("open"));
//   EXPECT_THAT(context, WasRefusedBy("bulkhead"));
//   EXPECT_THAT(*firebreak::GetCallReport(context),
//               AttemptsWere("first UNAVAILABLE", "retry OK"));
//
// This header needs GoogleMock. The library does not need it.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_MATCHERS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_MATCHERS_H_

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include <string>

#include "firebreak/reason.h"
#include "firebreak/testing/state.h"
#include "firebreak/v1/call_report.pb.h"

namespace firebreak {
namespace testing {

// Matches a BreakerState whose name is `name`: "closed", "open", ...
MATCHER_P(BreakerIs, name,
          std::string("is a breaker that is ") + (negation ? "not " : "") +
              ::testing::PrintToString(name)) {
  *result_listener << arg;
  return arg.name == name;
}

// Matches a grpc::ClientContext whose call has ended and was refused by `part`:
// "breaker", "bulkhead", "rate_limit", "throttle", "deadline_gate", or the name
// of a reason.
MATCHER_P(WasRefusedBy, part,
          std::string(negation ? "was not" : "was") +
              " refused by firebreak's " + ::testing::PrintToString(part)) {
  if (!IsPartOrReason(part)) {
    *result_listener << "there is nothing of that name that refuses calls";
    return false;
  }
  const Reason reason = ReasonOf(arg);
  *result_listener << "its reason is " << reason;
  return IsRefusedBy(reason, part);
}

// Matches a CallReport with exactly these attempts: "first UNAVAILABLE",
// "retry OK", ... or matchers of such strings.
template <class... Attempts>
auto AttemptsWere(Attempts... attempts) {
  return ::testing::ResultOf(
      "the attempts",
      [](const v1::CallReport& report) { return AttemptsOf(report); },
      ::testing::ElementsAre(attempts...));
}

}  // namespace testing
}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_MATCHERS_H_
