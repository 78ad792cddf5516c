// `firebreakctl policy shadow|compare|promote`, as a shell uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/candidate_calls.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CtlCandidateTest : public ::testing::Test {
 protected:
  CtlCandidateTest()
      : one_(" --target " + first_.address()),
        both_(absl::StrCat(one_, ",", second_.address())),
        file_(NewStem() + ".textproto") {
    std::ofstream(file_) << "method { name {} timeout: \"100ms\" "
                            "breaker { consecutive_failures: 5 } }\n";
  }
  ~CtlCandidateTest() override { unlink(file_.c_str()); }

  void Call(core::Duration took, absl::StatusCode code) {
    CallUnderCandidate(&first_, took, code);
  }

  AdminFixture first_;
  AdminFixture second_;
  const std::string one_;
  const std::string both_;
  const std::string file_;
};

TEST_F(CtlCandidateTest, ShadowCompareAndPromote) {
  const Output none = Invoke("policy compare" + one_);
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.out, "there is no candidate policy\n");
  const Output shadow = Invoke("policy shadow " + file_ + one_);
  EXPECT_EQ(shadow.exit_code, 0) << shadow.err;
  EXPECT_THAT(shadow.out,
              AllOf(HasSubstr("method[payment]"),
                    HasSubstr("candidate 1 counts beside version 1\n")));
  EXPECT_THAT(Invoke("policy compare" + one_).out,
              HasSubstr("no method has been called\n"));
  Call(std::chrono::milliseconds(3), absl::StatusCode::kOk);
  const Output same = Invoke("policy compare" + one_);
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("no difference on any call\n"));
  Call(std::chrono::milliseconds(300), absl::StatusCode::kOk);
  Call(std::chrono::milliseconds(300), absl::StatusCode::kUnavailable);
  const Output compare = Invoke("policy compare Charge" + one_);
  EXPECT_THAT(
      compare.out,
      AllOf(StartsWith("candidate 1, from admin "), HasSubstr("0 -> 2"),
            HasSubstr(absl::StrCat(
                kCharge,
                " would have ended 2 calls by its timeout of 100ms, of which 1 "
                "succeeded, 1 failed, so the live policy was right "
                "about 1 and the candidate about 1.\n"))));
  EXPECT_THAT(Invoke("policy compare --json" + one_).out,
              HasSubstr("\"wouldTimeOut\":{\"succeeded\":\"1\""));
  EXPECT_THAT(Invoke("show Charge" + one_).out,
              HasSubstr("of 3 calls it would have ended 2 calls"));
  const Output promote = Invoke("policy promote" + one_);
  EXPECT_EQ(promote.exit_code, 0) << promote.err;
  EXPECT_THAT(promote.out, HasSubstr("version 2 is in force\n"));
  EXPECT_THAT(Invoke("policy get" + one_).out,
              HasSubstr("candidate 1 promoted"));
  EXPECT_EQ(Invoke("policy compare" + one_).exit_code, 1);
}

TEST_F(CtlCandidateTest, OffTakesItAway) {
  EXPECT_EQ(Invoke("policy shadow --off" + one_).exit_code, 1);
  EXPECT_EQ(Invoke("policy shadow " + file_ + one_).exit_code, 0);
  const Output others = Invoke("policy shadow --off --if-candidate 7" + one_);
  EXPECT_EQ(others.exit_code, 1);
  EXPECT_THAT(others.err, HasSubstr("candidate 1 is there, not 7"));
  EXPECT_EQ(Invoke("policy shadow --if-candidate 7 " + file_ + one_).exit_code,
            1);
  const Output off = Invoke("policy shadow --off --if-candidate 1" + one_);
  EXPECT_EQ(off.exit_code, 0) << off.err;
  EXPECT_EQ(off.out, "candidate 1 is taken away\n");
}

TEST_F(CtlCandidateTest, WrongCommandLines) {
  EXPECT_EQ(Invoke("policy shadow" + one_).exit_code, 2);
  EXPECT_EQ(Invoke("policy shadow --off " + file_ + one_).exit_code, 2);
  EXPECT_EQ(Invoke("policy shadow --if-version 0 " + file_ + one_).exit_code,
            2);
  EXPECT_EQ(Invoke("policy shadow --if-candidate -1 " + file_ + one_).exit_code,
            2);
  EXPECT_EQ(Invoke("policy shadow /nowhere" + one_).exit_code, 1);
  std::ofstream(file_) << "method { name {} timeout: \"2h\" }";
  const Output wrong = Invoke("policy shadow " + file_ + one_);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("timeout: is 7200s; allowed [0s, 3600s]"));
}

TEST_F(CtlCandidateTest, OfSeveralAllArePromotedOrNone) {
  EXPECT_EQ(Invoke("policy shadow " + file_ + one_).exit_code, 0);
  const Output one_has_none = Invoke("policy promote" + both_);
  EXPECT_EQ(one_has_none.exit_code, 1);
  EXPECT_THAT(one_has_none.err, AllOf(HasSubstr("there is no candidate policy"),
                                      HasSubstr("nothing was promoted")));
  EXPECT_EQ(Invoke("policy shadow " + file_ + both_).exit_code, 0);
  EXPECT_EQ(Invoke("policy apply " + file_ + " --force" + one_).exit_code, 0);
  const Output stale = Invoke("policy promote" + both_);
  EXPECT_EQ(stale.exit_code, 1);
  EXPECT_THAT(stale.err, HasSubstr("--force promotes it all the same"));
  EXPECT_THAT(Invoke("policy compare" + both_).out,
              HasSubstr("another version is in force by now"));
  const Output forced = Invoke("policy promote --force" + both_);
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
}

}  // namespace
}  // namespace firebreak::testing
