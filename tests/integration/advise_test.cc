// `firebreakctl advise`, as a shell runs it. No server takes part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/firebreakctl.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class AdviseTest : public ::testing::Test {
 protected:
  ~AdviseTest() override {
    for (const std::string& file : files_) unlink(file.c_str());
  }
  std::string File(const std::string& ext, const std::string& text) {
    files_.push_back(NewStem() + ext);
    std::ofstream(files_.back()) << text;
    return files_.back();
  }
  // Three minutes of a call each 10 ms; one in a hundred is UNAVAILABLE, and
  // two in a hundred take long.
  std::string Calls(int n = 18'000) {
    std::string csv = "start_ms,method,latency_ms,code\n";
    for (int i = 0; i < n; ++i) {
      absl::StrAppend(&csv, i * 10,
                      i % 3 == 0 ? ",/shop.v1.PaymentService/Refund,"
                                 : ",/shop.v1.PaymentService/Charge,",
                      i % 50 == 7  ? "180,"
                      : i % 7 == 0 ? "20,"
                                   : "9,",
                      i % 100 == 55 ? "UNAVAILABLE\n" : "OK\n");
    }
    return File(".csv", csv);
  }

  std::vector<std::string> files_;
};

TEST_F(AdviseTest, ProposesWhatItHasSimulated) {
  const std::string calls = Calls();
  const Output output = Invoke("advise Charge --recording " + calls);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(
      output.out,
      AllOf(StartsWith("/shop.v1.PaymentService/Charge: 12000 calls in 3m00s"),
            HasSubstr("\ntimeout: 250ms\n    p99.9 is 180ms; a timeout of "
                      "250ms costs 0% of calls"),
            HasSubstr("\nretry.max_attempts: 2\n"),
            HasSubstr("\nhedging.quantile: no change\n"),
            HasSubstr("does not say idempotent: true"),
            HasSubstr("as recorded, proposed"),
            HasSubstr("frozen for 29s at 59s, proposed"),
            HasSubstr("+ { name { service: \"shop.v1.PaymentService\" method: "
                      "\"Charge\" } timeout: \"250ms\"")));
  // At the end it prints a policy. That policy is accepted, and with it the
  // advice is to change nothing.
  const std::string policy =
      File(".textproto", output.out.substr(output.out.rfind("\nmethod {")));
  const Output lint = Invoke("policy lint " + policy);
  EXPECT_EQ(lint.exit_code, 0) << lint.out << lint.err;
  const Output again = Invoke(
      absl::StrCat("advise Charge --recording ", calls, " --policy ", policy));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("the present 250ms fits"),
                               HasSubstr("\nno difference\n")));
}

TEST_F(AdviseTest, ChangesTheEntryThatHolds) {
  const std::string policy =
      File(".textproto",
           "method { id: \"all\" name {} timeout: \"5s\" idempotent: true }\n"
           "channel { name: \"shop\" budget { ratio: 0.1 } }\n");
  const Output output =
      Invoke(absl::StrCat("advise PaymentService/Charge --recording ", Calls(),
                          " --policy ", policy));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  // The other methods keep theirs.
  EXPECT_THAT(output.out,
              AllOf(HasSubstr("and not after 5s"), HasSubstr("base: \"all\""),
                    HasSubstr("hedging.quantile: 0.95\n"),
                    Not(HasSubstr("method[all]"))));
  const std::string own =
      File(".textproto",
           "method { name { service: \"shop.v1.PaymentService\" method: "
           "\"Charge\" } timeout: \"5s\" breaker {} }\n");
  EXPECT_THAT(Invoke(absl::StrCat("advise Charge --recording ", Calls(),
                                  " --policy ", own))
                  .out,
              HasSubstr("method[/shop.v1.PaymentService/Charge].timeout\n"
                        "  - \"5s\"\n  + \"250ms\"\n"));
}

TEST_F(AdviseTest, RefusesWhatItCannotAdviseOn) {
  const std::string few = Calls(900);
  const struct {
    std::string args;
    int exit_code;
    std::string error;
  } cases[] = {
      {"Charge --recording " + few, 1,
       "firebreakctl: too little to advise on: 594 successes in 9 s; it takes "
       "1000 in 60s or more"},
      {"PaymentService --recording " + few, 2,
       "firebreakctl: no recorded method is \"PaymentService\"; the first "
       "ones: "
       "/shop.v1.PaymentService/Refund, /shop.v1.PaymentService/Charge"},
      {"Charge --recording /nowhere", 2,
       "firebreakctl: /nowhere: cannot be opened"},
      {"Charge --recording " + few + " --policy /nowhere", 1,
       "firebreakctl: /nowhere"},
  };
  for (const auto& c : cases) {
    const Output output = Invoke("advise " + c.args);
    EXPECT_EQ(output.exit_code, c.exit_code) << c.args;
    EXPECT_THAT(output.err, StartsWith(c.error)) << c.args;
    EXPECT_THAT(output.out, IsEmpty());
  }
}

}  // namespace
}  // namespace firebreak::testing
