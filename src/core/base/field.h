// The fields that a policy can set, as a table: the name of each field, the
// address of its value, and the allowed range.
//
//   FieldList RateLimitOptions::Fields() {
//     return {{"rate", &rate, Within(0.001, 1'000'000)},
//             {"burst", &burst, Within(0, 1'000'000)},
//             {"max_wait", &max_wait, Within(Duration::zero(), kHour)}};
//   }
//
// The table is the one description of a field. The code that reads, checks and
// shows a policy uses it, so a field with a row here needs no further code
// there (src/engine/policy/policy_fields.h). The unit of a field is its type,
// and its default is the value of the member. Tests compare the tables with
// policy.proto, and docs/policy.md with both.
//
// A name is that of the field in the proto message of the part; a dot leads
// into a nested message: "window.calls". The pointers point into the struct
// that made the table, which must outlive it. A bound may be the value of
// another field.
//
// Thread safety: values and pure functions.
#ifndef FIREBREAK_SRC_CORE_BASE_FIELD_H_
#define FIREBREAK_SRC_CORE_BASE_FIELD_H_

#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// One field with a wrong value. `field` is a dotted path
// ("breaker.failure_rate"); `problem` names the value and the allowed range.
struct FieldError {
  std::string field;
  std::string problem;
};
using FieldErrors = std::vector<FieldError>;

// The longest time that a field allows.
inline constexpr Duration kHour = std::chrono::hours(1);

struct NumberRange {
  double low = 0;
  double high = 0;
  bool has_low = true;  // false: the value must be over `low`
  bool has_high = true;
  bool or_zero = false;  // 0 is allowed as well; mostly it means "off"
};
struct TimeRange {
  Duration low = Duration::zero();
  Duration high = kHour;
  bool or_zero = false;
};

// [low, high], (low, high], (low, high).
constexpr NumberRange Within(double low, double high) { return {low, high}; }
constexpr NumberRange Over(double low, double high) {
  return {low, high, /*has_low=*/false};
}
constexpr NumberRange Between(double low, double high) {
  return {low, high, /*has_low=*/false, /*has_high=*/false};
}
constexpr NumberRange OrZero(NumberRange range) {
  range.or_zero = true;
  return range;
}
constexpr TimeRange Within(Duration low, Duration high) { return {low, high}; }
constexpr TimeRange OrZero(TimeRange range) {
  range.or_zero = true;
  return range;
}

// The longest name, in bytes. Names are printable ASCII without spaces.
struct NameRange {
  int most = 0;
};
constexpr NameRange AtMost(int bytes) { return {bytes}; }

// How many status codes a field needs. OK is never allowed.
enum class Codes { kAtLeastOne, kAnyNumber };

// An enum whose values equal those of the enum in the proto.
struct EnumRef {
  void* value;
  int (*get)(const void*);
  void (*set)(void*, int);
};

struct Field {
  Field(const char* field_name, int* at, NumberRange allowed)
      : name(field_name), value(at), range(allowed) {}
  Field(const char* field_name, double* at, NumberRange allowed)
      : name(field_name), value(at), range(allowed) {}
  Field(const char* field_name, Duration* at, TimeRange allowed)
      : name(field_name), value(at), time_range(allowed) {}
  Field(const char* field_name, CodeSet* at, Codes allowed)
      : name(field_name), value(at), codes(allowed) {}
  Field(const char* field_name, bool* at) : name(field_name), value(at) {}
  // Fields that may be absent. An absent field passes every range, and is not
  // shown.
  Field(const char* field_name, absl::optional<double>* at, NumberRange allowed)
      : name(field_name), value(at), range(allowed) {}
  Field(const char* field_name, absl::optional<Duration>* at, TimeRange allowed)
      : name(field_name), value(at), time_range(allowed) {}
  Field(const char* field_name, absl::optional<bool>* at)
      : name(field_name), value(at) {}
  Field(const char* field_name, absl::optional<std::string>* at,
        NameRange allowed)
      : name(field_name), value(at), name_range(allowed) {}
  template <class E, class = std::enable_if_t<std::is_enum_v<E>>>
  Field(const char* field_name, E* at)
      : name(field_name),
        value(EnumRef{at,
                      [](const void* e) { return static_cast<int>(*Of<E>(e)); },
                      [](void* e, int n) { *Of<E>(e) = static_cast<E>(n); }}) {}

  const char* name;
  std::variant<int*, double*, Duration*, CodeSet*, bool*, absl::optional<bool>*,
               absl::optional<double>*, absl::optional<Duration>*,
               absl::optional<std::string>*, EnumRef>
      value;
  // The ranges, of which the one for the type of `value` applies.
  NumberRange range;
  TimeRange time_range;
  NameRange name_range;
  Codes codes = Codes::kAnyNumber;

 private:
  template <class E>
  static E* Of(void* e) {
    return static_cast<E*>(e);
  }
  template <class E>
  static const E* Of(const void* e) {
    return static_cast<const E*>(e);
  }
};
using FieldList = std::vector<Field>;

// Returns "part.field", or the field alone if `path` is empty.
std::string JoinPath(absl::string_view path, absl::string_view field);

// Adds an error for each value that is out of its range. `path` is the name of
// the part ("breaker").
void CheckFields(const FieldList& fields, const std::string& path,
                 FieldErrors* errors);

// CheckFields() for options that are constant.
template <class Options>
void CheckFieldsOf(Options options, const std::string& path,
                   FieldErrors* errors) {
  CheckFields(options.Fields(), path, errors);
}

// Whether every field has the same value in both.
bool SameValues(const FieldList& a, const FieldList& b);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_FIELD_H_
