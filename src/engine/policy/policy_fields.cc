#include "src/engine/policy/policy_fields.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "firebreak/v1/policy.pb.h"
#include "src/core/base/duration.h"

namespace firebreak::engine {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

const FieldDescriptor* FieldNamed(const Message& message,
                                  absl::string_view name) {
  return message.GetDescriptor()->FindFieldByName(std::string(name));
}

bool IsSet(const Message& message, const FieldDescriptor* field) {
  return field->is_repeated()
             ? message.GetReflection()->FieldSize(message, field) > 0
             : message.GetReflection()->HasField(message, field);
}

// Returns "ENFORCE, SHADOW, DISABLED".
std::string NamesOf(const EnumDescriptor& type) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type.value_count()));
  for (int i = 0; i < type.value_count(); ++i) {
    names.emplace_back(type.value(i)->name());
  }
  return absl::StrJoin(names, ", ");
}

// Splits "ramp.initial" into "ramp" and "initial"; the first is empty without a
// dot.
std::pair<absl::string_view, absl::string_view> Split(absl::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == absl::string_view::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace

// Reads one field that is set, by the type of its value.
struct ValueReader {
  FieldReader* read;
  const std::string& path;
  const Message& message;
  const FieldDescriptor* field;

  template <class T>
  void operator()(absl::optional<T>* out) const {
    (*this)(&out->emplace());
  }
  void operator()(int* out) const {
    *out = message.GetReflection()->GetInt32(message, field);
  }
  void operator()(double* out) const {
    *out = message.GetReflection()->GetDouble(message, field);
  }
  void operator()(bool* out) const {
    *out = message.GetReflection()->GetBool(message, field);
  }

  void operator()(std::string* out) const {
    *out = message.GetReflection()->GetString(message, field);
  }

  void operator()(core::Duration* out) const {
    const absl::StatusOr<core::Duration> parsed =
        core::ParseDuration(message.GetReflection()->GetString(message, field));
    // The stand-in is zero: it does not lead to errors when other fields are
    // compared with it.
    *out = parsed.value_or(core::Duration::zero());
    read->Note(path, parsed.ok());
    if (parsed.ok()) return;
    read->errors_->push_back({path, std::string(parsed.status().message())});
  }

  void operator()(core::CodeSet* out) const {
    core::CodeSet codes;
    bool is_readable = true;
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      const int code =
          message.GetReflection()->GetRepeatedEnumValue(message, field, i);
      if (v1::Code_IsValid(code) && code != v1::OK) {
        codes.Add(static_cast<absl::StatusCode>(code));
        continue;
      }
      is_readable = false;
      read->errors_->push_back(
          {absl::StrCat(path, "[", i, "]"),
           code == v1::OK
               ? "is OK; allowed: codes other than OK"
               : absl::StrCat("is ", code, "; allowed: a name of Code")});
    }
    *out = codes;
    read->Note(path, is_readable);
  }

  // A proto3 enum may contain any number.
  void operator()(core::EnumRef out) const {
    const int value = message.GetReflection()->GetEnumValue(message, field);
    if (field->enum_type()->FindValueByNumber(value) != nullptr) {
      out.set(out.value, value);
      return;
    }
    read->errors_->push_back(
        {path, absl::StrCat("is ", value,
                            "; allowed: ", NamesOf(*field->enum_type()))});
  }
};

namespace {

struct ValueWriter {
  Message* message;
  const FieldDescriptor* field;

  void operator()(const int* value) const {
    message->GetReflection()->SetInt32(message, field, *value);
  }
  void operator()(const double* value) const {
    message->GetReflection()->SetDouble(message, field, *value);
  }
  void operator()(const bool* value) const {
    message->GetReflection()->SetBool(message, field, *value);
  }
  template <class T>
  void operator()(const absl::optional<T>* value) const {
    if (*value) (*this)(&**value);
  }
  void operator()(const std::string* value) const {
    message->GetReflection()->SetString(message, field, *value);
  }
  void operator()(const core::Duration* value) const {
    message->GetReflection()->SetString(message, field,
                                        core::FormatDuration(*value));
  }
  void operator()(const core::CodeSet* value) const {
    for (int n = 1; n < core::kStatusCodes; ++n) {
      if (!value->Contains(static_cast<absl::StatusCode>(n))) continue;
      message->GetReflection()->AddEnumValue(message, field, n);
    }
  }
  void operator()(core::EnumRef value) const {
    message->GetReflection()->SetEnumValue(message, field,
                                           value.get(value.value));
  }
};

}  // namespace

void FieldReader::Read(const Message& message, const core::FieldList& fields) {
  for (const core::Field& row : fields) {
    const auto [part, name] = Split(row.name);
    const Message* const in = part.empty() ? &message : FindPart(message, part);
    if (in == nullptr) continue;
    const FieldDescriptor* const field = FieldNamed(*in, name);
    if (field == nullptr || !IsSet(*in, field)) continue;
    std::visit(ValueReader{this, core::JoinPath(path_, row.name), *in, field},
               row.value);
  }
}

void FieldReader::Add(absl::string_view field, std::string problem) {
  errors_->push_back({core::JoinPath(path_, field), std::move(problem)});
}

void FieldReader::Note(const std::string& path, bool is_readable) {
  if (is_readable) {
    unreadable_->erase(path);
  } else {
    unreadable_->insert(path);
  }
}

void WriteFields(const core::FieldList& fields, Message* message) {
  for (const core::Field& row : fields) {
    const auto [part, name] = Split(row.name);
    Message* const out = part.empty() ? message : MakePart(message, part);
    if (out == nullptr) continue;
    const FieldDescriptor* const field = FieldNamed(*out, name);
    if (field == nullptr) continue;
    std::visit(ValueWriter{out, field}, row.value);
  }
}

const Message* FindPart(const Message& message, absl::string_view name) {
  const FieldDescriptor* const field = FieldNamed(message, name);
  if (field == nullptr || !IsSet(message, field)) return nullptr;
  return &message.GetReflection()->GetMessage(message, field);
}

Message* MakePart(Message* message, absl::string_view name) {
  const FieldDescriptor* const field = FieldNamed(*message, name);
  if (field == nullptr || field->message_type() == nullptr) return nullptr;
  return message->GetReflection()->MutableMessage(message, field);
}

}  // namespace firebreak::engine
