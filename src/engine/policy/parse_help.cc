#include "src/engine/policy/parse_help.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/descriptor.h"
#include "src/core/base/nearest.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/policy_scan.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// Returns the text between the first `from` and the next `to`, or "" if they
// are not there.
absl::string_view Between(absl::string_view text, absl::string_view from,
                          absl::string_view to) {
  const size_t begin = text.find(from);
  if (begin == absl::string_view::npos) return "";
  text.remove_prefix(begin + from.size());
  const size_t end = text.find(to);
  return end == absl::string_view::npos ? "" : text.substr(0, end);
}

// Returns the name that is nearest to `wanted`, or "" if none is near.
std::string Near(absl::string_view wanted,
                 const std::vector<std::string>& names) {
  const std::string nearest = core::Nearest(wanted, names);
  const int limit = 2 + static_cast<int>(wanted.size()) / 4;
  return core::EditDistance(wanted, nearest, limit) < limit ? nearest : "";
}

std::string DidYouMean(const std::string& name) {
  return name.empty() ? "" : absl::StrCat("; did you mean ", Quote(name), "?");
}

std::string OfEnum(absl::string_view wanted, const EnumDescriptor& values) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(values.value_count()));
  for (int i = 0; i < values.value_count(); ++i) {
    names.emplace_back(values.value(i)->name());
  }
  return DidYouMean(Near(wanted, names));
}

// Finds a field by its name in the text format or in JSON.
const FieldDescriptor* FindField(const Descriptor& message,
                                 const std::string& name) {
  const FieldDescriptor* const found = message.FindFieldByName(name);
  return found != nullptr ? found : message.FindFieldByCamelcaseName(name);
}

// `as_json`: field names as JSON has them.
std::string OfField(absl::string_view wanted, const Descriptor& message,
                    bool as_json) {
  const std::string name(wanted);
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    names.emplace_back(as_json ? absl::string_view(field.json_name())
                               : absl::string_view(field.name()));
    const Descriptor* const inner = field.message_type();
    if (inner == nullptr || field.is_repeated()) continue;
    if (FindField(*inner, name) == nullptr) continue;
    return absl::StrCat("; it is a field of ", names.back(), ": write ",
                        names.back(), " { ", wanted, ": ... }");
  }
  return DidYouMean(Near(wanted, names));
}

// Finds an enum field of the policy language, wherever it is.
const EnumDescriptor* FindEnum(const Descriptor& message,
                               const std::string& field,
                               std::set<const Descriptor*>* seen) {
  if (!seen->insert(&message).second) return nullptr;
  const FieldDescriptor* const found = message.FindFieldByName(field);
  if (found != nullptr && found->enum_type() != nullptr) {
    return found->enum_type();
  }
  for (int i = 0; i < message.field_count(); ++i) {
    const Descriptor* const inner = message.field(i)->message_type();
    if (inner == nullptr) continue;
    if (const auto* const type = FindEnum(*inner, field, seen)) return type;
  }
  return nullptr;
}

// A string field is a time, except those that are names.
std::string OfNumber(absl::string_view field, absl::string_view got) {
  for (const char* name :
       {"id", "base", "preset", "name", "channel", "service", "method"}) {
    if (field == name) return absl::StrCat("; write \"", got, "\"");
  }
  return absl::StrCat("; a time is a string with its unit: \"", got, "s\"");
}

bool IsNumber(absl::string_view text) {
  double number = 0;
  return absl::SimpleAtod(text, &number);
}

bool IsOfName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// The field at the end of a path from the JSON parser, such as
// "method[0].retry.codes[0]", and the message that contains it.
struct Found {
  const Descriptor* message = v1::PolicySet::descriptor();
  const FieldDescriptor* field = nullptr;
};

Found Follow(absl::string_view path) {
  Found found;
  for (absl::string_view step : absl::StrSplit(path, '.', absl::SkipEmpty())) {
    const std::string name(step.substr(0, step.find('[')));
    if (found.field != nullptr) found.message = found.field->message_type();
    if (found.message == nullptr) return {};
    found.field = FindField(*found.message, name);
    if (found.field == nullptr) return {};
  }
  return found;
}

// Returns the byte of `line` that Protobuf's tokenizer calls `column`: a tab
// moves to the next multiple of eight.
size_t ByteAt(absl::string_view line, int column) {
  constexpr int kTab = 8;
  size_t byte = 0;
  for (int at = 0; at < column && byte < line.size(); ++byte) {
    at += line[byte] == '\t' ? kTab - at % kTab : 1;
  }
  return byte;
}

}  // namespace

std::string ParseHelp::For(absl::string_view message, int line, int column) {
  if (++helped_ > kMostHelped) return "";
  absl::string_view rest = message;
  if (absl::ConsumePrefix(&rest, "Expected string, got: ")) {
    return OfString(rest, line, column);
  }
  if (absl::ConsumePrefix(&rest, "Expected identifier, got: ") &&
      (rest.empty() || rest == "}")) {
    return OfBraces();
  }
  if (absl::StartsWith(message, "Unknown enumeration value of ")) {
    const std::string field(Between(message, "for field \"", "\""));
    std::set<const Descriptor*> seen;
    const EnumDescriptor* const values =
        FindEnum(*v1::PolicySet::descriptor(), field, &seen);
    return values == nullptr
               ? ""
               : OfEnum(Between(message, "value of \"", "\""), *values);
  }
  const absl::string_view field = Between(message, "no field named \"", "\"");
  const Descriptor* const type =
      v1::PolicySet::descriptor()->file()->pool()->FindMessageTypeByName(
          std::string(Between(message, "Message type \"", "\"")));
  return field.empty() || type == nullptr ? "" : OfField(field, *type, false);
}

std::string ParseHelp::ForJson(absl::string_view message) {
  if (++helped_ > kMostHelped) return "";
  const Found found = Follow(Between(message, "(", ")"));
  if (absl::StrContains(message, ": Cannot find field.")) {
    const Descriptor* const type =
        found.field == nullptr ? found.message : found.field->message_type();
    return type == nullptr ? ""
                           : OfField(Between(message, ") ", ":"), *type, true);
  }
  if (found.field == nullptr) return "";
  if (found.field->enum_type() != nullptr) {
    return OfEnum(Between(message, "value \"", "\""),
                  *found.field->enum_type());
  }
  const absl::string_view got = Between(message, "invalid value ", " for");
  return found.field->type() == FieldDescriptor::TYPE_STRING && IsNumber(got)
             ? OfNumber(found.field->name(), got)
             : "";
}

std::string ParseHelp::OfBraces() const {
  std::vector<int> open;  // lines
  int surplus = 0;
  ForEachBrace(text_, [&](char brace, int line) {
    if (brace == '{' || brace == '<') {
      open.push_back(line);
    } else if (!open.empty()) {
      open.pop_back();
    } else if (surplus == 0) {
      surplus = line;
    }
  });
  if (surplus > 0) {
    return absl::StrCat("; the } on line ", surplus, " closes nothing");
  }
  return open.empty() ? ""
                      : absl::StrCat("; a } is missing: the { on line ",
                                     open.back(), " is never closed");
}

std::string ParseHelp::OfString(absl::string_view got, int line,
                                int column) const {
  if (!IsNumber(got)) return "";
  absl::string_view rest = text_;
  for (int i = 0; i < line; ++i) {
    rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));
  }
  // Goes back over ": " to the field's name.
  absl::string_view before = rest.substr(0, ByteAt(rest, column));
  while (!before.empty() && !IsOfName(before.back())) before.remove_suffix(1);
  size_t begin = before.size();
  while (begin > 0 && IsOfName(before[begin - 1])) --begin;
  return OfNumber(before.substr(begin), got);
}

}  // namespace firebreak::engine
