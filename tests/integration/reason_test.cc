// The reason why a call was refused, in code and in the log.
#include "firebreak/reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "firebreak/call_report.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

template <class T>
std::string Printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

TEST(ReasonTest, TheListIsTheCores) {
  EXPECT_EQ(ReasonName(Reason::kNone), "");
  for (int n = 0; n < core::kReasons; ++n) {
    EXPECT_EQ(ReasonName(static_cast<Reason>(n)),
              core::ReasonName(static_cast<core::Reason>(n)));
  }
  // The number of each is part of the API.
  EXPECT_EQ(ReasonName(Reason::kForcedOpen), "forced_open");
  EXPECT_EQ(ReasonName(Reason::kCancelled), "cancelled");
  EXPECT_EQ(ReasonName(Reason::kThrottledLocally), "throttled_locally");
  EXPECT_EQ(ReasonName(Reason::kUnknown), "unknown");
  EXPECT_EQ(ReasonName(static_cast<Reason>(-1)), "unknown");
  EXPECT_EQ(Printed(Reason::kBreakerOpen), "breaker_open");
  EXPECT_EQ(Printed(Reason::kNone), "none");
}

TEST(ReasonTest, OfACallThatWasRefused) {
  EngineFixture f("breaker {} retry {}");
  UnaryCall well("well");
  Caller(StubStyle::kSync, f.channel()).Run(&well);
  ASSERT_TRUE(well.status.ok());
  EXPECT_EQ(ReasonOf(well.context), Reason::kNone);
  f.runtime()->breakers().front()->ForceOpen({}, engine::Now());
  UnaryCall call("refused");
  AskForReport(&call.context);
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  EXPECT_EQ(ReasonOf(call.context), Reason::kForcedOpen);
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  EXPECT_THAT(Printed(*report), HasSubstr("UNAVAILABLE (forced_open) after "));
}

TEST(ReasonTest, AReportPrintsItsAttempts) {
  EngineFixture f("retry { max_attempts: 2 backoff { initial: '1ms' } }");
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("again");
  AskForReport(&call.context);
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  const auto report = GetCallReport(call.context);
  ASSERT_TRUE(report.has_value());
  const std::string text = Printed(*report);
  EXPECT_THAT(text, AllOf(HasSubstr("OK after "), HasSubstr("attempts: first "),
                          HasSubstr("UNAVAILABLE server_failure"),
                          HasSubstr(", retry ")));
}

// The guide lists exactly the reasons and attributions that exist.
TEST(ReasonTest, TheGuideListsReasonsAndAttributions) {
  std::ifstream file(OPERATIONS_GUIDE_PATH);
  std::stringstream text;
  text << file.rdbuf();
  for (int n = 1; n < core::kReasons; ++n) {
    const std::string name(core::ReasonName(static_cast<core::Reason>(n)));
    EXPECT_THAT(text.str(), HasSubstr(absl::StrCat("\n| `", name, "` | ")));
  }
  for (int n = 0; n < core::kAttributions; ++n) {
    const std::string name(
        core::AttributionName(static_cast<core::Attribution>(n)));
    EXPECT_THAT(text.str(), HasSubstr(absl::StrCat("\n| `", name, "` | ")));
  }
}

}  // namespace
}  // namespace firebreak::testing
