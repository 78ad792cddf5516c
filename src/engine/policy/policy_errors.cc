#include "src/engine/policy/policy_errors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "src/compat.h"

namespace firebreak::engine {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// As many as a person reads at a time. A Status may also travel in metadata,
// which is limited.
constexpr size_t kMaxReported = 100;
constexpr size_t kMaxQuoted = 60;

// "name[1]" -> "name", 1; "timeout" -> "timeout", -1.
std::pair<absl::string_view, int> SplitIndex(absl::string_view step) {
  int index = -1;
  const size_t bracket = step.find('[');
  if (bracket == absl::string_view::npos) return {step, index};
  const absl::string_view digits =
      step.substr(bracket + 1, step.size() - bracket - 2);
  if (!absl::SimpleAtoi(digits, &index)) index = -1;
  return {step.substr(0, bracket), index};
}

}  // namespace

PolicyPlace Locate(const Message& message,
                   const TextFormat::ParseInfoTree* tree,
                   absl::string_view path) {
  PolicyPlace place;
  const Message* current = &message;
  for (absl::string_view step : absl::StrSplit(path, '.')) {
    place.is_set = false;
    if (current == nullptr) return place;  // a path into a scalar
    auto [name, index] = SplitIndex(step);
    const FieldDescriptor* field =
        current->GetDescriptor()->FindFieldByName(std::string(name));
    if (field == nullptr) return place;
    const Reflection* reflection = current->GetReflection();
    if (field->is_repeated()) {
      index = std::max(index, 0);
      if (index >= reflection->FieldSize(*current, field)) return place;
    } else if (!reflection->HasField(*current, field)) {
      return place;
    }
    place.is_set = true;
    if (tree != nullptr) {
      const int line = compat::LineOf(*tree, field, index);
      if (line >= 0) place.line = line + 1;
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      current = nullptr;
      continue;
    }
    if (tree != nullptr) tree = tree->GetTreeForNested(field, index);
    current = field->is_repeated()
                  ? &reflection->GetRepeatedMessage(*current, field, index)
                  : &reflection->GetMessage(*current, field);
  }
  return place;
}

void PolicyErrors::Add(const PolicyPlace& place, absl::string_view path,
                       absl::string_view problem) {
  errors_.push_back({place, std::string(path), std::string(problem)});
}

absl::Status PolicyErrors::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::vector<const Error*> sorted;
  for (const Error& error : errors_) sorted.push_back(&error);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Error* a, const Error* b) {
                     return a->place.line < b->place.line;
                   });
  std::string message;
  const size_t reported = std::min(sorted.size(), kMaxReported);
  for (size_t i = 0; i < reported; ++i) {
    const auto& [place, path, problem] = *sorted[i];
    absl::StrAppend(&message, i == 0 ? "" : "\n", origin_);
    if (place.line > 0) absl::StrAppend(&message, ":", place.line);
    if (place.column > 0) absl::StrAppend(&message, ":", place.column);
    if (!path.empty()) absl::StrAppend(&message, ": ", path);
    absl::StrAppend(&message, ": ", problem);
  }
  if (reported < sorted.size()) {
    absl::StrAppend(&message, "\n", origin_, ": and ", sorted.size() - reported,
                    " more errors");
  }
  return absl::InvalidArgumentError(message);
}

bool CheckLength(size_t length, size_t limit, PolicyErrors* errors) {
  if (length <= limit) return true;
  errors->Add(
      PolicyPlace(), "",
      absl::StrCat("is longer than ", limit, " bytes; allowed: at most that"));
  return false;
}

std::string Quote(absl::string_view value) {
  return absl::StrCat("\"", absl::CHexEscape(value.substr(0, kMaxQuoted)),
                      value.size() > kMaxQuoted ? "...\"" : "\"");
}

std::string Printable(absl::string_view message, size_t limit) {
  std::string shown(message.substr(0, limit));
  for (char& c : shown) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  if (message.size() > limit) shown += "...";
  return shown;
}

}  // namespace firebreak::engine
