// The policy commands of firebreakctl, as a shell uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CtlPolicyTest : public ::testing::Test {
 protected:
  CtlPolicyTest()
      : one_(" --target " + first_.address()),
        both_(absl::StrCat(one_, ",", second_.address())),
        file_(NewStem() + ".textproto") {}
  ~CtlPolicyTest() override { unlink(file_.c_str()); }

  // Writes `text` into the file, and returns the file's name.
  const std::string& File(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }
  const std::string& FileWithLimit(int failures) {
    return File(absl::StrReplaceAll(
        kAdminPolicy, {{"consecutive_failures: 2\n      failure_rate",
                        absl::StrCat("consecutive_failures: ", failures,
                                     "\n      failure_rate")}}));
  }
  static uint64_t VersionOf(AdminFixture* f) {
    v1::GetPolicyResponse response;
    EXPECT_TRUE(f->Call(&v1::Admin::Stub::GetPolicy, {}, &response).ok());
    return response.version();
  }

  AdminFixture first_;
  AdminFixture second_;
  const std::string one_;
  const std::string both_;
  const std::string file_;
};

TEST_F(CtlPolicyTest, WhatGetPrintsIsAPolicyFile) {
  const Output got = Invoke("policy get" + one_);
  EXPECT_EQ(got.exit_code, 0) << got.err;
  EXPECT_THAT(got.out, StartsWith("# version 1, from "));
  const Output diff = Invoke("policy diff " + File(got.out) + one_);
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_THAT(diff.out, StartsWith("no difference\n"));
  EXPECT_THAT(Invoke("policy get --json" + one_).out,
              HasSubstr("\"version\":\"1\""));
  EXPECT_THAT(Invoke("policy get" + both_).out,
              HasSubstr("== " + second_.address()));
}

TEST_F(CtlPolicyTest, DiffTellsAndChangesNothing) {
  const Output diff = Invoke("policy diff " + FileWithLimit(3) + one_);
  EXPECT_EQ(diff.exit_code, 1);
  EXPECT_THAT(diff.out, AllOf(HasSubstr("breaker.consecutive_failures\n"),
                              HasSubstr("\n  - 2\n"), HasSubstr("\n  + 3\n")));
  EXPECT_EQ(VersionOf(&first_), 1u);
  const Output bad = Invoke("policy diff " + File("nonsense") + one_);
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, Not(IsEmpty()));
  EXPECT_EQ(Invoke("policy diff /nowhere" + one_).exit_code, 2);
}

TEST_F(CtlPolicyTest, AppliesToAll) {
  const Output applied = Invoke("policy apply " + FileWithLimit(3) + both_);
  EXPECT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_THAT(applied.out,
              AllOf(HasSubstr("== " + first_.address()),
                    HasSubstr("== " + second_.address()), HasSubstr("  + 3\n"),
                    HasSubstr("version 2 is in force")));
  EXPECT_EQ(VersionOf(&first_), 2u);
  EXPECT_EQ(VersionOf(&second_), 2u);
  const std::string stem = NewStem();
  const Output again =
      RunShell(stem, "",
               absl::StrCat("sh -c \"'", FIREBREAKCTL_PATH, "' policy apply -",
                            one_, " <", file_, "\""));
  unlink((stem + ".out").c_str());
  unlink((stem + ".err").c_str());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("no difference"));
  EXPECT_EQ(VersionOf(&first_), 2u);
}

TEST_F(CtlPolicyTest, WhatOneWouldRefuseNoneGets) {
  Output output = Invoke("policy apply " + FileWithLimit(3) + both_ +
                         ",unix:/nowhere/firebreak.sock");
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr("cannot reach"),
                                HasSubstr("nothing was applied")));
  EXPECT_EQ(VersionOf(&first_), 1u);
  output = Invoke("policy apply " +
                  File("method { breaker { failure_rate: 1.5 } }") + both_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("failure_rate: is 1.5; allowed [0, 1]"));
  output = Invoke("policy apply --if-version 5 " + FileWithLimit(3) + one_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("version 1 is in force"));
  EXPECT_EQ(VersionOf(&first_), 1u);
  EXPECT_EQ(Invoke("policy apply --if-version 1 " + FileWithLimit(3) + one_)
                .exit_code,
            0);
}

TEST_F(CtlPolicyTest, FaultsStandEachOnItsLineAndOnce) {
  const std::string two =
      "method { breaker { failure_rate: 7 }\n retry { max_attempts: 0 } }";
  for (const char* command : {"policy diff ", "policy apply "}) {
    const Output output = Invoke(command + File(two) + one_);
    EXPECT_THAT(output.err,
                AllOf(HasSubstr("failure_rate: is 7"),
                      HasSubstr("\nfirebreakctl: ApplyPolicy:2: method[0]"),
                      Not(HasSubstr("?"))));
    EXPECT_LE(Lines(output.err), 4) << output.err;
  }
}

TEST_F(CtlPolicyTest, WhatAllRefuseIsToldOnce) {
  // The server allows the dry run, but not the change.
  AdminFixture f({}, "127.0.0.1:0");
  const Output output =
      Invoke("policy apply " + FileWithLimit(3) + " --target " + f.address());
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(Lines(output.err), 1) << output.err;
  const Output both = Invoke("policy apply " + FileWithLimit(3) + one_ +
                             " --target " + f.address());
  EXPECT_EQ(both.exit_code, 1);
  EXPECT_THAT(both.err, HasSubstr("only 1 of 2 are known to have it"));
  EXPECT_EQ(VersionOf(&first_), 2u);
}

TEST_F(CtlPolicyTest, LintsWhatIsInForce) {
  EXPECT_EQ(
      Invoke("policy lint --target unix:/nowhere/firebreak.sock").exit_code, 1);
  // A policy with an error needs --force. Here it hedges a method, and nothing
  // says that the method may run twice.
  const std::string hedges =
      "method { name { service: \"a.B\" } hedging { delay: \"20ms\" } }";
  Output output = Invoke("policy apply " + File(hedges) + one_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr("a.B"), HasSubstr("--force")));
  EXPECT_EQ(VersionOf(&first_), 1u);
  output = Invoke("policy apply --force " + file_ + one_);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  output = Invoke("policy lint" + one_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, AllOf(HasSubstr("a.B"), HasSubstr("fix: ")));
}

TEST_F(CtlPolicyTest, GarbageIsAMessage) {
  for (const char* args :
       {"policy", "policy get extra", "policy diff", "policy apply",
        "policy apply --if-version 0 x", "policy apply --if-version x y",
        "policy nonsense"}) {
    const Output output = Invoke(args + one_);
    EXPECT_EQ(output.exit_code, 2) << args;
    EXPECT_THAT(output.err, HasSubstr("firebreakctl")) << args;
  }
  for (const char* path : {"/", "/dev/null", "/nowhere"}) {
    const Output output = Invoke(absl::StrCat("policy apply ", path, one_));
    EXPECT_EQ(output.exit_code, 1) << path;
    EXPECT_THAT(output.err, HasSubstr(path));
  }
  const Output output =
      Invoke("policy apply " + File(std::string(2 << 20, '#')) + one_);
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("1048576"));
  EXPECT_THAT(Invoke("policy apply " + File("# \xff\xfe") + one_).err,
              HasSubstr("is not UTF-8"));
}

}  // namespace
}  // namespace firebreak::testing
