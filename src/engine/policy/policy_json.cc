#include "src/engine/policy/policy_json.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/util/json_util.h"
#include "src/engine/policy/parse_help.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_compile.h"
#include "src/engine/policy/policy_scan.h"
#include "src/engine/policy/service_config.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Message;
using google::protobuf::Struct;
using google::protobuf::Value;

// Returns the message of Protobuf's parser, without the excerpt that it prints
// below. If the text is one line of a million characters, that does not help.
std::string Complaint(absl::string_view message) {
  const absl::string_view first =
      absl::StripAsciiWhitespace(message.substr(0, message.find('\n')));
  const size_t from = message.find('\n');
  const size_t until = message.rfind('\n');
  absl::string_view place;
  if (from < until) place = message.substr(from + 1, until - from - 1);
  std::string help = ParseHelp(message).ForJson(first);
  if (!help.empty()) {
    return absl::StrCat(Printable(absl::StripSuffix(first, ".")), help, ".");
  }
  return absl::StrCat(Printable(first), place.empty() ? "" : " At ",
                      place.empty() ? "" : Quote(place));
}

bool Read(absl::string_view text, absl::string_view allowed, Message* message,
          PolicyErrors* errors) {
  const auto status =
      google::protobuf::util::JsonStringToMessage(std::string(text), message);
  if (status.ok()) return true;
  const std::string said(status.message().data(), status.message().size());
  errors->Add(PolicyPlace(), "",
              absl::StrCat("cannot be read as JSON: ", Complaint(said),
                           " Allowed: ", allowed));
  return false;
}

void FindEmptyLists(const Struct& object, const std::string& prefix,
                    PolicyErrors* errors);

void FindEmptyLists(const Value& value, const std::string& path,
                    PolicyErrors* errors) {
  if (value.has_struct_value()) {
    FindEmptyLists(value.struct_value(), path + ".", errors);
  }
  if (!value.has_list_value()) return;
  const auto& list = value.list_value().values();
  if (list.empty()) {
    errors->Add(PolicyPlace(), path,
                "is an empty list, which says nothing; allowed: at least one "
                "value, or leave the field out");
  }
  for (int i = 0; i < list.size(); ++i) {
    FindEmptyLists(list[i], absl::StrCat(path, "[", i, "]"), errors);
  }
}

// Reports empty lists, which leave no trace in a message and would mean the
// default there. Recurses no deeper than CheckNesting() allows.
void FindEmptyLists(const Struct& object, const std::string& prefix,
                    PolicyErrors* errors) {
  // Messages should not depend on the order of a hash map.
  const std::map<std::string, Value> sorted(object.fields().begin(),
                                            object.fields().end());
  for (const auto& [key, value] : sorted) {
    FindEmptyLists(value, prefix + key, errors);
  }
}

bool HasOneOf(const Struct& object, absl::Span<const absl::string_view> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](absl::string_view key) {
    return object.fields().contains(std::string(key));
  });
}

std::string KeysOf(const Struct& object) {
  std::vector<std::string> keys;
  for (const auto& field : object.fields()) keys.push_back(Quote(field.first));
  std::sort(keys.begin(), keys.end());
  constexpr size_t kShown = 5;
  if (keys.size() > kShown) {
    keys.resize(kShown);
    keys.emplace_back("...");
  }
  return keys.empty() ? "no key"
                      : absl::StrCat("keys ", absl::StrJoin(keys, ", "));
}

constexpr absl::string_view kPolicyKeys[] = {"method", "channel"};
constexpr char kWhatIsAllowed[] =
    "those of a firebreak.v1.PolicySet (method, channel), or those of a gRPC "
    "service config (methodConfig, retryThrottling)";

}  // namespace

bool IsJson(absl::string_view text) {
  return absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{");
}

bool ReadJsonObject(absl::string_view text, Struct* object,
                    PolicyErrors* errors) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // as some editors write it
  if (!IsJson(text)) {  // some versions of Protobuf take `null` for an object
    errors->Add(PolicyPlace(), "",
                "cannot be read as JSON: it does not begin with {. "
                "Allowed: one JSON object");
    return false;
  }
  return CheckLength(text.size(), kMaxPolicySize, errors) &&
         CheckNesting(text, errors) &&
         Read(text, "one JSON object", object, errors);
}

absl::StatusOr<PolicyTable> ParsePolicyJson(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts) {
  PolicyErrors errors(origin);
  Struct object;
  if (!ReadJsonObject(text, &object, &errors)) return errors.ToStatus();
  const bool is_policy = HasOneOf(object, kPolicyKeys);
  v1::PolicySet set;
  if (is_policy == HasOneOf(object, kServiceConfigKeys)) {
    errors.Add(PolicyPlace(), "",
               absl::StrCat("is a JSON object with ", KeysOf(object),
                            "; allowed: ", kWhatIsAllowed));
    return errors.ToStatus();
  }
  if (!is_policy) {
    set = ReadServiceConfig(object, clamp_attempts, &errors);
    if (!errors.empty()) return errors.ToStatus();
    return PolicyCompiler(set, /*tree=*/nullptr, &errors).Run();
  }
  if (!Read(text, "the fields of firebreak.v1.PolicySet", &set, &errors)) {
    return errors.ToStatus();
  }
  // Done after that, since every key is now one of ours.
  FindEmptyLists(object, "", &errors);
  return PolicyCompiler(set, /*tree=*/nullptr, &errors).Run();
}

}  // namespace firebreak::engine
