// What scripts and operators rely on: exit codes, rows, names with spaces, the
// warning about policies that remove breakers, and the way back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CtlToolsTest : public ::testing::Test {
 protected:
  CtlToolsTest() : charge_(f_.Bind("payment", "a:1", kCharge)) {}
  ~CtlToolsTest() override { unlink(file_.c_str()); }
  Output Ctl(const std::string& args) {
    return Invoke(absl::StrCat(args, " --target ", f_.address()));
  }
  const std::string& File(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }

  AdminFixture f_;
  core::Breaker* const charge_;
  const std::string file_ = NewStem() + ".textproto";
};

TEST_F(CtlToolsTest, AlertsTellByTheExitCodeWhereAsked) {
  EXPECT_EQ(Ctl("alerts --exit-code").exit_code, 0);
  Trip(charge_);
  EXPECT_EQ(Ctl("alerts").exit_code, 0);
  EXPECT_EQ(Ctl("alerts --exit-code").exit_code, 2);
  EXPECT_EQ(Invoke("alerts --exit-code --target unix:/nowhere").exit_code, 2);
  EXPECT_EQ(Invoke("alerts --target unix:/nowhere").exit_code, 1);
}

TEST_F(CtlToolsTest, AChannelThatDoesNotExist) {
  for (const char* command : {"list", "alerts"}) {
    const Output output = Ctl(absl::StrCat(command, " --channel paymnt"));
    EXPECT_EQ(output.exit_code, 1) << command;
    EXPECT_EQ(output.err,
              "firebreakctl: no channel \"paymnt\"; nearest: \"payment\"\n");
  }
  // It is enough if one of several servers has the method.
  AdminFixture other;
  other.Bind("stock", "a:1", kCharge);
  const Output output =
      Ctl(absl::StrCat("list --channel stock --target ", other.address()));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, Not(HasSubstr(f_.address())));
}

TEST_F(CtlToolsTest, SpacesAroundNamesAreNobodysIntention) {
  const Output output =
      Invoke(absl::StrCat("show ' Charge ' --channel ' payment' --target ' ",
                          f_.address(), " , '"));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(
      Invoke("list", absl::StrCat("FIREBREAK_TARGET=' ", f_.address(), " , '"))
          .exit_code,
      0);
}

TEST_F(CtlToolsTest, ATargetWithoutCallsHasARow) {
  AdminFixture idle;
  const Output output = Ctl("list --target " + idle.address());
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(Lines(output.out), 3);
  EXPECT_THAT(output.out,
              AllOf(HasSubstr(idle.address()), HasSubstr("no calls yet")));
}

TEST_F(CtlToolsTest, OnlyTheBadOnesAndOnlyTheWorst) {
  Trip(charge_);
  f_.Bind("payment", "a:1", kRefund);
  f_.Bind("order", "a:1", kCreate);
  Output output = Ctl("list --bad");
  EXPECT_EQ(Lines(output.out), 2) << output.out;
  EXPECT_THAT(output.out, HasSubstr(kCharge));
  output = Ctl("list --limit 1");
  EXPECT_EQ(Lines(output.out), 3) << output.out;
  EXPECT_THAT(output.out, AllOf(HasSubstr(kCharge), HasSubstr("and 2 more\n")));
  output = Ctl("list --limit 1 --json");
  EXPECT_THAT(output.out, AllOf(HasSubstr(kCharge), Not(HasSubstr(kRefund))));
  charge_->Reset(engine::Now());
  EXPECT_EQ(Ctl("list --bad").out, "every method is healthy\n");
}

TEST_F(CtlToolsTest, AReasonIsInTheAudit) {
  EXPECT_EQ(Ctl("override Charge open --reason 'drill 12'").exit_code, 0);
  EXPECT_THAT(Ctl("events").out, HasSubstr("(reason: \"drill 12\")"));
}

TEST_F(CtlToolsTest, OneEnvelopeForOneTargetAndForMany) {
  const std::string begin =
      absl::StrCat("{\"target\":\"", f_.address(), "\",\"response\":{");
  for (const char* command : {"list --json", "show Charge --json",
                              "policy get --json", "health --json"}) {
    EXPECT_THAT(Ctl(command).out, StartsWith(begin)) << command;
  }
  Trip(charge_);
  EXPECT_THAT(Ctl("events --json").out, StartsWith(begin));
}

TEST_F(CtlToolsTest, ApplyTakesNoBreakerAwayWithoutAWord) {
  const std::string file = File("method { name {} timeout: '3s' }");
  Output output = Ctl("policy diff " + file);
  EXPECT_EQ(output.exit_code, 1);
  const std::string lost =
      absl::StrCat("loses its breaker: ", kCharge, " on channel \"payment\"\n");
  EXPECT_THAT(output.out, HasSubstr(lost));
  output = Ctl("policy apply " + file);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr(lost), HasSubstr("--force"),
                                HasSubstr("nothing was applied")));
  output = Ctl("policy apply --force " + file);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr(lost));
}

TEST_F(CtlToolsTest, HistoryAndTheWayBack) {
  EXPECT_EQ(Ctl("policy rollback").exit_code, 1);
  ASSERT_EQ(
      Ctl("policy apply --force " + File("method { name {} timeout: '3s' }"))
          .exit_code,
      0);
  Output output = Ctl("policy history");
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(Lines(output.out), 3);
  EXPECT_THAT(output.out, HasSubstr("admin "));
  output = Ctl("policy rollback --reason oops");
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("version 3 is in force"));
  EXPECT_THAT(Ctl("policy get").out, HasSubstr("CatalogService"));
  EXPECT_THAT(Ctl("events").out, HasSubstr("(reason: \"oops\")"));
  EXPECT_EQ(Ctl("policy rollback --to 2 --force").exit_code, 0);
  EXPECT_THAT(Ctl("policy get").out, Not(HasSubstr("CatalogService")));
  output = Ctl("policy rollback --to 77");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("version: is 77; kept are [1, 4]"));
}

}  // namespace
}  // namespace firebreak::testing
