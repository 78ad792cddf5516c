// A file for PolicyWatch with a clock that the test controls.
//
//   FakeFile file;
//   file.Write("method { name {} }");
//   auto watch = PolicyWatch::Create("p", interval, file.NewWatched());
//   file.Write("method { name {} retry {} }");   // may look the same
//   file.Tick();                                 // the next Write() does not
//
// Thread safety: all methods, from any thread. Ownership: it outlives the
// WatchedFiles that it has made.
#ifndef FIREBREAK_TESTS_SUPPORT_FAKE_WATCHED_FILE_H_
#define FIREBREAK_TESTS_SUPPORT_FAKE_WATCHED_FILE_H_

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "src/core/base/mutex.h"
#include "src/engine/policy/policy_file.h"

namespace firebreak::engine {

class FakeFile {
 public:
  void Write(std::string text) {
    core::MutexLock lock(&mu_);
    text_ = std::move(text);
    look_.size = static_cast<int64_t>(text_.size());
    look_.modified_ns = look_.changed_ns = clock_ns_;
    look_.error = 0;
  }
  void Tick() {
    core::MutexLock lock(&mu_);
    ++clock_ns_;
  }
  void Lose() {
    core::MutexLock lock(&mu_);
    look_.error = ENOENT;
  }
  // The file exists again, with other content but the same metadata: for
  // example a volume that was mounted again, from a reproducible image.
  void ReturnAs(std::string text) {
    core::MutexLock lock(&mu_);
    text_ = std::move(text);
    look_.error = 0;
  }
  int reads() const { return reads_; }

  std::unique_ptr<WatchedFile> NewWatched() {
    return std::make_unique<Watched>(this);
  }

  FileLook Look() {
    core::MutexLock lock(&mu_);
    if (look_.error == 0) return look_;
    FileLook gone;
    gone.error = look_.error;
    return gone;
  }
  absl::StatusOr<std::string> Read(FileLook* look) {
    core::MutexLock lock(&mu_);
    ++reads_;
    if (look_.error != 0) return absl::NotFoundError("gone");
    *look = look_;
    return text_;
  }

 private:
  class Watched final : public WatchedFile {
   public:
    explicit Watched(FakeFile* file) : file_(file) {}
    FileLook Look() override { return file_->Look(); }
    absl::StatusOr<std::string> Read(FileLook* look) override {
      return file_->Read(look);
    }

   private:
    FakeFile* const file_;
  };

  core::Mutex mu_;
  std::string text_ ABSL_GUARDED_BY(mu_);
  FileLook look_ ABSL_GUARDED_BY(mu_);
  int64_t clock_ns_ ABSL_GUARDED_BY(mu_) = 1;
  std::atomic<int> reads_{0};
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_TESTS_SUPPORT_FAKE_WATCHED_FILE_H_
