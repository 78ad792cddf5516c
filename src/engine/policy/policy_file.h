// Reads the file of a policy, and tells whether it is still the same.
//
//   const FileLook look = LookAtFile(path);
//   if (look == before) return;                    // nobody wrote to it
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

// What a file looks like from outside. Two looks that are the same may hide a
// write only within one tick of the file system's clock, which is 4 ms on most
// of them and two seconds on some: a file of the same size that was written to
// twice in a tick looks as it did after the first time.
struct FileLook {
  int error = 0;  // an errno: there is none, or it may not be looked at
  uint32_t mode = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  // also by who keeps the time of the last write

  friend bool operator==(const FileLook& a, const FileLook& b);
  friend bool operator!=(const FileLook& a, const FileLook& b) {
    return !(a == b);
  }
};

FileLook LookAtFile(const std::string& path);

// At most one byte more than a policy may have. NOT_FOUND, PERMISSION_DENIED,
// FAILED_PRECONDITION as LoadPolicyFile(). `look`, where asked for: at the file
// that was read, after that.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path,
                                           FileLook* look = nullptr);

// One file, for who comes back to it; tests have files of their own making.
class WatchedFile {
 public:
  virtual ~WatchedFile() = default;
  virtual FileLook Look() = 0;
  virtual absl::StatusOr<std::string> Read(FileLook* look) = 0;
};

// LookAtFile() and ReadPolicyFile().
std::unique_ptr<WatchedFile> MakeWatchedFile(std::string path);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_FILE_H_
