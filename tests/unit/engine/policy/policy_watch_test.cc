// A policy that follows its file, with real files and a virtual clock.
#include "src/engine/policy/policy_watch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"

namespace firebreak::engine {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr core::Duration kInterval = std::chrono::seconds(1);

// Each is of another length, so that two writes within one tick of the file
// system's clock differ too.
std::string Timeout(int length) {
  return absl::StrCat("method { name {} timeout: \"", length, "s\" }",
                      std::string(static_cast<size_t>(length), '\n'));
}

class PolicyWatchTest : public ::testing::Test {
 protected:
  PolicyWatchTest() {
    std::string pattern = ::testing::TempDir() + "/watch_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/policy.textproto";
    EngineOptions options;
    options.log_sink = nullptr;  // it has a timer too
    engine_ = *Engine::FromText("method { name {} }", options);
  }
  ~PolicyWatchTest() override { fs::remove_all(dir_); }

  void Write(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  void Replace(const std::string& text) {
    std::ofstream(path_ + ".new", std::ios::binary) << text;
    fs::rename(path_ + ".new", path_);
  }
  void Begin(const std::string& text) {
    Write(text);
    watch_ = PolicyWatch::Create(path_, kInterval);
    const absl::Status status = watch_->Load(core()->policies());
    ASSERT_TRUE(status.ok()) << status;
    watch_->Apply(core()->policies());
  }
  // Polls once, an interval after the last time.
  void Look() {
    now_ += kInterval;
    watch_->Poll(core()->policies(), now_);
  }
  // Polls often enough that a change is used.
  void Settle() {
    Look();
    Look();
  }
  EngineCore* core() { return engine_->core().get(); }
  // Of the policy in force.
  int timeout() {
    return static_cast<int>(
        core::ToSeconds(core()->policy().Find("c", "/s/m")->timeout));
  }
  std::vector<std::string> NewEvents() {
    std::vector<std::string> lines;
    const core::EventLog::Page page = core()->events().Since(cursor_, 1000);
    cursor_ = page.next;
    for (const core::Event& e : page.events) {
      std::string cause = e.cause;
      for (size_t at; (at = cause.find(dir_)) != std::string::npos;) {
        cause.replace(at, dir_.size(), "D");
      }
      lines.push_back(absl::StrCat(e.from, ">", e.to, " ", cause));
    }
    return lines;
  }

  std::string dir_;
  std::string path_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<PolicyWatch> watch_;
  core::Time now_;
  int64_t cursor_ = 0;
};

TEST_F(PolicyWatchTest, BeginsWithWhatIsThere) {
  Begin(Timeout(5));
  EXPECT_EQ(timeout(), 5);
  EXPECT_EQ(engine_->policy().source, "file " + path_);
  EXPECT_THAT(NewEvents(),
              ElementsAre("1>2 file D/policy.textproto: 1 difference"));
  for (int i = 0; i < 5; ++i) Look();
  EXPECT_THAT(NewEvents(), IsEmpty());
  EXPECT_EQ(engine_->policy().version, 2u);
}

TEST_F(PolicyWatchTest, FollowsWritesInPlaceAndRenames) {
  Begin(Timeout(5));
  Write(Timeout(6));
  Settle();
  EXPECT_EQ(timeout(), 6);
  Replace(Timeout(7));
  Settle();
  EXPECT_EQ(timeout(), 7);
  EXPECT_EQ(core()->policy_stats().applied, 3);
}

// A ConfigMap: the file is a link through another link, which is replaced
// atomically.
TEST_F(PolicyWatchTest, FollowsAFolderThatIsSwappedBehindALink) {
  for (int n : {1, 2}) {
    const std::string folder = absl::StrCat(dir_, "/..", n);
    fs::create_directory(folder);
    std::ofstream(folder + "/policy.textproto") << Timeout(n);
  }
  fs::create_symlink("..1", dir_ + "/..data");
  fs::create_symlink("..data/policy.textproto", path_);
  watch_ = PolicyWatch::Create(path_, kInterval);
  ASSERT_TRUE(watch_->Load(core()->policies()).ok());
  watch_->Apply(core()->policies());
  EXPECT_EQ(timeout(), 1);
  fs::create_symlink("..2", dir_ + "/..data_tmp");
  fs::rename(dir_ + "/..data_tmp", dir_ + "/..data");
  fs::remove_all(dir_ + "/..1");
  Settle();
  EXPECT_EQ(timeout(), 2);
  EXPECT_EQ(core()->policy_stats().refused, 0);
}

// The first half of a policy may be a valid policy, but the wrong one.
TEST_F(PolicyWatchTest, HalfAFileIsNotRead) {
  Begin(Timeout(5));
  std::ofstream out(path_, std::ios::binary);
  for (int i = 1; i <= 10; ++i) {
    out << "method { name { service: \"s" << i << "\" } }\n" << std::flush;
    Look();
    EXPECT_EQ(timeout(), 5) << i;
  }
  out.close();
  Look();
  EXPECT_EQ(engine_->policy().policy->method_size(), 10);
  EXPECT_EQ(engine_->policy().version, 3u);
}

TEST_F(PolicyWatchTest, LooksThatComeTooSoonDoNotCount) {
  Begin(Timeout(5));
  Write(Timeout(6));
  Look();
  for (int i = 0; i < 9; ++i) {
    now_ += kInterval / 10;
    watch_->Poll(core()->policies(), now_);
    EXPECT_EQ(timeout(), 5);
  }
  now_ += kInterval / 10;
  watch_->Poll(core()->policies(), now_);
  EXPECT_EQ(timeout(), 6);
}

TEST_F(PolicyWatchTest, ABadFileIsToldOnceAndChangesNothing) {
  Begin(Timeout(5));
  NewEvents();
  Write("method { name {} timeout: \"2h\" }");
  Settle();
  EXPECT_THAT(NewEvents(),
              ElementsAre("2>2 file D/policy.textproto: refused: "
                          "D/policy.textproto:1: method[0].timeout: is 7200s; "
                          "allowed [0s, 3600s]; version 2 stays"));
  for (int i = 0; i < 5; ++i) Look();
  // The file is touched, but not changed.
  ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), nullptr, 0), 0);
  Settle();
  EXPECT_THAT(NewEvents(), IsEmpty());
  EXPECT_EQ(core()->policy_stats().refused, 1);
  // The same fault in another text.
  Write("method { name {} timeout: \"2h\" } # oh");
  Settle();
  EXPECT_EQ(NewEvents().size(), 1u);
  EXPECT_EQ(timeout(), 5);
}

TEST_F(PolicyWatchTest, GoodAgain) {
  Begin(Timeout(5));
  const std::string good = Timeout(5);
  Write("garbage");
  Settle();
  NewEvents();
  Write(good);
  Settle();
  EXPECT_THAT(NewEvents(),
              ElementsAre("2>2 file D/policy.textproto: is good again, and "
                          "says what is in force; version 2 stays"));
  Write("garbage");
  Settle();
  NewEvents();
  Write(Timeout(6));
  Settle();
  EXPECT_THAT(NewEvents(),
              ElementsAre("2>3 file D/policy.textproto: 1 difference"));
}

TEST_F(PolicyWatchTest, AFileThatGoesIsToldOnce) {
  Begin(Timeout(5));
  NewEvents();
  fs::rename(path_, path_ + ".away");
  Look();
  EXPECT_THAT(NewEvents(), IsEmpty()) << "most likely it is being replaced";
  for (int i = 0; i < 5; ++i) Look();
  EXPECT_THAT(NewEvents(),
              ElementsAre("2>2 file D/policy.textproto: refused: "
                          "D/policy.textproto: No such file or directory; "
                          "version 2 stays"));
  EXPECT_TRUE(core()->policy_stats().is_refused);
  fs::rename(path_ + ".away", path_);
  Settle();
  EXPECT_FALSE(core()->policy_stats().is_refused);
  EXPECT_THAT(NewEvents(),
              ElementsAre("2>2 file D/policy.textproto: can be read again, and "
                          "says what it did; version 2 stays"));
  EXPECT_EQ(core()->policy_stats().refused, 1);
}

TEST_F(PolicyWatchTest, WhatIsNoFile) {
  Begin(Timeout(5));
  NewEvents();
  fs::remove(path_);
  fs::create_directory(path_);
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("is a directory; allowed")));
  fs::remove(path_);
  // Nothing writes to this pipe, and the watch must not wait for it.
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("is a device, pipe or")));
  // The pipe is not opened either: a writer would find a reader.
  EXPECT_EQ(open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
  fs::remove(path_);
  fs::create_symlink(path_, path_);
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("symbolic link")));
  fs::remove(path_);
  Write(Timeout(6));
  Settle();
  EXPECT_EQ(timeout(), 6);
}

TEST_F(PolicyWatchTest, AHugeFileIsNotReadWhole) {
  Begin(Timeout(5));
  NewEvents();
  fs::resize_file(path_, uintmax_t{1} << 30);
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("is longer than 1048576")));
  EXPECT_EQ(timeout(), 5);
}

TEST_F(PolicyWatchTest, AFileThatMayNotBeRead) {
  Begin(Timeout(5));
  NewEvents();
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0 && seteuid(kNobody) != 0) {
    GTEST_SKIP() << "root reads everything";
  }
  const absl::Cleanup back = [user] {
    if (seteuid(user) != 0) abort();
  };
  if (user == 0 && seteuid(0) != 0) abort();
  ASSERT_EQ(chmod(path_.c_str(), 0), 0);
  if (user == 0 && seteuid(kNobody) != 0) abort();
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("Permission denied")));
  if (user == 0 && seteuid(0) != 0) abort();
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  Settle();
  EXPECT_THAT(NewEvents(), ElementsAre(HasSubstr("can be read again")));
}

// The file's policy is used again when the file changes, and not before.
TEST_F(PolicyWatchTest, AnotherPolicyStaysUntilTheFileChanges) {
  Begin(Timeout(5));
  ASSERT_TRUE(engine_->UpdatePolicy(Timeout(9)).ok());
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_EQ(timeout(), 9);
  // If the file disappears and returns, it has not changed.
  fs::rename(path_, path_ + ".away");
  for (int i = 0; i < 3; ++i) Look();
  fs::rename(path_ + ".away", path_);
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_EQ(timeout(), 9);
  Write(Timeout(6));
  Settle();
  EXPECT_EQ(timeout(), 6);
}

TEST_F(PolicyWatchTest, AfterStopNothingOfTheFileArrives) {
  Begin(Timeout(5));
  Write(Timeout(6));
  Look();
  watch_->Stop();
  Look();
  EXPECT_EQ(timeout(), 5);
}

TEST_F(PolicyWatchTest, BeginFailsWhereThereIsNoPolicy) {
  EXPECT_EQ(engine_->WatchFile(path_).code(), StatusCode::kNotFound);
  EXPECT_EQ(engine_->WatchFile(dir_).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine_->WatchFile("").code(), StatusCode::kInvalidArgument);
  Write("method {");
  EXPECT_EQ(engine_->WatchFile(path_).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(core()->io()->armed_timers(), 0u);
  EXPECT_EQ(engine_->policy().version, 1u);
}

TEST_F(PolicyWatchTest, IntervalsHaveARange) {
  Write(Timeout(5));
  WatchOptions options;
  for (const std::chrono::nanoseconds bad :
       {std::chrono::nanoseconds(0), std::chrono::nanoseconds(-1),
        std::chrono::nanoseconds::min(), std::chrono::nanoseconds::max(),
        std::chrono::nanoseconds(std::chrono::milliseconds(10)) -
            std::chrono::nanoseconds(1)}) {
    options.interval = bad;
    EXPECT_EQ(engine_->WatchFile(path_, options).code(),
              StatusCode::kInvalidArgument);
  }
  for (const std::chrono::nanoseconds good :
       {std::chrono::nanoseconds(std::chrono::milliseconds(10)),
        std::chrono::nanoseconds(std::chrono::hours(1))}) {
    options.interval = good;
    EXPECT_TRUE(engine_->WatchFile(path_, options).ok());
  }
}

// Another file replaces the first one, and no timer is left behind.
TEST_F(PolicyWatchTest, AnEngineWatchesOneFile) {
  Write(Timeout(5));
  WatchOptions options;
  options.interval = std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine_->WatchFile(path_, options).ok());
    EXPECT_EQ(core()->io()->armed_timers(), 1u);
  }
  engine_->StopWatching();
  EXPECT_EQ(core()->io()->armed_timers(), 0u);
  engine_->StopWatching();
}

// For ASan and TSan: engines end while a file is being polled, and many threads
// change what is watched.
TEST_F(PolicyWatchTest, EnginesEndWhileTheyLook) {
  WatchOptions options;
  options.interval = std::chrono::milliseconds(10);
  for (int i = 0; i < 20; ++i) {
    Write(Timeout(5 + i));
    auto engine = Engine::FromText("method { name {} }");
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (int n = 0; n < 5; ++n) {
          EXPECT_TRUE((*engine)->WatchFile(path_, options).ok());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace firebreak::engine
