#include "src/engine/policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "src/engine/policy_compile.h"
#include "src/engine/policy_errors.h"
#include "src/engine/policy_json.h"
#include "src/engine/policy_scan.h"

namespace firebreak::engine {
namespace {

using google::protobuf::TextFormat;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::ErrorCollector;

// What the parser complains of, in places that count from 1.
class Collector : public ErrorCollector {
 public:
  explicit Collector(PolicyErrors* errors) : errors_(errors) {}

  void AddError(int line, int column, const std::string& message) override {
    PolicyPlace place;
    place.line = line + 1;
    place.column = column + 1;
    errors_->Add(place, "", Printable(message));
  }
  // Unknown fields come as warnings, so that all of them come.
  void AddWarning(int line, int column, const std::string& message) override {
    AddError(line, column, message);
  }

 private:
  PolicyErrors* const errors_;
};

// The message alone of an errno, without our own prefix.
std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

absl::Status FileError(const std::string& path, int error) {
  const std::string message = absl::StrCat(path, ": ", ErrnoText(error));
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

// At most one byte past the limit, which is enough to know.
absl::StatusOr<std::string> ReadAll(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy file: its path is ", Quote(path),
                     "; allowed: the path of a file"));
  }
  // Not to wait for the writer of a named pipe.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return FileError(path, errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     S_ISDIR(info.st_mode) ? ": is a directory"
                                           : ": is a device, pipe or socket",
                     "; allowed: a regular file"));
  }
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
  return text;
}

}  // namespace

absl::StatusOr<PolicyTable> LoadPolicyFile(const std::string& path,
                                           bool clamp_attempts) {
  absl::StatusOr<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  return ParsePolicyText(*text, path, clamp_attempts);
}

absl::StatusOr<PolicyTable> ParsePolicyText(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts) {
  PolicyErrors errors(origin);
  if (!CheckLength(text.size(), kMaxPolicySize, &errors))
    return errors.ToStatus();
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // as some editors write it
  if (IsJson(text)) return ParsePolicyJson(text, origin, clamp_attempts);
  if (!CheckNesting(text, &errors)) return errors.ToStatus();
  FindEmptyLists(text, &errors);

  v1::PolicySet set;
  TextFormat::ParseInfoTree tree;
  Collector collector(&errors);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(&tree);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxPolicyDepth);
  ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&input, &set)) return errors.ToStatus();
  return PolicyCompiler(set, &tree, &errors).Run();
}

absl::StatusOr<PolicyTable> CompilePolicy(const v1::PolicySet& set,
                                          absl::string_view origin) {
  PolicyErrors errors(origin);
  // It is kept, shown and compared.
  if (!CheckLength(set.ByteSizeLong(), kMaxPolicySize, &errors)) {
    return errors.ToStatus();
  }
  return PolicyCompiler(set, /*tree=*/nullptr, &errors).Run();
}

}  // namespace firebreak::engine
