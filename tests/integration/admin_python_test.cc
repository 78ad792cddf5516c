// The admin service through an independent client: Python's gRPC, which gets
// the service's definition by server reflection.
#include <gmock/gmock.h>
#ifdef HAVE_REFLECTION
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#endif
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Debian's Python, even if the PATH has another one first.
constexpr char kPython[] = "/usr/bin/python3";

Output Python(const std::string& target, const std::string& command) {
  const std::string stem = NewStem();
  Output output = RunShell(stem, "",
                           absl::StrCat(kPython, " '", ADMIN_CLIENT_PATH, "' ",
                                        target, " ", command));
  unlink((stem + ".out").c_str());
  unlink((stem + ".err").c_str());
  return output;
}

class PythonTest : public ::testing::Test {
 protected:
  // This must run before the server is built. Every later server has it.
  static void SetUpTestSuite() {
#ifdef HAVE_REFLECTION
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
#endif
  }
  void SetUp() override {
#ifndef HAVE_REFLECTION
    GTEST_SKIP() << "this gRPC was built without server reflection";
#endif
    const Output check = Python("-", "check");
    if (check.exit_code != 0) {
      GTEST_SKIP() << "no python3-grpcio: " << check.err;
    }
  }
};

TEST_F(PythonTest, ListsWatchesAndChanges) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "a:1", kCharge);
  f.Bind("payment", "a:1", kRefund);
  Trip(breaker);
  Output output = Python(f.address(), "list");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(StartsWith("{\"methods\": [{\"channel\": "),
                                HasSubstr("\"BREAKER_STATE_OPEN\""),
                                HasSubstr("\"HEALTH_LEVEL_UNHEALTHY\"")));
  EXPECT_LT(output.out.find(kCharge), output.out.find(kRefund));
  EXPECT_THAT(Python(f.address(), "health").out,
              StartsWith("{\"level\": \"HEALTH_LEVEL_UNHEALTHY\""));
  EXPECT_THAT(Python(f.address(), "alerts").out,
              HasSubstr("\"ALERT_KIND_BREAKER_OPEN\""));
  output = Python(f.address(), "override");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
            core::BreakerState::kForcedOpen);
  EXPECT_EQ(Python(f.address(), "reset").exit_code, 0);
  output = Python(f.address(), "events");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(Lines(output.out), 5) << output.out;
  EXPECT_THAT(output.out,
              AllOf(HasSubstr("\"EVENT_KIND_AUDIT\""),
                    HasSubstr("\"SetOverride FORCED_OPEN for 30s\"")));
}

TEST_F(PythonTest, IsRefusedLikeAnyOther) {
  AdminFixture f({}, "127.0.0.1:0");
  f.Bind("payment", "", kCharge);
  const Output output = Python(f.address(), "reset");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("PERMISSION_DENIED"));
}

}  // namespace
}  // namespace firebreak::testing
