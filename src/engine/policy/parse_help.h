// What helps with a fault that Protobuf's own parsers tell of, in words of
// theirs: "Expected string, got: 2".
//
//   ParseHelp help(text);
//   message = absl::StrCat(message, help.For(message, line, column));
//   // ...; a time is a string with its unit: "2s"
//
// Each answer is empty where there is nothing to say. It costs a look through
// the text, so only the first kMostHelped are answered.
//
// Thread safety: none; a value of one parse, which keeps the text.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_
#define FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_

#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::engine {

class ParseHelp {
 public:
  static constexpr int kMostHelped = 20;

  explicit ParseHelp(absl::string_view text) : text_(text) {}

  // Of the text format: the fault, and where it is, from 0.
  std::string For(absl::string_view message, int line, int column);
  // Of JSON.
  std::string ForJson(absl::string_view message);

 private:
  std::string OfBraces() const;
  std::string OfString(absl::string_view got, int line, int column) const;

  const absl::string_view text_;
  int helped_ = 0;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_
