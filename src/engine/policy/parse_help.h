// Explains errors that Protobuf's own parsers report in their own terms:
// "Expected string, got: 2".
//
//   ParseHelp help(text);
//   message = absl::StrCat(message, help.For(message, line, column));
//   // ...; a time is a string with its unit: "2s"
//
// Each function returns "" if there is nothing to add. It searches the text, so
// only the first kMostHelped errors are explained.
//
// Thread safety: none. An object is for one parse, and keeps a reference to the
// text.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_
#define FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_

#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::engine {

class ParseHelp {
 public:
  static constexpr int kMostHelped = 20;

  explicit ParseHelp(absl::string_view text) : text_(text) {}

  // For an error in the text format, at a place that counts from 0.
  std::string For(absl::string_view message, int line, int column);
  // For an error in JSON.
  std::string ForJson(absl::string_view message);

 private:
  std::string OfBraces() const;
  std::string OfString(absl::string_view got, int line, int column) const;

  const absl::string_view text_;
  int helped_ = 0;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_PARSE_HELP_H_
