#include "src/engine/policy/policy_diff.h"

#include <string>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "google/protobuf/text_format.h"
#include "src/compat.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// Writes values in the text format, in one line.
class Writer {
 public:
  Writer() { printer_.SetSingleLineMode(true); }

  std::string Whole(const Message& message) const {
    const std::string text = compat::Print(message, printer_);
    absl::string_view inner = absl::StripSuffix(text, " ");
    return inner.empty() ? "{}" : absl::StrCat("{ ", inner, " }");
  }

  // Returns element `index` of a list. For a field that is not a list it is -1.
  std::string Value(const Message& message, const FieldDescriptor* field,
                    int index) const {
    const Reflection& reflection = *message.GetReflection();
    if (IsMessage(*field)) {
      return Whole(index < 0
                       ? reflection.GetMessage(message, field)
                       : reflection.GetRepeatedMessage(message, field, index));
    }
    std::string text;
    printer_.PrintFieldValueToString(message, field, index, &text);
    return text;
  }

  absl::btree_set<std::string> Values(const Message& message,
                                      const FieldDescriptor* field) const {
    absl::btree_set<std::string> values;
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) values.insert(Value(message, field, i));
    return values;
  }

  // Returns "" for a field that is not set.
  std::string Field(const Message& message,
                    const FieldDescriptor* field) const {
    if (field->is_repeated()) {
      const auto values = Values(message, field);
      return values.empty()
                 ? ""
                 : absl::StrCat("[", absl::StrJoin(values, ", "), "]");
    }
    return message.GetReflection()->HasField(message, field)
               ? Value(message, field, -1)
               : "";
  }

 private:
  TextFormat::Printer printer_;
};

class Differ {
 public:
  PolicyDiff Run(const v1::PolicySet& before, const v1::PolicySet& after) {
    Methods(before, after);
    Channels(before, after);
    return std::move(diff_);
  }

 private:
  void Add(absl::string_view path, absl::string_view before,
           absl::string_view after) {
    if (diff_.differences.size() == kMaxDifferences) {
      ++diff_.left_out;
      return;
    }
    diff_.differences.push_back(
        {std::string(path), Printable(before), Printable(after)});
  }

  // Compares two messages of one type that stand for the same thing.
  void Fields(const std::string& path, const Message& before,
              const Message& after) {
    const auto* descriptor = before.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      Field(absl::StrCat(path, ".", field->name()), field, before, after);
    }
  }

  void Field(const std::string& path, const FieldDescriptor* field,
             const Message& before, const Message& after) {
    if (IsMessage(*field) && field->is_repeated()) {
      const auto old_ones = write_.Values(before, field);
      const auto new_ones = write_.Values(after, field);
      for (const std::string& value : old_ones) {
        if (!new_ones.contains(value)) Add(path, value, "");
      }
      for (const std::string& value : new_ones) {
        if (!old_ones.contains(value)) Add(path, "", value);
      }
      return;
    }
    if (IsMessage(*field) && before.GetReflection()->HasField(before, field) &&
        after.GetReflection()->HasField(after, field)) {
      return Fields(path, before.GetReflection()->GetMessage(before, field),
                    after.GetReflection()->GetMessage(after, field));
    }
    const std::string old_text = write_.Field(before, field);
    const std::string new_text = write_.Field(after, field);
    if (old_text != new_text) Add(path, old_text, new_text);
  }

  static std::string NameOf(const v1::MethodPolicy::Name& name) {
    std::string out = name.service();
    if (!name.method().empty()) {
      out = absl::StrCat("/", out, "/", name.method());
    }
    if (!name.channel().empty()) absl::StrAppend(&out, "@", name.channel());
    return out.empty() ? "*" : out;
  }

  static std::string PathOf(const v1::MethodPolicy& entry) {
    return absl::StrCat("method[",
                        !entry.id().empty()      ? entry.id()
                        : entry.name_size() != 0 ? NameOf(entry.name(0))
                                                 : "",
                        "]");
  }

  // Returns for each new entry the index of the old entry that it is, or -1.
  static std::vector<int> Match(const v1::PolicySet& before,
                                const v1::PolicySet& after) {
    absl::flat_hash_map<absl::string_view, int> by_id;
    absl::flat_hash_map<std::string, int> by_name;
    for (int i = 0; i < before.method_size(); ++i) {
      const v1::MethodPolicy& entry = before.method(i);
      if (!entry.id().empty()) by_id.emplace(entry.id(), i);
      for (const auto& name : entry.name()) by_name.emplace(NameOf(name), i);
    }
    std::vector<bool> taken(static_cast<size_t>(before.method_size()));
    std::vector<int> match(static_cast<size_t>(after.method_size()), -1);
    const auto take = [&](size_t mine, int theirs) {
      if (taken[static_cast<size_t>(theirs)]) return false;
      taken[static_cast<size_t>(theirs)] = true;
      match[mine] = theirs;
      return true;
    };
    // Ids come before names: names are only matched when all ids have been.
    for (size_t j = 0; j < match.size(); ++j) {
      const auto found = by_id.find(after.method(static_cast<int>(j)).id());
      if (found != by_id.end()) take(j, found->second);
    }
    for (size_t j = 0; j < match.size(); ++j) {
      for (const auto& name : after.method(static_cast<int>(j)).name()) {
        if (match[j] >= 0) break;
        const auto found = by_name.find(NameOf(name));
        if (found != by_name.end() && take(j, found->second)) break;
      }
    }
    return match;
  }

  void Methods(const v1::PolicySet& before, const v1::PolicySet& after) {
    const std::vector<int> match = Match(before, after);
    std::vector<bool> stays(static_cast<size_t>(before.method_size()));
    for (const int i : match) {
      if (i >= 0) stays[static_cast<size_t>(i)] = true;
    }
    for (int i = 0; i < before.method_size(); ++i) {
      if (stays[static_cast<size_t>(i)]) continue;
      Add(PathOf(before.method(i)), write_.Whole(before.method(i)), "");
    }
    for (int j = 0; j < after.method_size(); ++j) {
      const v1::MethodPolicy& entry = after.method(j);
      const int i = match[static_cast<size_t>(j)];
      if (i < 0) {
        Add(PathOf(entry), "", write_.Whole(entry));
      } else {
        Fields(PathOf(entry), before.method(i), entry);
      }
    }
  }

  void Channels(const v1::PolicySet& before, const v1::PolicySet& after) {
    absl::flat_hash_map<absl::string_view, const v1::ChannelPolicy*> old_ones;
    for (const auto& channel : before.channel()) {
      old_ones.emplace(channel.name(), &channel);
    }
    const auto path = [](const v1::ChannelPolicy& channel) {
      return absl::StrCat("channel[",
                          channel.name().empty() ? "*" : channel.name(), "]");
    };
    absl::flat_hash_map<absl::string_view, const v1::ChannelPolicy*> new_ones;
    for (const auto& channel : after.channel()) {
      new_ones.emplace(channel.name(), &channel);
    }
    for (const auto& channel : before.channel()) {
      if (new_ones.contains(channel.name())) continue;
      Add(path(channel), write_.Whole(channel), "");
    }
    for (const auto& channel : after.channel()) {
      const auto found = old_ones.find(channel.name());
      if (found == old_ones.end()) {
        Add(path(channel), "", write_.Whole(channel));
      } else {
        Fields(path(channel), *found->second, channel);
      }
    }
  }

  const Writer write_;
  PolicyDiff diff_;
};

}  // namespace

PolicyDiff DiffPolicies(const v1::PolicySet& before,
                        const v1::PolicySet& after) {
  return Differ().Run(before, after);
}

}  // namespace firebreak::engine
