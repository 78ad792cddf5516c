// Fuzzes policies as JSON. An accepted policy means the same after it has been
// written, as JSON or in the text format, and read again.
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "src/core/base/printable.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_diff.h"
#include "src/engine/policy/policy_json.h"
#include "tests/fuzz/planted.h"

namespace firebreak::engine {
namespace {

using google::protobuf::util::MessageDifferencer;

void ReadsTheSame(const v1::PolicySet& set, const std::string& text) {
  const auto again = ParsePolicyText(text, "again");
  testing::Always(again.ok());
  testing::Always(MessageDifferencer::Equals(*again->source(), set));
}

void Read(const std::string& json) {
  const auto table = ParsePolicyText(json, "fuzz");
  if (!table.ok()) {
    testing::Always(!table.status().message().empty());
    testing::Always(core::IsUtf8(table.status().message()));
    return;
  }
  const v1::PolicySet& set = *table->source();
  for (const LintFinding& each : Lint(*table)) {
    testing::Always(!each.problem.empty() && core::IsUtf8(each.problem));
  }
  testing::Always(DiffPolicies(set, set).differences.empty());
  (void)DiffPolicies(v1::PolicySet(), set);
  std::string text;
  google::protobuf::TextFormat::PrintToString(set, &text);
  ReadsTheSame(set, text);
  text.clear();
  testing::Always(google::protobuf::util::MessageToJsonString(set, &text).ok());
  ReadsTheSame(set, text);
  // Any number but the corpus's: one byte has to change, and all others have to
  // stay. To find one particular number would take minutes.
  const int attempts =
      set.method_size() > 0 ? set.method(0).retry().max_attempts() : 0;
  testing::Planted(attempts > 0 && attempts != 3);
}

}  // namespace
}  // namespace firebreak::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::string json(reinterpret_cast<const char*>(bytes), size);
  if (!firebreak::engine::IsJson(json)) json.insert(0, 1, '{');
  firebreak::engine::Read(json);
  return 0;
}
