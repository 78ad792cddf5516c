// `firebreakctl advise`, as a shell runs it. No server takes part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>
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

// "830us", "12.3ms", "1m05s", "3h20m" in seconds.
double Seconds(const std::string& text) {
  double sum = 0;
  std::istringstream in(text);
  double value = 0;
  while (in >> value) {
    std::string unit;
    while (std::isalpha(in.peek()) != 0) unit += static_cast<char>(in.get());
    sum += value * (unit == "us"   ? 1e-6
                    : unit == "ms" ? 1e-3
                    : unit == "m"  ? 60
                    : unit == "h"  ? 3600
                    : unit == "d"  ? 86400
                                   : 1);
  }
  return sum;
}

// A row of what was simulated.
struct Row {
  double in_time = -1;  // %
  double p99 = -1;
  double in_vain = -1;
};
Row RowOf(const std::string& out, const std::string& name) {
  Row row;
  const size_t at = out.find(name + " ");
  EXPECT_NE(at, std::string::npos) << name << " is not in " << out;
  if (at == std::string::npos) return row;
  std::istringstream cells(out.substr(at + name.size(), out.find('\n', at)));
  std::string in_time, p50, p99, extra, refused, in_vain;
  cells >> in_time >> p50 >> p99 >> extra >> refused >> in_vain;
  row.in_time = std::strtod(in_time.c_str(), nullptr);
  row.p99 = Seconds(p99);
  row.in_vain = Seconds(in_vain);
  return row;
}

// By more than what a timeout may cost, and than its figures are rounded.
void ExpectNoWorse(const std::string& out, const std::string& what,
                   double may_cost) {
  const Row now = RowOf(out, what + ", now");
  const Row then = RowOf(out, what + ", proposed");
  EXPECT_GE(then.in_time, now.in_time - may_cost) << out;
  EXPECT_LE(then.in_vain, 1.03 * now.in_vain + 0.01) << out;
}

TEST_F(AdviseTest, ProposesNothingThatItsSimulationMakesWorse) {
  const auto csv = [&](int n, int apart_ms, const auto& latency_of,
                       const auto& fails) {
    std::string text = "start_ms,method,latency_ms,code\n";
    for (int i = 0; i < n; ++i) {
      absl::StrAppend(&text, i * apart_ms, ",/a.S/M,", latency_of(i),
                      fails(i) ? ",UNAVAILABLE\n" : ",OK\n");
    }
    return File(".csv", text);
  };
  const auto never = [](int /*i*/) { return false; };
  // A slow spell of a minute looks like a server that is down.
  const std::string spell = csv(
      20'000, 300, [](int i) { return i >= 9000 && i < 9190 ? 300 : 10; },
      never);
  // Of the shop: a tail, failures one by one, and some together.
  const std::string shop = csv(
      12'000, 15, [](int i) { return i % 97 == 3 ? 250 : 8 + i % 11; },
      [](int i) { return i % 211 == 5 || (i > 7000 && i < 7012); });
  // Hardly anything comes in time.
  const std::string bad = csv(
      6000, 20, [](int i) { return i % 3 == 0 ? 900 : 30; },
      [](int i) { return i % 4 == 1; });
  const std::string idempotent =
      File(".textproto", "method { name {} idempotent: true }\n");
  for (const std::string& calls : {spell, shop, bad}) {
    for (const std::string& policy : {std::string(), idempotent}) {
      const Output output =
          Invoke(absl::StrCat("advise M --recording ", calls,
                              policy.empty() ? "" : " --policy " + policy));
      ASSERT_EQ(output.exit_code, 0) << output.err;
      const size_t frozen = output.out.find("frozen for ");
      ASSERT_NE(frozen, std::string::npos);
      ExpectNoWorse(output.out, "as recorded", 0.06);
      // Where a tenth fails, what retries mend is slower than what was OK.
      const Row now = RowOf(output.out, "as recorded, now");
      if (now.in_time > 99) {
        EXPECT_LE(RowOf(output.out, "as recorded, proposed").p99,
                  1.03 * now.p99)
            << output.out;
      }
      // A breaker may need some seconds to see that it is over.
      ExpectNoWorse(
          output.out,
          output.out.substr(frozen, output.out.find(',', frozen) - frozen), 4);
    }
  }
  // What would have made it worse is dropped, and says so.
  EXPECT_THAT(Invoke("advise M --recording " + spell).out,
              HasSubstr("breaker.slow_call_duration: no change\n"));
  EXPECT_THAT(Invoke("advise M --recording " + spell).out,
              HasSubstr("; but on the recording "));
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
