#include "src/engine/policy/service_config.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "src/engine/policy/a6_policies.h"
#include "src/engine/policy/json_fields.h"
#include "src/engine/policy/policy_compile.h"
#include "src/engine/policy/policy_json.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using Kind = JsonFields::Kind;
using Need = JsonFields::Need;

constexpr char kObject[] = "an object";
constexpr char kList[] = "a list";

// Returns the path in the JSON of one of our fields.
std::string JsonPath(absl::string_view path) {
  return absl::StrReplaceAll(
      path,
      {{"method[", "methodConfig["},
       {"channel[0].throttling", "retryThrottling"},
       {".max_tokens", ".maxTokens"},
       {".token_ratio", ".tokenRatio"},
       {".retry.max_attempts", ".retryPolicy.maxAttempts"},
       {".retry.backoff.initial", ".retryPolicy.initialBackoff"},
       {".retry.backoff.max", ".retryPolicy.maxBackoff"},
       {".retry.backoff.multiplier", ".retryPolicy.backoffMultiplier"},
       {".retry.codes", ".retryPolicy.retryableStatusCodes"},
       {".hedging.max_attempts", ".hedgingPolicy.maxAttempts"},
       {".hedging.delay", ".hedgingPolicy.hedgingDelay"},
       {".hedging.non_fatal_codes", ".hedgingPolicy.nonFatalStatusCodes"}});
}

class ConfigReader {
 public:
  ConfigReader(bool clamp_attempts, PolicyErrors* errors)
      : clamp_attempts_(clamp_attempts), errors_(errors), report_(errors) {}

  v1::PolicySet Read(const Struct& config);

 private:
  void ReadMethod(const JsonFields& in, v1::MethodPolicy* out);
  // Returns false if there is an error.
  bool ReadName(const JsonFields& in, const std::string& path,
                v1::MethodPolicy::Name* out);
  // Reports the errors of our own language.
  void Compile(const v1::PolicySet& set);

  const bool clamp_attempts_;
  PolicyErrors* const errors_;
  JsonReport report_;
  // Where each name stood first, for the error about a second one.
  absl::flat_hash_map<std::pair<std::string, std::string>, std::string> names_;
};

v1::PolicySet ConfigReader::Read(const Struct& config) {
  v1::PolicySet set;
  const JsonFields in(config, "", &report_);
  in.CheckKeys(kServiceConfigKeys);
  if (const Value* list = in.Get("methodConfig", Kind::kListValue, kList)) {
    for (const Value& value : list->list_value().values()) {
      const std::string path =
          absl::StrCat("methodConfig[", set.method_size(), "]");
      // Also added for a value that is not an object, so that the indexes stay
      // the same.
      v1::MethodPolicy* method = set.add_method();
      method->set_id(path);
      if (value.has_struct_value()) {
        ReadMethod(JsonFields(value.struct_value(), path, &report_), method);
      } else {
        report_.Add(path,
                    absl::StrCat("is ", Show(value), "; allowed: ", kObject));
      }
    }
  }
  // A channel entry is added even if it is empty: a service config may not be
  // about calls at all, and a policy needs an entry.
  v1::ChannelPolicy* channel = set.add_channel();
  if (const Value* value =
          in.Get("retryThrottling", Kind::kStructValue, kObject)) {
    ReadRetryThrottling(
        JsonFields(value->struct_value(), "retryThrottling", &report_),
        channel->mutable_throttling());
  }
  Compile(set);
  return set;
}

void ConfigReader::ReadMethod(const JsonFields& in, v1::MethodPolicy* out) {
  in.CheckKeys({"name", "timeout", "waitForReady", "retryPolicy",
                "hedgingPolicy", "maxRequestMessageBytes",
                "maxResponseMessageBytes"});
  if (const Value* list = in.Get("name", Kind::kListValue, kList)) {
    for (const Value& value : list->list_value().values()) {
      const std::string path =
          absl::StrCat(in.At("name"), "[", out->name_size(), "]");
      v1::MethodPolicy::Name* name = out->add_name();
      if (!value.has_struct_value()) {
        report_.Add(path,
                    absl::StrCat("is ", Show(value), "; allowed: ", kObject));
      } else if (ReadName(JsonFields(value.struct_value(), path, &report_),
                          path, name)) {
        continue;
      }
      // A stand-in that is different from all other names.
      name->set_service(path);
      name->clear_method();
    }
  }
  if (auto timeout = in.Duration("timeout", Need::kOptional)) {
    out->set_timeout(*std::move(timeout));
  }
  if (const Value* wait =
          in.Get("waitForReady", Kind::kBoolValue, "true or false")) {
    out->set_wait_for_ready(wait->bool_value());
  }
  const Value* retry = in.Get("retryPolicy", Kind::kStructValue, kObject);
  if (retry != nullptr) {
    ReadRetryPolicy(
        JsonFields(retry->struct_value(), in.At("retryPolicy"), &report_),
        clamp_attempts_, out->mutable_retry());
  }
  const Value* hedging = in.Get("hedgingPolicy", Kind::kStructValue, kObject);
  if (hedging == nullptr) return;
  ReadHedgingPolicy(
      JsonFields(hedging->struct_value(), in.At("hedgingPolicy"), &report_),
      clamp_attempts_, out->mutable_hedging());
  if (retry != nullptr) {
    report_.Add(in.At("hedgingPolicy"),
                "is beside a retryPolicy; allowed: one of the two");
    // Otherwise our own language would compare the two.
    out->clear_hedging();
  }
}

bool ConfigReader::ReadName(const JsonFields& in, const std::string& path,
                            v1::MethodPolicy::Name* out) {
  in.CheckKeys({"service", "method"});
  constexpr char kString[] = "a string";
  const Value* service = in.Get("service", Kind::kStringValue, kString);
  const Value* method = in.Get("method", Kind::kStringValue, kString);
  if (report_.Has(in.At("service")) || report_.Has(in.At("method"))) {
    return false;
  }
  if (service != nullptr) out->set_service(service->string_value());
  if (method != nullptr) out->set_method(method->string_value());
  const auto [first, is_new] =
      names_.try_emplace({out->service(), out->method()}, path);
  if (is_new) return true;
  report_.Add(path, absl::StrCat("is the same as ", first->second,
                                 "; allowed: each name once"));
  return false;
}

void ConfigReader::Compile(const v1::PolicySet& set) {
  PolicyErrors ours("");
  PolicyCompiler(set, /*tree=*/nullptr, &ours).Run().IgnoreError();
  for (const PolicyErrors::Error& error : ours.all()) {
    const std::string path = JsonPath(error.path);
    // A field that has an error has a stand-in, or no value, in the set.
    if (!report_.Has(path)) errors_->Add(PolicyPlace(), path, error.problem);
  }
}

}  // namespace

absl::StatusOr<v1::PolicySet> FromServiceConfig(absl::string_view json,
                                                bool clamp_attempts) {
  PolicyErrors errors("service config");
  Struct config;
  if (!ReadJsonObject(json, &config, &errors)) return errors.ToStatus();
  v1::PolicySet set = ReadServiceConfig(config, clamp_attempts, &errors);
  if (!errors.empty()) return errors.ToStatus();
  return set;
}

v1::PolicySet ReadServiceConfig(const Struct& config, bool clamp_attempts,
                                PolicyErrors* errors) {
  return ConfigReader(clamp_attempts, errors).Read(config);
}

bool HasRetryPolicy(absl::string_view json) {
  PolicyErrors errors("");
  Struct config;
  if (!ReadJsonObject(json, &config, &errors)) return false;
  const auto methods = config.fields().find("methodConfig");
  if (methods == config.fields().end()) return false;
  const auto& list = methods->second.list_value().values();
  return std::any_of(list.begin(), list.end(), [](const Value& entry) {
    return entry.struct_value().fields().contains("retryPolicy");
  });
}

}  // namespace firebreak::engine
