#include "src/engine/policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "src/engine/policy_compile.h"
#include "src/engine/policy_errors.h"

namespace firebreak::engine {
namespace {

using google::protobuf::TextFormat;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::ErrorCollector;
using google::protobuf::io::Tokenizer;

// The language is four deep. The parser recurses, so it gets a bound.
constexpr int kMaxDepth = 32;

// What the parser complains of, in places that count from 1.
class Collector : public ErrorCollector {
 public:
  explicit Collector(PolicyErrors* errors) : errors_(errors) {}

  void AddError(int line, int column, const std::string& message) override {
    PolicyPlace place;
    place.line = line + 1;
    place.column = column + 1;
    // It may quote a token of the text, of any length and with any bytes.
    constexpr size_t kMaxShown = 200;
    std::string shown = message.substr(0, kMaxShown);
    for (char& c : shown) {
      if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
    }
    if (message.size() > kMaxShown) shown += "...";
    errors_->Add(place, "", shown);
  }
  // Unknown fields come as warnings, so that all of them come.
  void AddWarning(int line, int column, const std::string& message) override {
    AddError(line, column, message);
  }

 private:
  PolicyErrors* const errors_;
};

// Leaves the tokenizer's complaints to the parser, which repeats them.
class Ignore : public ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

// Finds what the parser would not: nesting that would cost it its stack, and
// empty lists, which leave no trace in a message. False when it is too deep
// to parse.
bool Prescan(absl::string_view text, Collector* collector) {
  ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  Ignore ignore;
  Tokenizer tokens(&input, &ignore);
  tokens.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokens.set_allow_f_after_float(true);
  tokens.set_require_space_after_number(false);
  tokens.set_allow_multiline_strings(true);
  int depth = 0;
  while (tokens.Next()) {
    const Tokenizer::Token& token = tokens.current();
    if (token.type != Tokenizer::TYPE_SYMBOL) continue;
    const char symbol = token.text[0];
    if (symbol == '{' || symbol == '<' || symbol == '[') {
      if (++depth > kMaxDepth) {
        collector->AddError(
            token.line, token.column,
            absl::StrCat("Nested too deep; allowed: ", kMaxDepth, " levels."));
        return false;
      }
    } else if (symbol == '}' || symbol == '>' || symbol == ']') {
      --depth;
      if (symbol == ']' && tokens.previous().text == "[") {
        collector->AddError(token.line, token.column,
                            "An empty list says nothing; allowed: at least "
                            "one value, or leave the field out.");
      }
    }
  }
  return true;
}

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

absl::StatusOr<PolicyTable> LoadPolicyFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadAll(path);
  if (!text.ok()) return text.status();
  return ParsePolicyText(*text, path);
}

absl::StatusOr<PolicyTable> ParsePolicyText(absl::string_view text,
                                            absl::string_view origin) {
  PolicyErrors errors(origin);
  if (text.size() > kMaxPolicySize) {
    errors.Add(PolicyPlace(), "",
               absl::StrCat("is longer than ", kMaxPolicySize,
                            " bytes; allowed: at most that"));
    return errors.ToStatus();
  }
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // as some editors write it
  Collector collector(&errors);
  if (!Prescan(text, &collector)) return errors.ToStatus();

  v1::PolicySet set;
  TextFormat::ParseInfoTree tree;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(&tree);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&input, &set)) return errors.ToStatus();
  return PolicyCompiler(set, &tree, &errors).Run();
}

absl::StatusOr<PolicyTable> CompilePolicy(const v1::PolicySet& set,
                                          absl::string_view origin) {
  PolicyErrors errors(origin);
  return PolicyCompiler(set, /*tree=*/nullptr, &errors).Run();
}

}  // namespace firebreak::engine
