// The errors of one policy: collected, put in order, reported as one Status.
//
//   PolicyErrors errors("policy.textproto");
//   errors.Add(Locate(set, tree, "method[2].timeout"), "method[2].timeout",
//              "is 2h; allowed [0s, 3600s]");
//   if (!errors.empty()) return errors.ToStatus();
//
// Part of the policy compiler. Not thread-safe.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_ERRORS_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_ERRORS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"

namespace firebreak::engine {

// A place in a policy. Lines and columns count from 1, and 0 means not known.
struct PolicyPlace {
  bool is_set = false;  // the message sets the field itself
  int line = 0;
  int column = 0;
};

// Finds the field at `path`, such as "breaker.failure_rate" or "name[1]",
// relative to `message`. `tree` has the places where the parser found the
// fields, or is null. A field that is not set gets the line of the nearest
// block around it that is set.
PolicyPlace Locate(const google::protobuf::Message& message,
                   const google::protobuf::TextFormat::ParseInfoTree* tree,
                   absl::string_view path);

class PolicyErrors {
 public:
  explicit PolicyErrors(absl::string_view origin) : origin_(origin) {}

  // `path` may be empty, for errors of the text itself.
  void Add(const PolicyPlace& place, absl::string_view path,
           absl::string_view problem);

  bool empty() const { return errors_.empty(); }

  struct Error {
    PolicyPlace place;
    std::string path;
    std::string problem;
  };
  // In the order they came.
  const std::vector<Error>& all() const { return errors_; }

  // Returns INVALID_ARGUMENT with the errors by line, else in the order they
  // came; or OK if there are none.
  absl::Status ToStatus() const;

 private:
  const std::string origin_;
  std::vector<Error> errors_;
};

// Returns false, and adds an error, if a policy is longer than `limit` bytes.
bool CheckLength(size_t length, size_t limit, PolicyErrors* errors);

// Returns a value for an error message: escaped, and shortened if it is long.
std::string Quote(absl::string_view value);

// Returns a parser's message in a printable form. It may quote a part of the
// text, of any length and with any bytes. Bytes that cannot be printed become
// '?', and what is past the limit becomes "...".
std::string Printable(absl::string_view message, size_t limit = 200);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_ERRORS_H_
