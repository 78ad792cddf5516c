// Tests that exactly the edges of tests/support/tsan/edges.cc are reported to
// ThreadSanitizer. For each edge, handover_main.cc runs once without a race,
// which must report nothing, and once with a planted race, which must be
// reported.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace firebreak::testing {
namespace {

constexpr int kTsanFound = 66;  // its exit code

struct Ended {
  int exit_code = -1;
  std::string output;
};

Ended RunHandover(const std::string& arguments) {
  Ended ended;
  const std::string command = HANDOVER_MAIN_PATH " " + arguments + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return ended;
  std::array<char, 4096> part;
  for (size_t n; (n = fread(part.data(), 1, part.size(), pipe)) > 0;) {
    ended.output.append(part.data(), n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  return ended;
}

class TsanEdgesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TsanEdgesTest, WhatIsHandedOverIsNoRace) {
  const Ended ended = RunHandover(std::string(GetParam()) + " ordered");
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_EQ(ended.output, "");
}

TEST_P(TsanEdgesTest, WhatIsWrittenAfterwardsIsOne) {
  // Sometimes there is no race: the engine's alarm is reference-counted, so the
  // threads are ordered if the one that takes drops its reference first.
  constexpr int kTries = 20;
  Ended ended;
  for (int i = 0; i < kTries && ended.exit_code != kTsanFound; ++i) {
    ended = RunHandover(std::string(GetParam()) + " racy");
  }
  EXPECT_EQ(ended.exit_code, kTsanFound) << ended.output;
  EXPECT_NE(ended.output.find("WARNING: ThreadSanitizer: data race"),
            std::string::npos)
      << ended.output;
  // The report is about the int, and about nothing else.
  EXPECT_NE(ended.output.find("#0 Take "), std::string::npos) << ended.output;
  EXPECT_NE(ended.output.find("ThreadSanitizer: reported 1 warnings"),
            std::string::npos)
      << ended.output;
}

constexpr const char* kWays[] = {
    "queue",  "callback",     "reactor",         "alarm",
    "watch",  "shutdown",     "mutex",           "condvar",
    "engine", "driven_queue", "driven_callback", "driven_reactor"};

INSTANTIATE_TEST_SUITE_P(Ways, TsanEdgesTest, ::testing::ValuesIn(kWays),
                         [](const ::testing::TestParamInfo<const char*>& way) {
                           return std::string(way.param);
                         });

TEST(TsanEdgesTest, EachWayIsTested) {
  std::string ways;
  for (const char* way : kWays) ways += std::string(way) + "\n";
  EXPECT_EQ(RunHandover("list").output, ways);
}

}  // namespace
}  // namespace firebreak::testing
