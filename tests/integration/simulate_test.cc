// `firebreakctl simulate`, as a shell runs it. No server takes part.
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

constexpr char kMadeUp[] =
    "simulate --latency 'lognormal(20ms, 10ms)' --length 40s ";

class SimulateTest : public ::testing::Test {
 protected:
  SimulateTest()
      : policy_(File(".textproto",
                     "method { name {} timeout: \"250ms\" idempotent: true\n"
                     "  breaker {} retry { max_attempts: 2 } }\n")) {}
  ~SimulateTest() override {
    for (const std::string& file : files_) unlink(file.c_str());
  }

  std::string File(const std::string& ext, const std::string& text) {
    files_.push_back(NewStem() + ext);
    std::ofstream(files_.back()) << text;
    return files_.back();
  }
  std::string Recording(const std::string& rows) {
    return File(".csv", "start_ms,method,latency_ms,code\n" + rows);
  }

  std::vector<std::string> files_;
  const std::string policy_;
};

TEST_F(SimulateTest, ComparesPoliciesWithNone) {
  const Output output = Invoke(absl::StrCat(
      kMadeUp, "--what-if 'frozen for 10s at 10s' --deadline 1s ", policy_));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.err, IsEmpty());
  EXPECT_THAT(output.out,
              AllOf(StartsWith("100 calls a second for 40s\n"
                               "what if: frozen for 10s at 10s\n\nPOLICY"),
                    HasSubstr("\nwithout firebreak"), HasSubstr(policy_),
                    HasSubstr("refused: breaker_open "),
                    HasSubstr("closed -> open: 5 failures in a row")));
}

TEST_F(SimulateTest, TheSameSeedPrintsTheSame) {
  const std::string line =
      absl::StrCat(kMadeUp, "--fails 5% --what-if 'load x3 at 10s' ", policy_);
  const std::string out = Invoke(line).out;
  EXPECT_EQ(Invoke(line).out, out);
  EXPECT_NE(Invoke(line + " --seed 2").out, out);
  EXPECT_THAT(out, HasSubstr("servers of each service: 1, with 4 workers each, "
                             "50% busy without the what-if"));
}

TEST_F(SimulateTest, PrintsJsonAndDrawsAPicture) {
  const std::string svg = File(".svg", "");
  const Output output =
      Invoke(absl::StrCat(kMadeUp, "--json --svg ", svg, " ", policy_));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_EQ(Lines(output.out), 2);
  EXPECT_THAT(
      output.out,
      AllOf(StartsWith("{\"policy\":\"without firebreak\",\"calls\":"),
            HasSubstr("\"recovery_ms\":null"), HasSubstr("\"seconds\":[[")));
  EXPECT_THAT(ReadFile(svg),
              AllOf(StartsWith("<svg xmlns="), HasSubstr("calls that succeed"),
                    HasSubstr(">without firebreak</text>"),
                    Not(HasSubstr("nan")), HasSubstr("</svg>\n")));
  const Output full =
      Invoke(absl::StrCat(kMadeUp, "--svg /dev/full ", policy_));
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_EQ(full.err, "firebreakctl: /dev/full: cannot be written\n");
}

TEST_F(SimulateTest, TakesARecording) {
  std::string rows;
  for (int i = 0; i < 500; ++i) {
    absl::StrAppend(&rows, i * 10, i % 2 == 0 ? ",/a.S/M,5" : ",/b.S/M,400",
                    ",OK\n");
  }
  const std::string file = Recording(rows);
  const Output output =
      Invoke(absl::StrCat("simulate --recording ", file, " ", policy_));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(StartsWith("500 recorded calls of 2 methods"),
                                HasSubstr("OK 250, DEADLINE_EXCEEDED")));
  const Output one = Invoke(
      absl::StrCat("simulate --recording ", file, " --method a.S/ ", policy_));
  EXPECT_THAT(one.out, StartsWith("250 recorded calls of 1 method "));
  EXPECT_EQ(Invoke(absl::StrCat("simulate --recording ", file, " --method x"))
                .exit_code,
            2);
  // The file may be a pipe.
  EXPECT_THAT(
      RunShell(NewStem(), "",
               absl::StrCat("sh -c \"cat ", file, " | '", FIREBREAKCTL_PATH,
                            "' simulate --recording -\""))
          .out,
      StartsWith("500 recorded calls"));
}

TEST_F(SimulateTest, TellsWhatIsWrongWithARecordingAndGoesOn) {
  const std::string file = Recording("50,/a.S/M,5,OK\n0,/a.S/M,5,OK\n60,/a.");
  const Output output = Invoke("simulate --recording " + file);
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.err,
            "the recording is cut off: its last line has no end, and was left "
            "out\n1 calls began before one above them; they were sorted\n");
}

TEST_F(SimulateTest, NamesWhatItDoesNotUnderstand) {
  const std::string nan = Recording("0,/a.S/M,nan,OK\n");
  const std::string newer = File(".csv", "#firebreak-calls 9\n");
  const struct {
    std::string args;
    std::string error;
  } cases[] = {
      {"", "give either --recording or --latency"},
      {"--latency 20ms --recording x", "give either --recording or --latency"},
      {"--latency 'lognormal(nan, 1ms)'",
       "--latency: 'nan' is not understood; expected a duration"},
      {"--latency 20ms --what-if 'payment frozn for 60s'",
       "--what-if: part 1, word 2: 'frozn' is not understood"},
      {"--latency 20ms --what-if 'paymnt frozen'",
       "'paymnt' is a part of no service's name; there are "
       "simulated.Service"},
      {"--latency 20ms --what-if '5% of replicas slow' --replicas 3",
       "\"5% of replicas slow x10\" is less than one of 3 replicas"},
      {"--latency 20ms --fails x", "--fails: 'x' is not a share, as 1%"},
      {"--latency 20ms --fails 101%", "--fails: "},
      {"--latency 20ms --fails nan%", "--fails: "},
      {"--latency 20ms --rate nan", "--rate: is not in (0, 1000000]"},
      {"--latency 20ms --rate 100000 --length 1h", "--length: "},
      {"--latency 20ms --deadline soon", "--deadline: "},
      {"--recording /nowhere.csv", "/nowhere.csv: cannot be opened"},
      {"--recording /", "/: cannot be read"},
      {"--recording " + nan, nan + ": line 2, column 3: found 'nan'"},
      {"--recording " + newer, newer + ": line 1, column 1: is of version 9"},
      {"--recording /dev/null", "/dev/null: line 1, column 1"},
  };
  for (const auto& c : cases) {
    const Output output = Invoke("simulate " + c.args);
    EXPECT_EQ(output.exit_code, 2) << c.args;
    EXPECT_THAT(output.err, StartsWith("firebreakctl: " + c.error)) << c.args;
    EXPECT_THAT(output.out, IsEmpty());
  }
}

TEST_F(SimulateTest, APolicyHasToBeAcceptedAndFit) {
  const std::string bad =
      File(".textproto", "method { name {} timeout: \"-\"}");
  const Output refused = Invoke(absl::StrCat(kMadeUp, bad));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("timeout"));
  const std::string other = File(
      ".textproto", "method { name { channel: \"shop\" } timeout: \"1s\" }");
  const Output alone = Invoke(absl::StrCat(kMadeUp, other));
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_THAT(alone.err,
              HasSubstr("says nothing of 1 of 1 methods in channel \"\""));
  EXPECT_THAT(Invoke(absl::StrCat(kMadeUp, "--channel shop ", other)).err,
              IsEmpty());
}

}  // namespace
}  // namespace firebreak::testing
