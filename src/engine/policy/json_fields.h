// One JSON object, read field by field; what is not as it should be is
// reported.
//
//   JsonReport report(&errors);
//   JsonFields fields(config, "methodConfig[0]", &report);
//   fields.CheckKeys({"name", "timeout"});
//   if (const Value* wait = fields.Get("waitForReady", Value::kBoolValue,
//                                      "true or false")) ...
//
// null is as if the field were not there, as in Protobuf's JSON. Errors have
// the field's path, its value and what is allowed; a field with an error is as
// one that is not there. Part of service_config.h. Not thread-safe; keeps
// references to what it is given.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_JSON_FIELDS_H_
#define FIREBREAK_SRC_ENGINE_POLICY_JSON_FIELDS_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "google/protobuf/struct.pb.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

// Remembers for which fields something has been said.
class JsonReport {
 public:
  explicit JsonReport(PolicyErrors* errors) : errors_(errors) {}
  void Add(absl::string_view path, absl::string_view problem);
  bool Has(absl::string_view path) const { return paths_.contains(path); }

 private:
  PolicyErrors* const errors_;
  absl::flat_hash_set<std::string> paths_;
};

// A value for an error message, as "is 3" needs it: 3, "x", true, a list.
std::string Show(const google::protobuf::Value& value);

class JsonFields {
 public:
  using Value = google::protobuf::Value;
  using Kind = Value::KindCase;
  enum class Need { kOptional, kRequired };

  // `path` may be empty, for the object that is all.
  JsonFields(const google::protobuf::Struct& object, std::string path,
             JsonReport* report);

  // Reports every other key.
  void CheckKeys(absl::Span<const absl::string_view> allowed) const;

  // Null when it is not there or not of `kind`, which is an error; so is not to
  // be there when required. `allowed` ends the error: "is 3; allowed: ...".
  const Value* Get(absl::string_view key, Kind kind, absl::string_view allowed,
                   Need need = Need::kOptional) const;
  // A number, or a string that is one, as Protobuf's JSON has it. Never NaN
  // or infinite.
  absl::optional<double> Number(absl::string_view key,
                                absl::string_view allowed, Need need) const;
  // A duration of Protobuf's JSON, "1.5s", not negative.
  absl::optional<std::string> Duration(absl::string_view key, Need need) const;

  // The path of a field.
  std::string At(absl::string_view key) const;
  // "is VALUE; allowed: ALLOWED", or "is missing; ...".
  void Refuse(absl::string_view key, absl::string_view allowed) const;
  JsonReport* report() const { return report_; }

 private:
  const Value* Find(absl::string_view key) const;

  const google::protobuf::Struct& object_;
  const std::string path_;
  JsonReport* const report_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_JSON_FIELDS_H_
