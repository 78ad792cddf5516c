#include "src/engine/policy/policy_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {
namespace {

absl::Status FileError(const std::string& path, int error) {
  const std::string message =
      absl::StrCat(path, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

absl::Status CheckIsRegular(const std::string& path, uint32_t mode) {
  if (S_ISREG(mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path,
      S_ISDIR(mode) ? ": is a directory" : ": is a device, pipe or socket",
      "; allowed: a regular file"));
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileLook LookOf(const struct stat& info) {
  FileLook look;
  look.mode = info.st_mode;
  look.device = info.st_dev;
  look.inode = info.st_ino;
  look.size = info.st_size;
  look.modified_ns = Nanoseconds(info.st_mtim);
  look.changed_ns = Nanoseconds(info.st_ctim);
  return look;
}

class FileOnDisk final : public WatchedFile {
 public:
  explicit FileOnDisk(std::string path) : path_(std::move(path)) {}
  FileLook Look() override { return LookAtFile(path_); }
  absl::StatusOr<std::string> Read(FileLook* look) override {
    return ReadPolicyFile(path_, look);
  }

 private:
  const std::string path_;
};

}  // namespace

std::unique_ptr<WatchedFile> MakeWatchedFile(std::string path) {
  return std::make_unique<FileOnDisk>(std::move(path));
}

bool operator==(const FileLook& a, const FileLook& b) {
  const auto all = [](const FileLook& look) {
    return std::tie(look.error, look.mode, look.device, look.inode, look.size,
                    look.modified_ns, look.changed_ns);
  };
  return all(a) == all(b);
}

FileLook LookAtFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) return LookOf(info);
  FileLook look;
  look.error = errno;
  return look;
}

absl::StatusOr<std::string> ReadPolicyFile(const std::string& path,
                                           FileLook* look) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy file: its path is ", Quote(path),
                     "; allowed: the path of a file"));
  }
  // Checked before it is opened, since opening has an effect on a pipe or a
  // device.
  const FileLook before = LookAtFile(path);
  if (before.error != 0) return FileError(path, before.error);
  absl::Status regular = CheckIsRegular(path, before.mode);
  if (!regular.ok()) return regular;
  // By now the file may be a pipe. O_NONBLOCK does not wait for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return FileError(path, errno);
  regular = CheckIsRegular(path, info.st_mode);
  if (!regular.ok()) return regular;
  std::string text(kMaxPolicySize + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd, &text[size], text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path, errno);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  text.resize(size);
  if (look != nullptr) {
    if (fstat(fd, &info) != 0) return FileError(path, errno);
    *look = LookOf(info);
  }
  return text;
}

}  // namespace firebreak::engine
