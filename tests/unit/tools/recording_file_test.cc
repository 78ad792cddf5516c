// Files of recorded calls: complete, cut off at any place, and garbage.
#include "tools/firebreakctl/foresight/recording_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"

namespace firebreak::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class RecordingFileTest : public ::testing::Test {
 protected:
  RecordingFileTest()
      : path_(absl::StrCat(
            ::testing::TempDir(), "recording-", getpid(), "-",
            ::testing::UnitTest::GetInstance()->current_test_info()->name(),
            ".fbr")) {}
  ~RecordingFileTest() override { unlink(path_.c_str()); }

  // Call i begins at second i and takes 10 ms.
  static v1::CallBlock Block(int first, int count,
                             const std::string& method = "/a.S/M") {
    v1::CallBlock block;
    for (const char* name : {"", "channel", "a:1", "success", "superseded"}) {
      block.add_names(name);
    }
    block.add_names(method);
    block.set_base_ns(1'700'000'000'000'000'000);
    for (int i = first; i < first + count; ++i) {
      v1::RecordedCall* const call = block.add_calls();
      call->set_channel(1);
      call->set_method(5);
      call->set_started_ns(int64_t{i} * 1'000'000'000);
      call->set_took_ns(10'000'000);
      call->set_end(v1::RECORDED_END_SUCCESS);
      v1::RecordedAttempt* const attempt = call->add_attempts();
      attempt->set_target(2);
      attempt->set_took_ns(10'000'000);
      attempt->set_attribution(3);
      attempt->set_answered(true);
    }
    return block;
  }
  std::string Written(const std::vector<v1::CallBlock>& blocks) {
    unlink(path_.c_str());
    auto file = RecordingFile::Create(path_);
    EXPECT_TRUE(file.ok()) << file.status();
    for (const v1::CallBlock& block : blocks) {
      EXPECT_TRUE((*file)->Append(block).ok());
    }
    std::ifstream in(path_, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    EXPECT_EQ(bytes.str().size(), (*file)->bytes());
    return bytes.str();
  }
  static absl::StatusOr<sim::Recording> Read(const std::string& bytes,
                                             RecordedNotes* notes) {
    std::istringstream in(bytes);
    return ReadRecordedCalls(&in, notes);
  }
  static std::string ErrorOf(const std::string& bytes) {
    RecordedNotes notes;
    return std::string(Read(bytes, &notes).status().message());
  }

  const std::string path_;
};

TEST_F(RecordingFileTest, ReadsWhatWasWritten) {
  const std::string bytes = Written({Block(0, 3), Block(3, 2)});
  RecordedNotes notes;
  const auto recording = Read(bytes, &notes);
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->calls.size(), 5u);
  EXPECT_EQ(recording->methods.at(0), "/a.S/M");
  EXPECT_EQ(recording->calls[4].at, std::chrono::seconds(4));
  EXPECT_EQ(recording->calls[4].latency, std::chrono::milliseconds(10));
  EXPECT_FALSE(notes.is_cut);
  std::istringstream in(bytes);
  EXPECT_TRUE(IsRecordingFile(&in));
  std::istringstream csv("start_ms,latency_ms\n");
  EXPECT_FALSE(IsRecordingFile(&csv));
  std::istringstream nothing("");
  EXPECT_FALSE(IsRecordingFile(&nothing));
}

TEST_F(RecordingFileTest, CutOffAnywhereItLosesItsLastBlockAtMost) {
  const size_t one = Written({Block(0, 3)}).size();
  const std::string bytes = Written({Block(0, 3), Block(3, 2)});
  for (size_t size = one; size < bytes.size(); ++size) {
    RecordedNotes notes;
    const auto recording = Read(bytes.substr(0, size), &notes);
    ASSERT_TRUE(recording.ok()) << size << ": " << recording.status();
    EXPECT_EQ(recording->calls.size(), 3u) << size;
    EXPECT_EQ(notes.is_cut, size > one) << size;
  }
  // A file system may leave zeros for data that it did not write.
  RecordedNotes notes;
  EXPECT_TRUE(Read(bytes + std::string(4096, '\0'), &notes).ok());
  EXPECT_TRUE(notes.is_cut);
}

// After a crash a file may have its full length, but zeros for the data that
// was not written.
TEST_F(RecordingFileTest, ALastBlockThatEndsInZerosIsLeftOut) {
  const size_t one = Written({Block(0, 3)}).size();
  const std::string bytes = Written({Block(0, 3), Block(3, 2)});
  for (size_t size = one; size < bytes.size(); ++size) {
    for (const size_t more : {0, 4096}) {
      std::string torn = bytes.substr(0, size);
      torn.resize(bytes.size() + more);
      if (torn == bytes) continue;  // it ends in zeros
      RecordedNotes notes;
      const auto recording = Read(torn, &notes);
      ASSERT_TRUE(recording.ok()) << size << ": " << recording.status();
      EXPECT_TRUE(notes.is_cut) << size;
      EXPECT_EQ(recording->calls.size(), 3u) << size;
    }
  }
}

TEST_F(RecordingFileTest, NamesWhatIsWrong) {
  const std::string bytes = Written({Block(0, 3), Block(3, 2)});
  EXPECT_THAT(ErrorOf(""), StartsWith("is no recording"));
  EXPECT_THAT(ErrorOf("start_ms,latency_ms\n1,2\n"),
              StartsWith("is no recording"));
  // The file after a transfer in text mode.
  std::string other = bytes;
  other.erase(4, 1);
  EXPECT_THAT(ErrorOf(other), StartsWith("is no recording"));
  other = bytes;
  other[7] = 2;
  EXPECT_EQ(ErrorOf(other),
            "is of version 2; this program reads version 1, so take a newer "
            "one");
  other = bytes;
  other[20] ^= 1;
  EXPECT_EQ(ErrorOf(other), "block 1, at byte 8: its checksum is another");
  other = bytes;
  other[11] = '\x7f';
  EXPECT_THAT(ErrorOf(other), HasSubstr("block 1, at byte 8: is 21"));
  EXPECT_EQ(ErrorOf(bytes.substr(0, 8)), "no calls");
  other = bytes;
  other.insert(8, std::string(8, '\0'));
  EXPECT_EQ(ErrorOf(other), "block 1, at byte 8: is empty");
}

TEST_F(RecordingFileTest, ABlockThatContradictsItselfIsNamed) {
  const auto error = [&](auto change) {
    v1::CallBlock block = Block(0, 1);
    change(&block);
    return ErrorOf(Written({Block(0, 1), block}));
  };
  EXPECT_THAT(
      error([](v1::CallBlock* b) { b->mutable_calls(0)->set_method(6); }),
      HasSubstr("block 2, at byte "));
  EXPECT_THAT(error([](v1::CallBlock* b) {
                b->mutable_calls(0)->mutable_attempts(0)->set_target(4'000'000);
              }),
              HasSubstr(": has a name past its 6"));
  EXPECT_THAT(error([](v1::CallBlock* b) { b->set_base_ns(-1); }),
              HasSubstr("has a time that is not between 1970 and 2200"));
  EXPECT_THAT(error([](v1::CallBlock* b) {
                b->mutable_calls(0)->set_started_ns(INT64_MIN);
              }),
              HasSubstr("begins more than a week from it"));
  EXPECT_THAT(error([](v1::CallBlock* b) { b->set_clock_ahead_ns(INT64_MIN); }),
              HasSubstr("has a clock that cannot be"));
  // Neither the block's time nor the corrected time overflows.
  EXPECT_THAT(
      error([](v1::CallBlock* b) { b->set_clock_ahead_ns(b->base_ns() + 1); }),
      HasSubstr("has a clock that cannot be"));
  EXPECT_THAT(error([](v1::CallBlock* b) {
                b->set_clock_ahead_ns(-7'258'118'400'000'000'000);
              }),
              HasSubstr("has a clock that cannot be"));
  for (const int64_t lost : {int64_t{-1}, kMostLost + 1, INT64_MAX}) {
    EXPECT_THAT(error([&](v1::CallBlock* b) { b->set_lost(lost); }),
                HasSubstr("has lost so many calls as cannot be"));
  }
  EXPECT_THAT(error([](v1::CallBlock* b) {
                b->set_base_ns(b->base_ns() + int64_t{8} * 86400 * 1000000000);
              }),
              HasSubstr("Do the clocks agree?"));
}

TEST_F(RecordingFileTest, AnyBytesAreReadToAnEnd) {
  const std::string bytes = Written({Block(0, 3), Block(3, 2)});
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char bit : {'\x01', '\x10', '\x80'}) {
      std::string other = bytes;
      other[at] = static_cast<char>(other[at] ^ bit);
      RecordedNotes notes;
      const auto recording = Read(other, &notes);
      EXPECT_TRUE(!recording.ok() || notes.is_cut) << at;
    }
  }
}

TEST_F(RecordingFileTest, CallsOfSeveralHostsComeInOrderOnOneClock) {
  v1::CallBlock late = Block(0, 3);
  late.set_source("b:1");
  late.set_clock_ahead_ns(int64_t{3600} * 1'000'000'000);
  late.set_base_ns(late.base_ns() + late.clock_ahead_ns() + 500'000'000);
  v1::CallBlock near = Block(0, 1);
  near.set_source("a:1");
  near.set_clock_ahead_ns(20'000'000);
  RecordedNotes notes;
  const auto recording = Read(Written({late, Block(1, 2), near}), &notes);
  ASSERT_TRUE(recording.ok()) << recording.status();
  std::vector<int64_t> at;
  for (const sim::Recording::Call& call : recording->calls) {
    at.push_back(call.at / std::chrono::milliseconds(1));
  }
  EXPECT_THAT(at, ::testing::ElementsAre(0, 500, 1000, 1500, 2000, 2500));
  EXPECT_THAT(notes.clocks, ::testing::ElementsAre(::testing::Pair(
                                "b:1", int64_t{3600} * 1'000'000'000)));
}

TEST_F(RecordingFileTest, TellsWhatIsMissing) {
  v1::CallBlock block = Block(0, 3);
  block.set_lost(7);
  block.set_share(0.1);
  block.mutable_calls(0)->set_is_stream(true);
  block.mutable_calls(1)->clear_attempts();
  RecordedNotes notes;
  const auto recording = Read(Written({block, block}), &notes);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(notes.lost, 14);
  block.set_lost(kMostLost);
  RecordedNotes most;
  EXPECT_TRUE(Read(Written({block, block}), &most).ok());
  EXPECT_EQ(most.lost, kMostLost) << "it does not overflow";
  EXPECT_EQ(notes.streams, 2);
  EXPECT_EQ(notes.share, 0.1);
  EXPECT_EQ(recording->of_nobody, 2);
  EXPECT_EQ(recording->calls.size(), 4u);
}

TEST_F(RecordingFileTest, ManyMethodsAreCountedAsOther) {
  std::vector<v1::CallBlock> blocks;
  for (int i = 0; i < 3000; ++i) {
    blocks.push_back(Block(i % 7, 1, absl::StrCat("/a.S/M", i)));
  }
  RecordedNotes notes;
  const auto recording = Read(Written(blocks), &notes);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->methods.size(), sim::Recording::kMaxMethods + 1);
  EXPECT_EQ(recording->of_other_methods, 2000);
}

TEST_F(RecordingFileTest, ATableHasALineForEachCall) {
  v1::CallBlock block = Block(0, 1, "/a.S/\"M,\n");
  block.set_source("host:1");
  block.mutable_calls(0)->add_attempts()->set_kind(v1::RecordedAttempt::HEDGE);
  std::istringstream in(Written({block}));
  std::ostringstream out;
  RecordedNotes notes;
  ASSERT_TRUE(WriteCsv(&in, &out, &notes).ok());
  EXPECT_EQ(out.str(),
            "#firebreak-calls 1\n"
            "start_ms,method,latency_ms,code,channel,end,reason,attempts,"
            "retries,hedges,source\n"
            "1700000000000.000,/a.S/?M??,10.000,OK,channel,success,,2,0,1,"
            "host:1\n");
  std::istringstream again(out.str());
  EXPECT_TRUE(sim::ReadRecording(&again).ok());
}

TEST_F(RecordingFileTest, ATableLeavesOutWhatNobodyGotAndSetsClocksRight) {
  v1::CallBlock block = Block(0, 3);
  block.mutable_calls(0)->set_is_stream(true);
  block.mutable_calls(1)->set_end(v1::RECORDED_END_ABANDONED);
  block.set_lost(7);
  block.set_clock_ahead_ns(int64_t{3600} * 1'000'000'000);
  v1::CallBlock near = Block(0, 1);
  near.set_clock_ahead_ns(999'999'999);  // may be the network's delay
  std::istringstream in(Written({block, near}));
  std::ostringstream out;
  RecordedNotes notes;
  ASSERT_TRUE(WriteCsv(&in, &out, &notes).ok());
  EXPECT_THAT(out.str(), HasSubstr("\n1699996402000.000,/a.S/M,10.000,OK,"));
  EXPECT_THAT(out.str(), HasSubstr("\n1700000000000.000,/a.S/M,10.000,OK,"));
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 2) << text;
  EXPECT_EQ(notes.streams, 1);
  EXPECT_EQ(notes.abandoned, 1);
  EXPECT_EQ(notes.lost, 7);
}

TEST_F(RecordingFileTest, WritesOverNothingAndSaysWhyItCannot) {
  Written({Block(0, 1)});
  EXPECT_EQ(RecordingFile::Create(path_).status().message(),
            path_ + ": there is something in it already; name another file");
  EXPECT_THAT(
      std::string(
          RecordingFile::Create("/nowhere/calls.fbr").status().message()),
      HasSubstr("No such file or directory"));
  unlink(path_.c_str());
  const auto file = RecordingFile::Create(path_);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(
      std::string(
          (*file)->Append(Block(0, 1, std::string(3 << 20, 'm'))).message()),
      HasSubstr("a block is too long"));
}

TEST_F(RecordingFileTest, AFullDiskIsAnErrorThatSaysSo) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  const auto file = RecordingFile::Create("/dev/full");
  EXPECT_EQ(file.status().message(), "/dev/full: No space left on device");
}

}  // namespace
}  // namespace firebreak::ctl
