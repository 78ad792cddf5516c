// Files whose stamps hide what was done to them: with a file of the test's own
// making, and with real ones.
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy_watch.h"
#include "tests/support/fake_watched_file.h"

namespace firebreak::engine {
namespace {

namespace fs = std::filesystem;

constexpr core::Duration kInterval = std::chrono::seconds(1);

// All of one size.
std::string Timeout(int seconds) {
  return absl::StrCat("method { name {} timeout: \"", 100 + seconds, "s\" }");
}

// What the stamps of a file do not show. Looks are a second apart.
class PolicyStampTest : public ::testing::Test {
 protected:
  PolicyStampTest() {
    std::string pattern = ::testing::TempDir() + "/stamp_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/policy.textproto";
    EngineOptions options;
    options.log_sink = nullptr;
    engine_ = *Engine::FromText("method { name {} }", options);
  }
  ~PolicyStampTest() override { fs::remove_all(dir_); }

  void Begin(std::unique_ptr<WatchedFile> file = nullptr) {
    watch_ = PolicyWatch::Create(path_, kInterval, std::move(file));
    const absl::Status status = watch_->Load(core()->policies());
    ASSERT_TRUE(status.ok()) << status;
    watch_->Apply(core()->policies());
  }
  void BeginWith(FakeFile* file) { Begin(file->NewWatched()); }
  void Look(int times = 1) {
    for (int i = 0; i < times; ++i) {
      now_ += kInterval;
      watch_->Poll(core()->policies(), now_);
    }
  }

  EngineCore* core() { return engine_->core().get(); }
  // Of the policy in force.
  int timeout() {
    return static_cast<int>(
               core::ToSeconds(core()->policy().Find("c", "/s/m")->timeout)) -
           100;
  }

  std::string dir_;
  std::string path_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<PolicyWatch> watch_;
  core::Time now_;
};

TEST_F(PolicyStampTest, ASecondWriteWithinATickOfTheFirst) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  file.Write(Timeout(6));
  Look(2);
  EXPECT_EQ(timeout(), 6);
}

TEST_F(PolicyStampTest, ASecondWriteWithinATickOfAChange) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  Look(10);
  file.Tick();
  file.Write(Timeout(6));
  Look(2);
  EXPECT_EQ(timeout(), 6);
  file.Write(Timeout(7));
  Look(2);
  EXPECT_EQ(timeout(), 7);
}

// The stamps of some file systems are two seconds coarse.
TEST_F(PolicyStampTest, ATickThatIsLongerThanAnInterval) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  Look();
  file.Write(Timeout(6));
  Look(2);
  EXPECT_EQ(timeout(), 6);
}

// What was read may be half of what is being written, whatever the stamps say.
TEST_F(PolicyStampTest, HalfAWriteWithinATickIsNotThePolicy) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  for (int i = 0; i < 5; ++i) {
    file.Write(Timeout(10 + i));
    Look();
    EXPECT_EQ(timeout(), 5) << i;
  }
  Look();
  EXPECT_EQ(timeout(), 14);
}

// One look a second costs nothing, and one read a second may.
TEST_F(PolicyStampTest, AFileThatIsOldIsNotReadAgain) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  Look(10);
  const int reads = file.reads();
  EXPECT_LE(reads, 5);
  Look(100);
  EXPECT_EQ(file.reads(), reads);
}

TEST_F(PolicyStampTest, AFolderThatIsAwayForAWhile) {
  FakeFile file;
  file.Write(Timeout(5));
  BeginWith(&file);
  Look(10);
  file.Lose();
  Look();
  file.ReturnAs(Timeout(6));
  Look(2);
  EXPECT_EQ(timeout(), 6);
  file.Lose();
  Look(5);
  EXPECT_TRUE(core()->policy_stats().is_refused);
  file.ReturnAs(Timeout(7));
  Look(2);
  EXPECT_EQ(timeout(), 7);
  EXPECT_FALSE(core()->policy_stats().is_refused);
}

// With a real file: the kernel stamps by a clock that ticks every 4 ms or so.
// From Linux 6.13 on some file systems show each write to who has looked before
// it; ramfs does not, and root may have one.
class RealStampTest : public PolicyStampTest {
 protected:
  RealStampTest() {
    has_ramfs_ = unshare(CLONE_NEWNS) == 0 &&
                 mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                 mount("", dir_.c_str(), "ramfs", 0, nullptr) == 0;
  }
  ~RealStampTest() override {
    if (has_ramfs_) umount2(dir_.c_str(), MNT_DETACH);
  }
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  // Until a write has another stamp than the file has.
  void WaitForATick() {
    const std::string other = dir_ + "/tick";
    const int64_t before = LookAtFile(path_).changed_ns;
    do {
      Write(other, "");
    } while (LookAtFile(other).changed_ns == before);
  }
  // Watches Timeout(5), and does `change` to it until that does not show.
  // False where the stamps of the file system show everything.
  template <class Change>
  bool BeginAndHide(Change change) {
    for (int i = 0; i < 300; ++i) {
      fs::remove(path_);
      Write(path_, Timeout(5));
      Begin();
      const FileLook before = LookAtFile(path_);
      change();
      if (LookAtFile(path_) == before) return true;
    }
    return false;
  }

 private:
  bool has_ramfs_ = false;
};

TEST_F(RealStampTest, ASecondWriteWithinATick) {
  if (!BeginAndHide([&] { Write(path_, Timeout(6)); })) {
    GTEST_SKIP() << "each write has a stamp of its own here";
  }
  Look(2);
  EXPECT_EQ(timeout(), 6);
}

TEST_F(RealStampTest, TruncatedAndWrittenAgainWithinATick) {
  const bool is_hidden = BeginAndHide([&] {
    fs::resize_file(path_, 0);
    Write(path_, Timeout(6));
  });
  if (!is_hidden) GTEST_SKIP() << "each write has a stamp of its own here";
  Look(2);
  EXPECT_EQ(timeout(), 6);
}

// As `cp -p` and `rsync -t` do: the file has the size and the time of the last
// write that the other one had.
TEST_F(RealStampTest, AnotherOfTheSameSizeAndTime) {
  const std::string other = dir_ + "/other";
  Write(path_, Timeout(5));
  Begin();
  Look(10);
  for (const bool by_rename : {false, true}) {
    const int next = by_rename ? 7 : 6;
    struct stat info;
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    WaitForATick();  // those ten seconds are not real ones
    Write(other, Timeout(next));
    if (by_rename) {
      fs::rename(other, path_);
    } else {
      fs::copy_file(other, path_, fs::copy_options::overwrite_existing);
    }
    const timespec times[2] = {info.st_atim, info.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
    Look(2);
    EXPECT_EQ(timeout(), next);
    Look(10);
  }
}

// A ConfigMap of Kubernetes that is changed twice within a tick: the folder
// that was there first is gone, and a new file may have its number.
TEST_F(RealStampTest, AFolderThatIsSwappedTwiceBehindALink) {
  const auto put = [&](int n) {
    const std::string folder = absl::StrCat(dir_, "/..", n);
    fs::create_directory(folder);
    Write(folder + "/policy.textproto", Timeout(n));
    fs::create_symlink(absl::StrCat("..", n), dir_ + "/..data_tmp");
    fs::rename(dir_ + "/..data_tmp", dir_ + "/..data");
    fs::remove_all(absl::StrCat(dir_, "/..", n - 1));
  };
  put(1);
  fs::create_symlink("..data/policy.textproto", path_);
  Begin();
  EXPECT_EQ(timeout(), 1);
  for (int n = 2; n < 30; n += 2) {
    put(n);
    Look();
    put(n + 1);
    Look(2);
    EXPECT_EQ(timeout(), n + 1);
  }
}

}  // namespace
}  // namespace firebreak::engine
