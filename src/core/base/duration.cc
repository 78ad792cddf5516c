#include "src/core/base/duration.h"

#include <cstdint>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firebreak::core {
namespace {

struct Unit {
  absl::string_view name;
  int64_t nanoseconds;
};
constexpr Unit kUnits[] = {
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
};

// One nanosecond is 10^-13 hours or more, so further digits can only name a
// fraction of a nanosecond.
constexpr size_t kMaxDecimals = 13;
// How much of a bad value a message shows: it may be a whole file with a
// missing quote.
constexpr size_t kMaxShown = 40;

absl::Status Bad(absl::string_view text, absl::string_view what,
                 absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxShown)),
                   text.size() > kMaxShown ? "...\" " : "\" ", what,
                   "; allowed: ", allowed));
}

// Removes the leading digits from `*rest` and returns them.
absl::string_view TakeDigits(absl::string_view* rest) {
  size_t n = 0;
  while (n < rest->size() && absl::ascii_isdigit((*rest)[n])) ++n;
  const absl::string_view digits = rest->substr(0, n);
  rest->remove_prefix(n);
  return digits;
}

const Unit* FindUnit(absl::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(absl::string_view text) {
  if (text == "0") return Duration::zero();

  absl::string_view rest = text;
  const absl::string_view whole = TakeDigits(&rest);
  absl::string_view decimals;
  bool well_formed = !whole.empty();
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    decimals = TakeDigits(&rest);
    well_formed = well_formed && !decimals.empty();
  }
  const Unit* unit = FindUnit(rest);
  if (!well_formed || unit == nullptr) {
    return Bad(text, "is not a duration",
               "a decimal number and one of ns, us, ms, s, m, h, as in "
               "\"250ms\" or \"1.5s\", or \"0\"");
  }

  constexpr absl::uint128 kLimit = kInfiniteDuration.count();
  absl::uint128 value = 0;
  for (char digit : whole) {
    value = value * 10 + static_cast<unsigned>(digit - '0');
    // Checked at every digit: with enough digits even 128 bits overflow.
    if (value * unit->nanoseconds >= kLimit) {
      return Bad(text, "is too long", "less than 292 years");
    }
  }
  value *= unit->nanoseconds;

  while (!decimals.empty() && decimals.back() == '0') decimals.remove_suffix(1);
  absl::uint128 numerator = 0;
  absl::uint128 denominator = 1;
  bool exact = decimals.size() <= kMaxDecimals;
  if (exact) {
    for (char digit : decimals) {
      numerator = numerator * 10 + static_cast<unsigned>(digit - '0');
      denominator *= 10;
    }
    numerator *= unit->nanoseconds;
    exact = numerator % denominator == 0;
  }
  if (!exact) {
    return Bad(text, "has a part of a nanosecond", "whole nanoseconds");
  }
  value += numerator / denominator;
  if (value >= kLimit) return Bad(text, "is too long", "less than 292 years");
  return Duration(static_cast<int64_t>(value));
}

std::string FormatDuration(Duration d) {
  if (d == kInfiniteDuration) return "infinite";
  const auto ns = d.count();
  if (ns % 1'000 != 0) return absl::StrCat(ns, "ns");
  if (ns % 1'000'000 != 0) return absl::StrCat(ns / 1'000, "us");
  const auto ms = ns / 1'000'000;
  if (ms == 0 || ms % 1'000 == 0) return absl::StrCat(ms / 1'000, "s");
  if (ms < 1'000) return absl::StrCat(ms, "ms");
  std::string out = absl::StrFormat("%d.%03d", ms / 1'000, ms % 1'000);
  out.erase(out.find_last_not_of('0') + 1);
  return out + "s";
}

}  // namespace firebreak::core
