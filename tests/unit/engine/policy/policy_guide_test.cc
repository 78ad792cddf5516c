// Compares the guide's tables with the language itself: docs/policy.md has
// every field, with the range and the default of the compiler.
#include <cmath>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "firebreak/v1/policy.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// --- the guide ---------------------------------------------------------------

struct Row {
  std::string range;
  std::string default_cell;
};

// Returns the rows by path: "breaker.window.calls", and for channels
// "channel:budget.ratio".
std::map<std::string, Row> ReadGuide() {
  std::ifstream guide(POLICY_GUIDE_PATH);
  EXPECT_TRUE(guide.is_open()) << POLICY_GUIDE_PATH;
  std::map<std::string, Row> rows;
  std::string section;
  bool is_inside = false;
  for (std::string line; std::getline(guide, line);) {
    if (absl::StartsWith(line, "## ")) is_inside = line == "## Every field";
    if (absl::StartsWith(line, "### ")) section = line.substr(4);
    if (!is_inside || !absl::StartsWith(line, "| `")) continue;
    const std::vector<std::string> cells =
        absl::StrSplit(absl::StrReplaceAll(line, {{"| |", "|  |"}}), " | ");
    EXPECT_EQ(cells.size(), 4u) << line;
    if (cells.size() != 4) continue;
    const std::regex name("`([^`]+)`");
    for (std::sregex_iterator it(cells[0].begin(), cells[0].end(), name), end;
         it != end; ++it) {
      const std::string field = (*it)[1];
      const std::string path = section == "method" ? field
                               : section == "channel"
                                   ? "channel:" + field
                                   : absl::StrCat(section, ".", field);
      std::string default_cell = cells[3];
      default_cell.resize(default_cell.size() - 2);  // " |"
      EXPECT_TRUE(rows.emplace(path, Row{cells[2], default_cell}).second)
          << path << " stands twice";
    }
  }
  return rows;
}

// --- the language ------------------------------------------------------------

void FieldsOf(const Descriptor* type, const std::string& prefix,
              const std::map<std::string, Row>& rows,
              std::set<std::string>* out) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const std::string path = absl::StrCat(prefix, field->name());
    const bool is_message = field->message_type() != nullptr;
    // A message may have a single row for all its fields, as for channels.
    if (!is_message || rows.count(path) != 0) out->insert(path);
    if (is_message && !absl::StartsWith(path, "channel:bulkhead") &&
        !absl::StartsWith(path, "channel:rate_limit") &&
        path != "channel:throttle") {
      FieldsOf(field->message_type(), path + ".", rows, out);
    }
  }
}

std::set<std::string> AllFields(const std::map<std::string, Row>& rows) {
  std::set<std::string> fields;
  FieldsOf(v1::MethodPolicy::descriptor(), "", rows, &fields);
  FieldsOf(v1::ChannelPolicy::descriptor(), "channel:", rows, &fields);
  return fields;
}

struct Place {
  Message* message;
  const FieldDescriptor* field;
};

// Creates the messages on the path, with their required fields.
Place Find(v1::PolicySet* set, absl::string_view path) {
  const bool is_channel = absl::ConsumePrefix(&path, "channel:");
  v1::MethodPolicy* const method =
      set->method_size() != 0 ? set->mutable_method(0) : set->add_method();
  if (method->name_size() == 0 && !absl::StartsWith(path, "name")) {
    method->add_name();
  }
  Message* message = method;
  if (is_channel) message = set->add_channel();
  const std::vector<std::string> steps = absl::StrSplit(path, '.');
  for (size_t i = 0;; ++i) {
    const FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(steps[i]);
    if (i + 1 == steps.size()) return {message, field};
    message = field->is_repeated()
                  ? message->GetReflection()->AddMessage(message, field)
                  : message->GetReflection()->MutableMessage(message, field);
    if (auto* limit = dynamic_cast<v1::RateLimitPolicy*>(message)) {
      limit->set_rate(1);
    }
    if (auto* name = dynamic_cast<v1::MethodPolicy::Name*>(message)) {
      name->set_service("s");
    }
  }
}

// Sets a field to a value from the guide. Returns false if it is not a value.
bool Set(const Place& place, const std::string& text) {
  const auto* reflection = place.message->GetReflection();
  int64_t whole = 0;
  double real = 0;
  switch (place.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      if (!absl::SimpleAtoi(text, &whole)) return false;
      reflection->SetInt32(place.message, place.field,
                           static_cast<int32_t>(whole));
      return true;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!absl::SimpleAtod(text, &real)) return false;
      reflection->SetDouble(place.message, place.field, real);
      return true;
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return false;
      reflection->SetBool(place.message, place.field, text == "true");
      return true;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(place.message, place.field, text);
      return true;
    case FieldDescriptor::CPPTYPE_ENUM:
      for (const std::string& each :
           std::vector<std::string>(absl::StrSplit(text, ", "))) {
        const auto* value = place.field->enum_type()->FindValueByName(each);
        if (value == nullptr) return false;
        if (place.field->is_repeated()) {
          reflection->AddEnum(place.message, place.field, value);
        } else {
          reflection->SetEnum(place.message, place.field, value);
        }
      }
      return true;
    default:
      return false;
  }
}

bool IsDuration(const std::string& path) {
  v1::PolicySet set;
  return Find(&set, path).field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

// Returns whether the compiler refuses this value of this field. Errors of
// other fields that should agree with it do not count.
bool IsRefused(const std::string& path, const std::string& value) {
  v1::PolicySet set;
  EXPECT_TRUE(Set(Find(&set, path), value)) << path << " = " << value;
  const std::string message(CompilePolicy(set, "p").status().message());
  absl::string_view field = path;
  const bool is_channel = absl::ConsumePrefix(&field, "channel:");
  return absl::StrContains(
      message,
      absl::StrCat(is_channel ? "channel[0]." : "method[0].", field, ": "));
}

bool IsNoPolicy(const std::string& path, const std::string& value) {
  v1::PolicySet set;
  EXPECT_TRUE(Set(Find(&set, path), value)) << path << " = " << value;
  return !CompilePolicy(set, "p").ok();
}

// --- ranges ------------------------------------------------------------------

std::string DefaultValue(const std::string& cell) {
  std::smatch match;
  // `A`, `B`, `C` is one value: a list.
  if (std::regex_search(cell, match, std::regex("^`([^`]+)`((, `[^`]+`)*)"))) {
    std::string value = match[1].str() +
                        std::regex_replace(match[2].str(), std::regex("`"), "");
    return std::regex_replace(value, std::regex("\""), "");
  }
  if (std::regex_search(cell, match, std::regex("^([0-9.]+|true|false)\\b"))) {
    return match[1];
  }
  return "";
}

// A bound may be another field of the same part. Then it is the default of that
// field.
std::string Bound(const std::map<std::string, Row>& rows,
                  const std::string& path, std::string bound) {
  if (bound.front() != '`') return bound;
  bound = bound.substr(1, bound.size() - 2);
  for (size_t dot = path.rfind('.'); dot != std::string::npos;
       dot = dot == 0 ? std::string::npos : path.rfind('.', dot - 1)) {
    const auto row = rows.find(path.substr(0, dot + 1) + bound);
    if (row != rows.end()) return DefaultValue(row->second.default_cell);
  }
  ADD_FAILURE() << path << ": no field " << bound;
  return "0";
}

// Returns a slightly smaller or larger value, in the field's own format.
std::string Beside(const std::string& path, const std::string& bound,
                   int direction) {
  if (IsDuration(path)) {
    const auto at = core::ParseDuration(bound);
    EXPECT_TRUE(at.ok()) << path << ": " << bound;
    const int64_t beside = at->count() + direction;
    return absl::StrCat(beside, "ns");
  }
  double value = 0;
  EXPECT_TRUE(absl::SimpleAtod(bound, &value)) << path << ": " << bound;
  v1::PolicySet set;
  const bool is_whole =
      Find(&set, path).field->cpp_type() == FieldDescriptor::CPPTYPE_INT32;
  return is_whole ? absl::StrCat(static_cast<int64_t>(value) + direction)
                  : absl::StrFormat("%.17g", value + direction * 1e-6);
}

TEST(PolicyGuideTest, HasEveryFieldAndNoOther) {
  const std::map<std::string, Row> rows = ReadGuide();
  std::set<std::string> in_guide;
  for (const auto& row : rows) in_guide.insert(row.first);
  EXPECT_EQ(in_guide, AllFields(rows));
}

TEST(PolicyGuideTest, RangesAreThoseOfTheCompiler) {
  const std::map<std::string, Row> rows = ReadGuide();
  const std::regex interval(R"(([\[(])([^,\]]+), ([^\])]+)([\])]))");
  int checked = 0;
  for (const auto& [path, row] : rows) {
    std::smatch match;
    if (!std::regex_search(row.range, match, interval)) continue;
    ++checked;
    const std::string low = Bound(rows, path, match[2]);
    const std::string high = Bound(rows, path, match[3]);
    const bool or_zero = absl::StrContains(row.range, "or 0") ||
                         absl::StartsWith(row.range, "0, or");
    const bool low_is_in = match[1] == "[" || (or_zero && low == "0");
    const bool high_is_in = match[4] == "]";
    EXPECT_EQ(IsRefused(path, low), !low_is_in) << path << " = " << low;
    EXPECT_EQ(IsRefused(path, high), !high_is_in) << path << " = " << high;
    const std::string below = Beside(path, low, -1);
    const std::string above = Beside(path, high, +1);
    // The value just below 1 may be 0, which is allowed too.
    if (!(or_zero && below == "0")) {
      EXPECT_TRUE(IsRefused(path, below)) << path << " = " << below;
    }
    // If two fields must agree, the error may name either of them.
    EXPECT_TRUE(match[3].str().front() == '`' ? IsNoPolicy(path, above)
                                              : IsRefused(path, above))
        << path << " = " << above;
    EXPECT_FALSE(or_zero && IsRefused(path, "0")) << path;
    EXPECT_FALSE(IsRefused(path, Beside(path, low, +1))) << path;
    EXPECT_FALSE(IsRefused(path, Beside(path, high, -1))) << path;
  }
  EXPECT_GE(checked, 45);
}

TEST(PolicyGuideTest, OtherRangesTooAreThoseOfTheCompiler) {
  int checked = 0;
  for (const auto& [path, row] : ReadGuide()) {
    v1::PolicySet set;
    const Place place = Find(&set, path);
    const auto* reflection = place.message->GetReflection();
    if (absl::StartsWith(row.range, "any but `OK`")) {
      reflection->AddEnumValue(place.message, place.field, 0);
    } else if (absl::StartsWith(row.range, "these ")) {
      const std::map<std::string, int> counts = {
          {"these two", 2}, {"these three", 3}, {"these four", 4}};
      ASSERT_EQ(counts.count(row.range), 1u) << path << ": " << row.range;
      EXPECT_EQ(place.field->enum_type()->value_count(), counts.at(row.range))
          << path;
      reflection->SetEnumValue(place.message, place.field, 77);
    } else if (absl::StartsWith(row.range, "printable ASCII")) {
      reflection->SetString(place.message, place.field, "\x01");
    } else {
      continue;
    }
    ++checked;
    EXPECT_EQ(CompilePolicy(set, "p").status().code(),
              absl::StatusCode::kInvalidArgument)
        << path << ": " << row.range;
  }
  EXPECT_GE(checked, 12);
}

// --- defaults ----------------------------------------------------------------

struct ShowValue {
  std::string operator()(const core::Duration* d) const {
    return core::FormatDuration(*d);
  }
  std::string operator()(const core::CodeSet* codes) const {
    std::string out = "[";
    for (int n = 0; n < core::kStatusCodes; ++n) {
      if (codes->Contains(static_cast<absl::StatusCode>(n))) {
        absl::StrAppend(&out, n, " ");
      }
    }
    return out + "]";
  }
  template <class T>
  std::string operator()(const absl::optional<T>* value) const {
    return *value ? (*this)(&**value) : "none";
  }
  std::string operator()(core::EnumRef value) const {
    return absl::StrCat(value.get(value.value));
  }
  template <class T>
  std::string operator()(const T* value) const {
    return absl::StrCat(*value);
  }
};

std::string Show(const core::FieldList& fields) {
  std::string out;
  for (const core::Field& field : fields) {
    absl::StrAppend(&out, field.name, "=", std::visit(ShowValue(), field.value),
                    " ");
  }
  return out;
}

std::string Show(core::AdmissionOptions in) {
  std::string out;
  in.VisitParts([&](const char* name, auto* part, const bool* is_off) {
    absl::StrAppend(&out, name, *is_off ? " off " : " ",
                    *part ? Show((*part)->Fields()) : "");
  });
  return out;
}

std::string Show(core::MethodOptions o) {
  std::string out = Show(o.Fields()) + Show(o.admission);
  o.VisitParts([&](const char* name, auto* part) {
    if (*part) absl::StrAppend(&out, name, " ", Show((*part)->Fields()));
  });
  return out;
}

std::string Meaning(const v1::PolicySet& set) {
  const absl::StatusOr<PolicyTable> table = CompilePolicy(set, "p");
  EXPECT_TRUE(table.ok()) << table.status();
  if (!table.ok()) return "";
  core::BudgetOptions budget = table->BudgetFor("");
  const auto options = table->Find("", "/s/m");
  return absl::StrCat(
      options == nullptr ? "" : Show(*options), Show(budget.Fields()),
      budget.throttling ? Show(budget.throttling->Fields()) : "",
      Show(table->AdmissionFor("")));
}

// Setting a field to its default changes nothing.
TEST(PolicyGuideTest, DefaultsAreThoseOfTheCompiler) {
  int checked = 0;
  for (const auto& [path, row] : ReadGuide()) {
    const std::string value = DefaultValue(row.default_cell);
    v1::PolicySet without;
    Find(&without, path);
    v1::PolicySet with;
    if (value.empty() || !Set(Find(&with, path), value)) {
      static const std::set<std::string> no_value = {
          "name",
          "name.channel",
          "name.service",
          "name.method",
          "id",
          "base",
          "preset",
          "wait_for_ready",
          "idempotent",
          "ramp.duration",
          "breaker.ramp.duration",
          "confidence",
          "breaker.confidence",
          "breaker.probe.health_check",
          "breaker.window.calls",
          "breaker.ignored_codes",
          "fault.codes",
          "rate_limit.rate",
          "channel:name",
          "channel:bulkhead",
          "channel:rate_limit",
          "channel:throttle"};
      EXPECT_EQ(no_value.count(path), 1u) << path << ": " << row.default_cell;
      continue;
    }
    ++checked;
    // With one of these, probe_interval is off unless it is set too.
    static const std::set<std::string> no_probes = {
        "breaker.open_duration", "breaker.open_growth",
        "breaker.max_open_duration"};
    if (no_probes.count(path) > 0) {
      ASSERT_TRUE(Set(Find(&with, "breaker.probe_interval"), "1s"));
    }
    EXPECT_EQ(Meaning(with), Meaning(without)) << path << " = " << value;
  }
  EXPECT_GE(checked, 55);
}

}  // namespace
}  // namespace firebreak::engine
