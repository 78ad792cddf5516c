#include "src/engine/policy/json_fields.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace firebreak::engine {
namespace {

// Protobuf's durations have no fractions of a nanosecond.
constexpr size_t kMaxDecimals = 9;

bool IsDigits(absl::string_view text) {
  return !text.empty() && absl::c_all_of(text, [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

// Whether the text is in seconds: "2s", "0.25s". The number is not checked.
bool IsSeconds(absl::string_view text) {
  if (text.empty() || text.back() != 's') return false;
  text.remove_suffix(1);
  const size_t point = text.find('.');
  if (point == absl::string_view::npos) return IsDigits(text);
  const absl::string_view decimals = text.substr(point + 1);
  return IsDigits(text.substr(0, point)) && IsDigits(decimals) &&
         decimals.size() <= kMaxDecimals;
}

}  // namespace

void JsonReport::Add(absl::string_view path, absl::string_view problem) {
  errors_->Add(PolicyPlace(), path, problem);
  paths_.emplace(path);
}

std::string Show(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case JsonFields::Kind::kNumberValue:
      return absl::StrFormat("%.15g", value.number_value());
    case JsonFields::Kind::kStringValue:
      return Quote(value.string_value());
    case JsonFields::Kind::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case JsonFields::Kind::kStructValue:
      return "an object";
    case JsonFields::Kind::kListValue:
      return value.list_value().values().empty() ? "an empty list" : "a list";
    default:
      return "null";
  }
}

JsonFields::JsonFields(const google::protobuf::Struct& object, std::string path,
                       JsonReport* report)
    : object_(object), path_(std::move(path)), report_(report) {}

void JsonFields::CheckKeys(absl::Span<const absl::string_view> allowed) const {
  std::vector<std::string> others;
  for (const auto& field : object_.fields()) {
    if (!absl::c_linear_search(allowed, field.first)) {
      others.push_back(Quote(field.first));
    }
  }
  // A map has no fixed order, and the message should always be the same.
  std::sort(others.begin(), others.end());
  for (const std::string& key : others) {
    report_->Add(path_, absl::StrCat("has the key ", key, "; allowed: ",
                                     absl::StrJoin(allowed, ", ")));
  }
}

const google::protobuf::Value* JsonFields::Get(absl::string_view key, Kind kind,
                                               absl::string_view allowed,
                                               Need need) const {
  const Value* value = Find(key);
  if (value == nullptr ? need == Need::kOptional : value->kind_case() == kind) {
    return value;
  }
  Refuse(key, allowed);
  return nullptr;
}

absl::optional<double> JsonFields::Number(absl::string_view key,
                                          absl::string_view allowed,
                                          Need need) const {
  const Value* value = Find(key);
  if (value == nullptr && need == Need::kOptional) return absl::nullopt;
  double number = NAN;
  if (value != nullptr && value->has_number_value()) {
    number = value->number_value();
  } else if (value != nullptr && value->has_string_value() &&
             !absl::SimpleAtod(value->string_value(), &number)) {
    number = NAN;
  }
  if (std::isfinite(number)) return number;
  Refuse(key, allowed);
  return absl::nullopt;
}

absl::optional<std::string> JsonFields::Duration(absl::string_view key,
                                                 Need need) const {
  constexpr char kAllowed[] =
      "a string of seconds, with at most nine decimals, as \"1.5s\"";
  const Value* value = Get(key, Kind::kStringValue, kAllowed, need);
  if (value == nullptr) return absl::nullopt;
  if (IsSeconds(value->string_value())) return value->string_value();
  Refuse(key, kAllowed);
  return absl::nullopt;
}

std::string JsonFields::At(absl::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", key);
}

void JsonFields::Refuse(absl::string_view key,
                        absl::string_view allowed) const {
  const Value* value = Find(key);
  report_->Add(At(key),
               absl::StrCat("is ", value == nullptr ? "missing" : Show(*value),
                            "; allowed: ", allowed));
}

const google::protobuf::Value* JsonFields::Find(absl::string_view key) const {
  const auto found = object_.fields().find(std::string(key));
  if (found == object_.fields().end() || found->second.has_null_value()) {
    return nullptr;
  }
  return &found->second;
}

}  // namespace firebreak::engine
