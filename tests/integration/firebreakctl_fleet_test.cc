// firebreakctl with several servers, small terminals and hostile names, and its
// commands that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kNobody[] = "unix:/nowhere/firebreak.sock";

size_t PlaceOf(const std::string& text, const std::string& part) {
  EXPECT_THAT(text, HasSubstr(part));
  return text.find(part);
}

class FleetTest : public ::testing::Test {
 protected:
  FleetTest()
      : well_(first_.Bind("payment", "a:1", kCharge)),
        ill_(second_.Bind("payment", "a:1", kCharge)) {
    Trip(ill_);
    both_ =
        absl::StrCat(" --target ", first_.address(), ",", second_.address());
    with_dead_ = absl::StrCat(both_, " --target ", kNobody);
  }

  AdminFixture first_;
  AdminFixture second_;
  core::Breaker* const well_;
  core::Breaker* const ill_;
  std::string both_;
  std::string with_dead_;
};

TEST_F(FleetTest, OneTableWorstFirstAndTheDeadAreRows) {
  const Output output = Invoke("list" + with_dead_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, StartsWith("SERVER "));
  EXPECT_EQ(Lines(output.out), 4);
  EXPECT_THAT(output.err, HasSubstr(absl::StrCat("cannot reach ", kNobody)));
  EXPECT_EQ(Lines(output.err), 1);
  // The reason is left out, since it is long and would widen the column.
  EXPECT_THAT(output.out, AllOf(HasSubstr(kNobody), HasSubstr("no answer"),
                                Not(HasSubstr("cannot reach"))));
  EXPECT_LT(PlaceOf(output.out, second_.address()),
            PlaceOf(output.out, first_.address()));
}

TEST_F(FleetTest, NoneAnsweringIsAFailure) {
  const Output output = Invoke(
      absl::StrCat("list --target ", kNobody, ",unix:/nowhere/other.sock"));
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_EQ(Lines(output.err), 2);
}

TEST_F(FleetTest, HealthIsThatOfTheWorst) {
  const auto health = [](const std::string& targets) {
    return Invoke("health --target " + targets);
  };
  EXPECT_EQ(health(first_.address()).exit_code, 0);
  EXPECT_THAT(health(first_.address()).out, HasSubstr("healthy"));
  EXPECT_EQ(health(second_.address()).exit_code, 2);
  EXPECT_EQ(Invoke("health" + both_).exit_code, 2);
  // One unhealthy method of three makes the server degraded.
  second_.Bind("payment", "a:1", kRefund);
  second_.Bind("order", "a:1", kCreate);
  const Output output = health(second_.address());
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, AllOf(HasSubstr("degraded"), HasSubstr(kCharge),
                                Not(HasSubstr(kRefund))));
  EXPECT_EQ(Invoke("health" + both_).exit_code, 1);
  EXPECT_EQ(Invoke("health" + with_dead_).exit_code, 2);
  EXPECT_EQ(health(kNobody).exit_code, 2);
}

TEST_F(FleetTest, HealthOfNoMethodIsNotGood) {
  EXPECT_EQ(
      Invoke("health --channel payment --target " + first_.address()).exit_code,
      0);
  Output output =
      Invoke("health --channel paymnt --target " + first_.address());
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_EQ(output.err,
            "firebreakctl: no channel \"paymnt\"; nearest: \"payment\"\n");
  // If a server does not answer, the name need not be wrong.
  output = Invoke("health --channel paymnt" + with_dead_);
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr(kNobody));
  // It is enough if one of the servers has the channel.
  first_.Bind("order", "a:1", kCreate);
  output = Invoke("health --channel order" + both_);
  EXPECT_EQ(output.exit_code, 0) << output.err;
}

TEST_F(FleetTest, AlertsOfAll) {
  Output output = Invoke("alerts" + with_dead_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("cannot reach"));
  EXPECT_THAT(output.out,
              AllOf(HasSubstr("critical"), HasSubstr("breaker_open"),
                    HasSubstr("2 failures in a row"), HasSubstr(kNobody)));
  EXPECT_EQ(Lines(output.out), 3);
  EXPECT_EQ(Invoke("alerts --target " + first_.address()).out, "no alerts\n");
  output = Invoke("alerts --critical --json --target " + second_.address());
  EXPECT_THAT(output.out, HasSubstr("ALERT_SEVERITY_CRITICAL"));
}

TEST_F(FleetTest, ShowsEachAndChangesAll) {
  Output output = Invoke("show Charge" + with_dead_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, AllOf(HasSubstr("== " + first_.address()),
                                HasSubstr("== " + second_.address()),
                                HasSubstr("no answer")));
  EXPECT_THAT(output.err, HasSubstr(absl::StrCat("cannot reach ", kNobody)));
  output = Invoke("reset Charge" + both_);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(ill_->Snapshot(engine::Now()).state, core::BreakerState::kClosed);
  // A change that one server has not made is a failure.
  output = Invoke("override Charge open" + with_dead_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(well_->Snapshot(engine::Now()).state,
            core::BreakerState::kForcedOpen);
  EXPECT_THAT(output.err, HasSubstr("cannot reach"));
}

TEST_F(FleetTest, EventsOfAllInOneOrder) {
  // Times are reported in milliseconds.
  well_->Reset(engine::Now() + std::chrono::milliseconds(20));
  ill_->Reset(engine::Now() + std::chrono::milliseconds(40));
  const Output output = Invoke("events" + with_dead_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("cannot reach"));
  const std::vector<std::string> lines =
      absl::StrSplit(output.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3);
  EXPECT_THAT(lines[0], AllOf(StartsWith(second_.address()),
                              HasSubstr("closed -> open")));
  EXPECT_THAT(lines[1], StartsWith(first_.address()));
  EXPECT_THAT(lines[2], StartsWith(second_.address()));
}

TEST_F(FleetTest, JsonIsAnObjectToALine) {
  const Output output = Invoke("list --json" + with_dead_);
  const std::vector<std::string> lines =
      absl::StrSplit(output.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3);
  EXPECT_THAT(lines[0],
              StartsWith(absl::StrCat("{\"target\":\"", first_.address(),
                                      "\",\"response\":{\"methods\":[")));
  EXPECT_THAT(lines[2], StartsWith(absl::StrCat("{\"target\":\"", kNobody,
                                                "\",\"error\":\"cannot")));
}

TEST_F(FleetTest, TargetsOfTheEnvironment) {
  const std::string environment = absl::StrCat(
      "FIREBREAK_TARGET=", first_.address(), ",", second_.address());
  EXPECT_EQ(Lines(Invoke("list", environment).out), 3);
  EXPECT_EQ(Lines(Invoke("list --target " + first_.address(), environment).out),
            2);
  EXPECT_EQ(Invoke("list", environment + " FIREBREAK_TIMEOUT=soon").exit_code,
            2);
  for (const char* command : {"list", "health", "events", "policy get"}) {
    const Output none = Invoke(command, "FIREBREAK_TARGET=,");
    EXPECT_EQ(none.exit_code, 2) << command;
    EXPECT_THAT(none.err, HasSubstr("FIREBREAK_TARGET: there is none"));
  }
}

TEST_F(FleetTest, ATerminalOf20Columns) {
  for (const char* command :
       {"list", "show Charge", "health", "alerts", "reset Charge"}) {
    const Output output = Invoke(command + both_, "COLUMNS=20 LC_ALL=C.UTF-8");
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(output.out, '\n'))) {
      if (line.rfind("== ", 0) == 0) continue;  // a heading, not a table
      const auto width = std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      });
      EXPECT_LE(width, 20) << command << ": " << line;
    }
    EXPECT_THAT(output.out, Not(IsEmpty())) << output.err;
  }
}

TEST(HostileNamesTest, NeitherCommandTheTerminalNorBreakLines) {
  AdminFixture f;
  const std::string hostile =
      "/shop.v1.PaymentService/\x1b]0;owned\x07\n<script>alert('1')"
      "<script>$(reboot)\xff";
  Trip(f.Bind("pay\x1b[2J", "t\n:1", hostile));
  const std::string target = " --target " + f.address();
  for (const char* command : {"list", "alerts", "health", "events"}) {
    const Output output = Invoke(command + target);
    EXPECT_THAT(output.out,
                AllOf(HasSubstr("/shop.v1."), Not(HasSubstr("\x1b")),
                      Not(HasSubstr("\xff"))))
        << command;
    EXPECT_EQ(Lines(output.out), command == std::string("health")   ? 5
                                 : command == std::string("events") ? 1
                                                                    : 2)
        << output.out;
  }
  // JSON that is put into a web page has no effect there.
  const Output json = Invoke("list --json" + target);
  EXPECT_THAT(json.out, AllOf(Not(HasSubstr("<script>")),
                              HasSubstr("\\u003cscript\\u003e")));
  EXPECT_THAT(Invoke("list --names" + target).out, IsEmpty());
}

class PolicyLintTest : public ::testing::Test {
 protected:
  ~PolicyLintTest() override { unlink(path_.c_str()); }
  Output Lint(const std::string& text) {
    std::ofstream(path_) << text;
    return Invoke("policy lint " + path_);
  }
  const std::string path_ = NewStem() + ".textproto";
};

TEST_F(PolicyLintTest, GoodBadAndDoubtful) {
  Output output = Lint("method { name {} timeout: \"1s\" breaker {} }");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(output.out, "nothing found\n");

  output = Lint(
      "method {\n  name {}\n  timeout: 'soon'\n  breaker {\n"
      "    failure_rate: 7\n  }\n}");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_EQ(Lines(output.err), 2) << output.err;
  EXPECT_THAT(output.err, AllOf(HasSubstr(":3: method[0].timeout"),
                                HasSubstr("failure_rate: is 7")));

  output = Lint("method { name { service: 'a.B' } hedging {} }");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, AllOf(StartsWith("error: "), HasSubstr("a.B"),
                                HasSubstr("\n    fix: ")));
  output =
      Lint("method { name { service: 'a.B' } retry { codes: [ABORTED] } }");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, StartsWith("warning: "));
  EXPECT_EQ(Invoke("policy lint /nowhere").exit_code, 1);
}

TEST_F(PolicyLintTest, StandardInputAndJson) {
  std::ofstream(path_) << "method { name { service: 'a.B' } hedging {} }";
  const std::string stem = NewStem();
  const Output output =
      RunShell(stem, "",
               absl::StrCat("sh -c \"'", FIREBREAKCTL_PATH,
                            "' policy lint - --json <", path_, "\""));
  unlink((stem + ".out").c_str());
  unlink((stem + ".err").c_str());
  EXPECT_EQ(output.exit_code, 1) << output.err;
  EXPECT_THAT(output.out, AllOf(StartsWith("{"), HasSubstr("\"isError\":true"),
                                HasSubstr("a.B")));
}

}  // namespace
}  // namespace firebreak::testing
