// Files whose time stamps do not show a change: a fake file, and real ones.
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

// Returns policies that all have the same size.
std::string Timeout(int seconds) {
  return absl::StrCat("method { name {} timeout: \"", 100 + seconds, "s\" }");
}

// Changes that the stamps of a file do not show. It is polled once a second.
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
  // Returns the timeout of the policy in force.
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

// A read may return half of a write in progress, whatever the stamps are.
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

// Polling the stamps once a second costs almost nothing, but reading the file
// may cost something.
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

// With a real file: the clock of the kernel's stamps ticks about every 4 ms.
// From Linux 6.13 on, some file systems give a write a new stamp if somebody
// has looked before it. ramfs does not, and root can mount one.
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
  // Waits until a write gets another stamp than the file has.
  void WaitForATick() {
    const std::string other = dir_ + "/tick";
    const int64_t before = LookAtFile(path_).changed_ns;
    do {
      Write(other, "");
    } while (LookAtFile(other).changed_ns == before);
  }
  // Watches Timeout(5), and repeats `change` until the stamps do not show it.
  // Returns false if the stamps of the file system show every change.
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

// Like `cp -p` and `rsync -t`: the new file has the size and the modification
// time of the old one.
TEST_F(RealStampTest, AnotherOfTheSameSizeAndTime) {
  const std::string other = dir_ + "/other";
  Write(path_, Timeout(5));
  Begin();
  Look(10);
  for (const bool by_rename : {false, true}) {
    const int next = by_rename ? 7 : 6;
    struct stat info;
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    WaitForATick();  // the ten seconds were virtual
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

// A ConfigMap of Kubernetes that is changed twice within a tick: the first
// folder has been deleted, and a new file may get its inode number.
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
