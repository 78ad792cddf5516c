// Reads a JSON object field by field, and reports what is wrong in it.
//
//   JsonReport report(&errors);
//   JsonFields fields(config, "methodConfig[0]", &report);
//   fields.CheckKeys({"name", "timeout"});
//   if (const Value* wait = fields.Get("waitForReady", Value::kBoolValue,
//                                      "true or false")) ...
//
// A field that is null counts as missing, as in Protobuf's JSON. An error has
// the field's path, its value and what is allowed; the field then counts as
// missing. Part of service_config.h. Not thread-safe. Keeps references to what
// it is given.
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

// Remembers which fields have an error.
class JsonReport {
 public:
  explicit JsonReport(PolicyErrors* errors) : errors_(errors) {}
  void Add(absl::string_view path, absl::string_view problem);
  bool Has(absl::string_view path) const { return paths_.contains(path); }

 private:
  PolicyErrors* const errors_;
  absl::flat_hash_set<std::string> paths_;
};

// Returns a value as an error message shows it after "is": 3, "x", true, a
// list.
std::string Show(const google::protobuf::Value& value);

class JsonFields {
 public:
  using Value = google::protobuf::Value;
  using Kind = Value::KindCase;
  enum class Need { kOptional, kRequired };

  // `path` is empty for the outermost object.
  JsonFields(const google::protobuf::Struct& object, std::string path,
             JsonReport* report);

  // Reports every key that is not in `allowed`.
  void CheckKeys(absl::Span<const absl::string_view> allowed) const;

  // Returns null if the field is missing or is not of `kind`. The latter is an
  // error, and so is a required field that is missing. `allowed` is the end of
  // the error: "is 3; allowed: ...".
  const Value* Get(absl::string_view key, Kind kind, absl::string_view allowed,
                   Need need = Need::kOptional) const;
  // Returns a number, which may be in a string, as in Protobuf's JSON. It is
  // never NaN or infinite.
  absl::optional<double> Number(absl::string_view key,
                                absl::string_view allowed, Need need) const;
  // Returns a duration of Protobuf's JSON, "1.5s", which is not negative.
  absl::optional<std::string> Duration(absl::string_view key, Need need) const;

  // Returns the path of a field.
  std::string At(absl::string_view key) const;
  // Reports "is VALUE; allowed: ALLOWED", or "is missing; ...".
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
