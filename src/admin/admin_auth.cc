#include "firebreak/admin_auth.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/admin/message/peer.h"
#include "src/admin/message/text.h"

namespace firebreak {
namespace {

// 16 random letters are 75 bits or more, too many to guess over a network.
constexpr size_t kShortestToken = 16;
constexpr char kSpaces[] = " \t\r";
constexpr size_t kLongestFile = size_t{1} << 20;
constexpr char kBearer[] = "Bearer ";

// Compares in a time that does not depend on how much of `a` is right.
bool IsSame(absl::string_view a, absl::string_view secret) {
  unsigned char difference = a.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ secret[i % secret.size()]);
  }
  return difference == 0;
}

absl::Status Denied(const std::string& why) {
  return absl::PermissionDeniedError(why);
}

// Reads a file that only its owner and group can read or change.
absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  // O_NONBLOCK, so that it does not wait for the writer of a named pipe.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) {
    if (fd >= 0) close(fd);
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  const absl::Cleanup closer = [fd] { close(fd); };
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is no regular file"));
  }
  if ((info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": everybody may read or change it; chmod o-rwx"));
  }
  std::string text(kLongestFile + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd, &text[size], text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
    }
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > kLongestFile) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": is longer than ", kLongestFile, " bytes; allowed that"));
  }
  text.resize(size);
  return text;
}

}  // namespace

Authorizer LocalPeers(bool allow_loopback) {
  return [allow_loopback](AdminCall* call) {
    if (admin::IsUnixSocket(call->peer)) return absl::OkStatus();
    const bool loopback = admin::IsLoopback(call->peer);
    if (loopback && allow_loopback) return absl::OkStatus();
    return Denied(absl::StrCat(
        call->is_change ? "changes are" : "this is",
        " only taken from a Unix socket",
        allow_loopback ? " or the loopback interface" : "",
        "; this call came from ", admin::ToLine(call->peer), ". To allow it, ",
        loopback
            ? "set AdminOptions::allow_loopback or AdminOptions::authorizer"
            : "set AdminOptions::authorizer",
        " where the service is made"));
  };
}

absl::StatusOr<Authorizer> Tokens(
    const std::map<std::string, std::string>& token_of_name) {
  if (token_of_name.empty()) {
    return absl::InvalidArgumentError("there is no token");
  }
  for (const auto& [name, token] : token_of_name) {
    if (token.size() >= kShortestToken) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the token of ", admin::ToLine(name), " has ", token.size(),
        " characters; allowed: ", kShortestToken, " or more"));
  }
  return Authorizer([token_of_name](AdminCall* call) {
    absl::string_view given = call->authorization;
    if (!absl::ConsumePrefix(&given, kBearer)) {
      return Denied("no token came with this call");
    }
    if (!call->is_private) {
      return Denied(
          "a token came in plain text over a network, where others can read "
          "it: make a new one, and send it over TLS");
    }
    const std::string* found = nullptr;
    for (const auto& [name, token] : token_of_name) {
      if (IsSame(given, token)) found = &name;
    }
    if (found == nullptr) return Denied("the token is none of ours");
    call->actor = *found;
    return absl::OkStatus();
  });
}

absl::StatusOr<Authorizer> TokensFromFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadSecret(path);
  if (!text.ok()) return text.status();
  std::map<std::string, std::string> tokens;
  int number = 0;
  // A message names only the place of an error, since either word may be the
  // token.
  const auto wrong = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", number, ": ", what));
  };
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    const size_t comment = line.find('#');
    if (comment != 0 && comment != absl::string_view::npos &&
        !absl::StrContains(kSpaces, line[comment - 1])) {
      return wrong(
          "a # within a word; allowed: before a comment, after a space");
    }
    const std::vector<std::string> words = absl::StrSplit(
        line.substr(0, comment), absl::ByAnyChar(kSpaces), absl::SkipEmpty());
    if (words.empty()) continue;
    if (words.size() != 2) return wrong("allowed: a name and its token");
    if (words[1].size() < kShortestToken) {
      return wrong(
          absl::StrCat("the token, its second word, has ", words[1].size(),
                       " characters; allowed: ", kShortestToken, " or more"));
    }
    if (!tokens.emplace(words[0], words[1]).second) {
      return wrong("the name stood above already; allowed: once");
    }
  }
  if (tokens.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": there is no token in it"));
  }
  return Tokens(tokens);
}

Authorizer Certificates(std::vector<std::string> names) {
  return [names = std::move(names)](AdminCall* call) {
    for (const std::string& identity : call->identities) {
      if (std::find(names.begin(), names.end(), identity) == names.end()) {
        continue;
      }
      call->actor = identity;
      return absl::OkStatus();
    }
    if (call->identities.empty()) {
      return Denied("no client certificate came with this call");
    }
    return Denied(
        absl::StrCat("the client certificate is of ",
                     admin::ToLine(absl::StrJoin(call->identities, ", ")),
                     ", who may not do this"));
  };
}

Authorizer AnyOf(std::vector<Authorizer> authorizers) {
  return [authorizers = std::move(authorizers)](AdminCall* call) {
    std::vector<std::string> refusals;
    for (const Authorizer& each : authorizers) {
      absl::Status may = each ? each(call) : Denied("one is null");
      if (may.ok()) return may;
      refusals.emplace_back(may.message());
    }
    return Denied(refusals.empty() ? "nobody may do this"
                                   : absl::StrJoin(refusals, "; "));
  };
}

}  // namespace firebreak
