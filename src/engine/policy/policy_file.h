// Reads the file of a policy, and finds out whether it has changed.
//
//   const FileLook look = LookAtFile(path);
//   if (look == before) return;                    // it has not changed
//   absl::StatusOr<std::string> text = ReadPolicyFile(path, &look_when_read);
//
// Never waits for a writer, reads no more than a policy may have, and opens
// nothing but regular files. Symbolic links are followed.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_FILE_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace firebreak::engine {

// The metadata of a file. If two looks are equal, a write between them can only
// be hidden within one tick of the file system's clock, which is 4 ms on most
// of them and two seconds on some: a file of the same size that was written to
// twice in a tick looks as it did after the first time.
struct FileLook {
  int error = 0;  // an errno if there is no file, or no access
  uint32_t mode = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  // also if modified_ns was set back

  friend bool operator==(const FileLook& a, const FileLook& b);
  friend bool operator!=(const FileLook& a, const FileLook& b) {
    return !(a == b);
  }
};

FileLook LookAtFile(const std::string& path);

// Reads at most one byte more than a policy may have. Returns NOT_FOUND,
// PERMISSION_DENIED and FAILED_PRECONDITION as LoadPolicyFile() does. If `look`
// is not null, it is set to how the file looked after it had been read.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path,
                                           FileLook* look = nullptr);

// One file that is read again and again. Tests have files of their own making.
class WatchedFile {
 public:
  virtual ~WatchedFile() = default;
  virtual FileLook Look() = 0;
  virtual absl::StatusOr<std::string> Read(FileLook* look) = 0;
};

// Uses LookAtFile() and ReadPolicyFile().
std::unique_ptr<WatchedFile> MakeWatchedFile(std::string path);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_FILE_H_
