#include "src/engine/policy/policy.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "src/compat.h"
#include "src/engine/policy/parse_help.h"
#include "src/engine/policy/policy_compile.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/policy_file.h"
#include "src/engine/policy/policy_json.h"
#include "src/engine/policy/policy_scan.h"

namespace firebreak::engine {
namespace {

using google::protobuf::TextFormat;
using google::protobuf::io::ArrayInputStream;

// Collects the parser's errors, with places that count from 1.
class Collector : public compat::ErrorCollector {
 public:
  Collector(absl::string_view text, PolicyErrors* errors)
      : help_(text), errors_(errors) {}

  void OnError(int line, int column, absl::string_view message) override {
    PolicyPlace place;
    place.line = line + 1;
    place.column = column + 1;
    std::string help = help_.For(message, line, column);
    if (help.empty()) {
      errors_->Add(place, "", Printable(message));
      return;
    }
    absl::string_view said = message;
    absl::ConsumeSuffix(&said, ".");
    errors_->Add(place, "", absl::StrCat(Printable(said), help));
  }
  // Unknown fields are reported as warnings, so that all of them are found.
  void OnWarning(int line, int column, absl::string_view message) override {
    OnError(line, column, message);
  }

 private:
  ParseHelp help_;
  PolicyErrors* const errors_;
};

}  // namespace

absl::StatusOr<PolicyTable> LoadPolicyFile(const std::string& path,
                                           bool clamp_attempts) {
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return ParsePolicyText(*text, path, clamp_attempts);
}

absl::StatusOr<PolicyTable> ParsePolicyText(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts) {
  PolicyErrors errors(origin);
  if (!CheckLength(text.size(), kMaxPolicySize, &errors)) {
    return errors.ToStatus();
  }
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // as some editors write it
  if (IsJson(text)) return ParsePolicyJson(text, origin, clamp_attempts);
  if (!CheckNesting(text, &errors)) return errors.ToStatus();
  FindEmptyLists(text, &errors);

  v1::PolicySet set;
  TextFormat::ParseInfoTree tree;
  Collector collector(text, &errors);
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
  // The message is kept, shown and compared, so its size is limited too.
  if (!CheckLength(set.ByteSizeLong(), kMaxPolicySize, &errors)) {
    return errors.ToStatus();
  }
  return PolicyCompiler(set, /*tree=*/nullptr, &errors).Run();
}

}  // namespace firebreak::engine
