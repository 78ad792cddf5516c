// `firebreakctl record`, as a shell runs it, and the uses of its file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "src/core/measure/call_tape.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/firebreakctl.h"
#include "tests/support/taped_calls.h"

namespace firebreak::testing {
namespace {

using core::CallTape;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class RecordTest : public ::testing::Test {
 protected:
  ~RecordTest() override {
    for (const std::string& file : files_) unlink(file.c_str());
  }
  std::string NewFile(const std::string& ext) {
    files_.push_back(NewStem() + ext);
    return files_.back();
  }
  static int64_t SizeOf(const std::string& path) {
    struct stat found {};
    return stat(path.c_str(), &found) == 0 ? found.st_size : -1;
  }
  std::vector<std::string> files_;
};

TEST_F(RecordTest, SeveralTargetsIntoOneFileUntilInterrupted) {
  AdminFixture a;
  AdminFixture b;
  const std::string file = NewFile(".fbr");
  Follower record(absl::StrCat("record --for 10m -o ", file, " --target ",
                               a.address(), ",", b.address()));
  TapeCalls(&a, 3);
  TapeCalls(&b, 4);
  std::string table;
  ASSERT_TRUE(Eventually([&] {
    // Even while it is being written, it is complete except for the last block.
    if (SizeOf(file) <= 8) return false;
    table = Invoke(absl::StrCat("convert ", file, " -")).out;
    return Lines(table) == 2 + 7;
  })) << table;
  const Output& output = record.Stop();
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out,
              AllOf(StartsWith(file + ": 7 calls, "),
                    HasSubstr(" from 2 targets, until interrupted\n")));
  EXPECT_THAT(table, AllOf(HasSubstr(absl::StrCat(",", a.address(), "\n")),
                           HasSubstr(absl::StrCat(",", b.address(), "\n")),
                           HasSubstr(absl::StrCat(kCharge,
                                                  ",7.000,OK,payment,"
                                                  "success,,1,0,0,"))));
  // Other commands read it like a table.
  const std::string policy = NewFile(".textproto");
  std::ofstream(policy) << "method { name {} timeout: \"250ms\" }\n";
  const Output simulated =
      Invoke(absl::StrCat("simulate --recording ", file, " ", policy));
  EXPECT_EQ(simulated.exit_code, 0) << simulated.err;
  EXPECT_THAT(simulated.out, StartsWith("7 recorded calls of 1 method"));
  const Output advised =
      Invoke(absl::StrCat("advise Charge --recording ", file));
  EXPECT_THAT(advised.err, HasSubstr("too little to advise on: 7 successes"));
}

TEST_F(RecordTest, EndsWhenItsTimeIsOver) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  const Output output = Invoke(
      absl::StrCat("record --for 200ms -o ", file, " --target ", f.address()));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr(": 0 calls, 1 kB from 1 target\n"));
  // The file is not overwritten.
  const Output again = Invoke(
      absl::StrCat("record --for 200ms -o ", file, " --target ", f.address()));
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(again.err,
            absl::StrCat("firebreakctl: ", file,
                         ": there is something in it already; name another "
                         "file\n"));
}

TEST_F(RecordTest, ATargetThatIsNotThereIsToldAndTheOthersGoOn) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  const std::string gone = "unix:/nowhere/admin.sock";
  const Output output = Invoke(absl::StrCat(
      "record --for 200ms -o ", file, " --target ", f.address(), ",", gone));
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out,
              HasSubstr(": 0 calls, 1 kB from 1 target; the file is removed"));
  EXPECT_THAT(output.err, HasSubstr("cannot reach " + gone));
  EXPECT_EQ(SizeOf(file), -1) << "nothing but a header was in it";
  const std::string none = NewFile(".fbr");
  const Output alone =
      Invoke(absl::StrCat("record --for 200ms -o ", none, " --target ", gone));
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.out, IsEmpty());
  EXPECT_EQ(SizeOf(none), -1) << "nothing is left behind";
}

TEST_F(RecordTest, ATargetThatGoesIsToldAtOnce) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  const std::string gone = "unix:/nowhere/admin.sock";
  Follower record(absl::StrCat("record --for 10m -o ", file, " --target ",
                               f.address(), ",", gone));
  TapeCalls(&f, 1);
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(record.err(), "cannot reach " + gone);
  })) << "while the other is recorded";
  ASSERT_TRUE(Eventually([&] { return SizeOf(file) > 8; }));
  const Output& output = record.Stop();
  EXPECT_EQ(output.exit_code, 1) << "though it was interrupted";
  EXPECT_THAT(output.out, AllOf(StartsWith(file + ": 1 calls, "),
                                HasSubstr(" from 1 target, until")));
  EXPECT_THAT(output.err, Not(HasSubstr(f.address())));
  EXPECT_GT(SizeOf(file), 8);
}

TEST_F(RecordTest, ATargetThatComesBackIsRecordedAgain) {
  const std::string address = NewSocketAddress();
  auto before = std::make_unique<AdminFixture>(AdminOptions(), address);
  const std::string file = NewFile(".fbr");
  Follower record(
      absl::StrCat("record --for 10m -o ", file, " --target ", address));
  const auto has_calls = [&](int64_t calls) {
    return Eventually([&] {
      return SizeOf(file) > 8 &&
             Lines(Invoke(absl::StrCat("convert ", file, " -")).out) ==
                 2 + calls;
    });
  };
  TapeCalls(before.get(), 3);
  ASSERT_TRUE(has_calls(3));
  before.reset();
  ASSERT_TRUE(Eventually(
      [&] { return absl::StrContains(record.err(), "; trying again"); }));
  AdminFixture after(AdminOptions(), address);
  TapeCalls(&after, 4);
  ASSERT_TRUE(has_calls(3 + 4));
  const Output& output = record.Stop();
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.err, HasSubstr(address + ": answers again after "));
  EXPECT_THAT(output.out,
              AllOf(StartsWith(file + ": 7 calls, "),
                    HasSubstr(" from 1 target, until interrupted\n" + address +
                              ": away for "),
                    HasSubstr("; its calls of that time are missing\n")));
}

TEST_F(RecordTest, ATargetThatDoesNotComeBackIsAFailure) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  Follower record(
      absl::StrCat("record --for 10m -o ", file, " --target ", f.address()));
  TapeCalls(&f, 3);
  ASSERT_TRUE(Eventually([&] { return SizeOf(file) > 8; }));
  f.KillServer();
  ASSERT_TRUE(Eventually(
      [&] { return absl::StrContains(record.err(), "; trying again"); }));
  const Output& output = record.Stop();
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, AllOf(StartsWith(file + ": 3 calls, "),
                                HasSubstr(", and did not come back;")));
}

TEST_F(RecordTest, WhoLacksTheChannelIsNamedAndNoFailure) {
  AdminFixture with;
  AdminFixture without;
  with.Method("payment", "a:1", kCharge);
  const std::string file = NewFile(".fbr");
  const std::string both =
      absl::StrCat(" --target ", with.address(), ",", without.address());
  const Output output = Invoke(
      absl::StrCat("record --for 500ms --channel payment -o ", file, both));
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr(absl::StrCat(
                              " from 1 target\n", without.address(),
                              ": not recorded, for it has no such channel\n")));
  EXPECT_THAT(output.err, HasSubstr("no channel \"payment\""));
  // That none has it is one.
  const Output none = Invoke(absl::StrCat(
      "record --for 500ms --channel paymnt -o ", NewFile(".fbr"), both));
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.out, IsEmpty());
}

TEST_F(RecordTest, InterruptedBeforeTheFirstCallItLeavesNothing) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  Follower record(
      absl::StrCat("record --for 10m -o ", file, " --target ", f.address()));
  ASSERT_TRUE(Eventually([&] { return f.core()->tape()->is_on(); }));
  const Output& output = record.Stop();
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("until interrupted; the file is removed"));
  EXPECT_EQ(SizeOf(file), -1);
}

TEST_F(RecordTest, WhoMayNotIsTold) {
  AdminOptions options;
  options.authorizer = [](AdminCall* /*call*/) {
    return absl::PermissionDeniedError("not you");
  };
  AdminFixture f(options);
  const std::string file = NewFile(".fbr");
  const Output output = Invoke(
      absl::StrCat("record --for 200ms -o ", file, " --target ", f.address()));
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(output.err, "firebreakctl: not you\n");
  EXPECT_EQ(SizeOf(file), -1);
}

TEST_F(RecordTest, AFullDiskIsToldAtOnce) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  AdminFixture f;
  const Output output =
      Invoke(absl::StrCat("record -o /dev/full --target ", f.address()));
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_EQ(output.err, "firebreakctl: /dev/full: No space left on device\n");
}

// A limit on the file size stands for a disk that becomes full.
TEST_F(RecordTest, AFileThatCanGrowNoFurtherKeepsWhatIsWhole) {
  AdminFixture f;
  const std::string file = NewFile(".fbr");
  std::thread writer([&] {
    for (int i = 0; i < 40; ++i) {
      TapeCalls(&f, 400);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (!f.core()->tape()->is_on()) return;
    }
  });
  const std::string stem = NewStem();
  const Output output = InvokeAt(
      stem, "",
      absl::StrCat("record --for 1m -o ", file, " --target ", f.address()),
      "sh -c 'trap \"\" XFSZ; ulimit -f 64; exec \"$@\"' sh");
  // Makes the writer end.
  EXPECT_TRUE(Eventually(
      [&] { return f.core()->tape()->Start(1) != CallTape::kNone; }));
  writer.join();
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr("File too large"),
                                HasSubstr(" calls, is whole")));
  const Output table = Invoke(absl::StrCat("convert ", file, " -"));
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.err, IsEmpty());
  EXPECT_GT(Lines(table.out), 100);
}

TEST_F(RecordTest, NamesWhatIsWrong) {
  const struct {
    const char* args;
    const char* error;
  } cases[] = {
      {"record", "--output is required"},
      {"record -o x --for 2h", "--for: is 2h; allowed (0, 1h]"},
      {"record -o x --share 0%", "--share: is 0%; allowed (0%, 100%]"},
      {"record -o x --share 10", "--share: is 10; allowed (0%, 100%]"},
  };
  for (const auto& c : cases) {
    const Output output = Invoke(c.args);
    EXPECT_EQ(output.exit_code, 2) << c.args;
    EXPECT_THAT(output.err, HasSubstr(c.error)) << c.args;
  }
}

TEST_F(RecordTest, ALogBecomesARecordingAndBack) {
  const std::string csv = NewFile(".csv");
  const std::string file = NewFile(".fbr");
  std::ofstream(csv) << "start_ms,method,latency_ms,code\n"
                        "1000,/a.S/M,4.71,OK\n1500,/a.S/N,20,UNAVAILABLE\n";
  const Output made = Invoke(absl::StrCat("convert ", csv, " ", file));
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(Invoke(absl::StrCat("convert ", file, " -")).out,
            "#firebreak-calls 1\n"
            "start_ms,method,latency_ms,code,channel,end,reason,attempts,"
            "retries,hedges,source\n"
            "0.000,/a.S/M,4.710,OK,,success,,1,0,0,\n"
            "500.000,/a.S/N,20.000,UNAVAILABLE,,failure,,1,0,0,\n");
  EXPECT_EQ(Invoke(absl::StrCat("convert ", csv, " ", file)).exit_code, 1)
      << "there is something in it";
  EXPECT_THAT(Invoke("convert /nowhere -").err,
              HasSubstr("/nowhere: cannot be opened"));
  EXPECT_THAT(Invoke(absl::StrCat("convert ", csv, " -")).err,
              HasSubstr("is no recording"));
  const std::string table = NewFile(".csv");
  EXPECT_EQ(Invoke(absl::StrCat("convert ", csv, " ", table)).exit_code, 1);
  EXPECT_EQ(SizeOf(table), -1) << "of what is no recording";
  EXPECT_EQ(Invoke(absl::StrCat("convert ", file, " ", table)).exit_code, 0);
  const int64_t size = SizeOf(table);
  for (const std::string& to : {table, csv}) {
    const Output refused = Invoke(absl::StrCat("convert ", file, " ", to));
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err,
                HasSubstr(to + ": there is something in it already; name "
                               "another file"));
  }
  EXPECT_EQ(SizeOf(table), size);
}

}  // namespace
}  // namespace firebreak::testing
