#include "src/core/base/field.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/core/base/duration.h"
#include "src/core/base/printable.h"

namespace firebreak::core {
namespace {

// Says what is wrong with the value of a field; "" for nothing.
class Judge {
 public:
  explicit Judge(const Field& field) : field_(field) {}

  std::string operator()(const int* value) const { return Number(*value); }
  std::string operator()(const double* value) const { return Number(*value); }
  std::string operator()(const Duration* value) const {
    const TimeRange& range = field_.time_range;
    if (range.or_zero && *value == Duration::zero()) return "";
    if (*value >= range.low && *value <= range.high) return "";
    return absl::StrCat("is ", FormatDuration(*value), "; allowed [",
                        FormatDuration(range.low), ", ",
                        FormatDuration(range.high), "]");
  }
  std::string operator()(const CodeSet* value) const {
    if (value->Contains(absl::StatusCode::kOk)) {
      return "contains OK; allowed: codes other than OK";
    }
    return value->empty() && field_.codes == Codes::kAtLeastOne
               ? "is empty; allowed: at least one code"
               : "";
  }
  std::string operator()(const std::string* value) const {
    const auto most = static_cast<size_t>(field_.name_range.most);
    if (value->size() > most) {
      return absl::StrCat("has ", value->size(), " bytes; allowed [0, ", most,
                          "]");
    }
    const bool is_name = std::all_of(value->begin(), value->end(), [](char c) {
      return c > ' ' && c <= '~';
    });
    return is_name ? ""
                   : absl::StrCat("is \"", Printable(*value),
                                  "\"; allowed: printable ASCII, no spaces");
  }
  template <class T>
  std::string operator()(const absl::optional<T>* value) const {
    return *value ? (*this)(&**value) : "";
  }
  std::string operator()(const bool* /*value*/) const { return ""; }
  std::string operator()(EnumRef /*value*/) const { return ""; }

 private:
  std::string Number(double value) const {
    const NumberRange& range = field_.range;
    if (range.or_zero && value == 0) return "";
    const bool is_over = range.has_low ? value >= range.low : value > range.low;
    const bool is_under =
        range.has_high ? value <= range.high : value < range.high;
    if (std::isfinite(value) && is_over && is_under) return "";
    return absl::StrFormat("is %.15g; allowed %s%.15g, %.15g%s", value,
                           range.has_low ? "[" : "(", range.low, range.high,
                           range.has_high ? "]" : ")");
  }

  const Field& field_;
};

}  // namespace

std::string JoinPath(absl::string_view path, absl::string_view field) {
  return absl::StrCat(path, path.empty() ? "" : ".", field);
}

void CheckFields(const FieldList& fields, const std::string& path,
                 FieldErrors* errors) {
  for (const Field& field : fields) {
    std::string problem = std::visit(Judge(field), field.value);
    if (problem.empty()) continue;
    errors->push_back({JoinPath(path, field.name), std::move(problem)});
  }
}

bool SameValues(const FieldList& a, const FieldList& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const Field& x, const Field& y) {
        return absl::string_view(x.name) == y.name &&
               std::visit(
                   [&](auto value) {
                     using Value = decltype(value);
                     const auto* other = std::get_if<Value>(&y.value);
                     if (other == nullptr) return false;
                     if constexpr (std::is_same_v<Value, EnumRef>) {
                       return value.get(value.value) ==
                              other->get(other->value);
                     } else {
                       return *value == **other;
                     }
                   },
                   x.value);
      });
}

}  // namespace firebreak::core
