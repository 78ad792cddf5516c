#include "src/engine/policy/policy_scan.h"

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "src/compat.h"

namespace firebreak::engine {
namespace {

using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::Tokenizer;

// Ignores the tokenizer's errors, since the parser reports them again.
class Ignore : public compat::ErrorCollector {
 public:
  void OnError(int, int, absl::string_view) override {}
  void OnWarning(int, int, absl::string_view) override {}
};

PolicyPlace PlaceOf(const Tokenizer::Token& token) {
  PolicyPlace place;
  place.line = token.line + 1;
  place.column = token.column + 1;
  return place;
}

// Visits every symbol outside of strings and comments, with the token before
// it, until `visit` returns false.
using Visitor = absl::FunctionRef<bool(const Tokenizer::Token& symbol,
                                       const Tokenizer::Token& previous)>;
void ForEachSymbol(absl::string_view text, Visitor visit) {
  ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  Ignore ignore;
  Tokenizer tokens(&input, &ignore);
  tokens.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokens.set_allow_f_after_float(true);
  tokens.set_require_space_after_number(false);
  tokens.set_allow_multiline_strings(true);
  while (tokens.Next()) {
    if (tokens.current().type == Tokenizer::TYPE_SYMBOL &&
        !visit(tokens.current(), tokens.previous())) {
      return;
    }
  }
}

}  // namespace

bool CheckNesting(absl::string_view text, PolicyErrors* errors) {
  int depth = 0;
  ForEachSymbol(text, [&](const auto& token, const auto&) {
    const char symbol = token.text[0];
    if (symbol == '}' || symbol == '>' || symbol == ']') --depth;
    if (symbol == '{' || symbol == '<' || symbol == '[') ++depth;
    if (depth <= kMaxPolicyDepth) return true;
    errors->Add(PlaceOf(token), "",
                absl::StrCat("Nested too deep; allowed: ", kMaxPolicyDepth,
                             " levels."));
    return false;
  });
  return depth <= kMaxPolicyDepth;
}

void ForEachBrace(absl::string_view text,
                  absl::FunctionRef<void(char brace, int line)> visit) {
  ForEachSymbol(text, [&](const auto& token, const auto&) {
    const char symbol = token.text[0];
    if (absl::string_view("{}<>").find(symbol) != absl::string_view::npos) {
      visit(symbol, token.line + 1);
    }
    return true;
  });
}

void FindEmptyLists(absl::string_view text, PolicyErrors* errors) {
  ForEachSymbol(text, [&](const auto& token, const auto& previous) {
    if (token.text == "]" && previous.text == "[") {
      errors->Add(PlaceOf(token), "",
                  "An empty list says nothing; allowed: at least one value, or "
                  "leave the field out.");
    }
    return true;
  });
}

}  // namespace firebreak::engine
