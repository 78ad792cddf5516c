#include "src/sim/distribution_text.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/core/base/duration.h"

namespace firebreak::sim {
namespace {

using Words = std::vector<absl::string_view>;

constexpr Duration kLongestTime = std::chrono::hours(1);
constexpr size_t kMostParts = 20;
constexpr size_t kMostQuantiles = 20;
// How far a tail continues past the last quantile.
constexpr double kTailFactor = 10;

absl::Status NotUnderstood(absl::string_view word, absl::string_view expected) {
  constexpr size_t kMostShown = 40;
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::CHexEscape(word.substr(0, kMostShown)),
                   "' is not understood; expected ", expected));
}

bool ParseTime(absl::string_view text, Duration* value) {
  const absl::StatusOr<Duration> duration = core::ParseDuration(text);
  if (!duration.ok() || *duration <= Duration::zero() ||
      *duration > kLongestTime) {
    return false;
  }
  *value = *duration;
  return true;
}

// SimpleAtod would also accept "nan", "inf" and signs.
bool ParsePlain(absl::string_view text, double* value) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '.') {
      return false;
    }
  }
  return absl::SimpleAtod(text, value);
}

constexpr absl::string_view kTimes = "a duration in (0, 1h], as 20ms";

absl::StatusOr<Distribution> Quantiles(const Words& words) {
  std::vector<Distribution::Point> points = {{Duration::zero(), 1}};
  for (const absl::string_view word : words) {
    const Words sides = absl::StrSplit(word, '=');
    absl::string_view which = absl::StripAsciiWhitespace(sides[0]);
    double percent = 0;
    Duration time{};
    if (sides.size() != 2 || !absl::ConsumePrefix(&which, "p") ||
        !ParsePlain(which, &percent) || !(percent > 0) || !(percent < 100) ||
        !ParseTime(absl::StripAsciiWhitespace(sides[1]), &time)) {
      return NotUnderstood(word, "a quantile, as p99=180ms");
    }
    const double share = 1 - percent / 100;
    if (share >= points.back().share || time <= points.back().longer_than) {
      return NotUnderstood(word,
                           "quantiles that rise, each with a longer time");
    }
    points.push_back({time, share});
  }
  if (points.size() < 3 || points.size() > kMostQuantiles + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("quantiles: has ", points.size() - 1, "; allowed 2 to ",
                     kMostQuantiles));
  }
  // The lines continue with the slope of the nearest two points, within limits.
  const auto slope = [&points](size_t a, size_t b) {
    return std::log(core::ToSeconds(points[b].longer_than) /
                    core::ToSeconds(points[a].longer_than)) /
           std::log(points[a].share / points[b].share);
  };
  const double down = std::log(1 / points[1].share) * slope(1, 2);
  points[0].longer_than = std::max(
      Duration(1), core::Scale(points[1].longer_than, std::exp(-down)));
  const size_t last = points.size() - 1;
  const double up = slope(last - 1, last);
  const Duration longest = core::Scale(points[last].longer_than, kTailFactor);
  const double beyond =
      points[last].share * std::pow(kTailFactor, -1 / std::max(up, 1e-3));
  points.push_back({longest, std::max(beyond, 1e-12)});
  return Distribution::Tail(std::move(points));
}

absl::StatusOr<Distribution> Simple(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  Duration first{};
  if (ParseTime(text, &first)) return Distribution::Constant(first);
  absl::string_view inner = text;
  const size_t open = text.find('(');
  if (open == absl::string_view::npos || !absl::ConsumeSuffix(&inner, ")")) {
    return NotUnderstood(text,
                         "a duration, exponential(), lognormal(), pareto() or "
                         "quantiles()");
  }
  const absl::string_view name =
      absl::StripAsciiWhitespace(text.substr(0, open));
  Words words;
  for (const absl::string_view word :
       absl::StrSplit(inner.substr(open + 1), ',')) {
    words.push_back(absl::StripAsciiWhitespace(word));
  }
  if (name == "quantiles") return Quantiles(words);
  const bool is_known =
      name == "exponential" || name == "lognormal" || name == "pareto";
  if (!is_known) {
    return NotUnderstood(name, "exponential, lognormal, pareto or quantiles");
  }
  if (!ParseTime(words[0], &first)) return NotUnderstood(words[0], kTimes);
  const size_t takes = name == "exponential" ? 1 : 2;
  if (words.size() != takes) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": has ", words.size(), " values; expected ", takes));
  }
  if (name == "exponential") return Distribution::Exponential(first);
  if (name == "lognormal") {
    Duration deviation{};
    if (!ParseTime(words[1], &deviation)) {
      return NotUnderstood(words[1], kTimes);
    }
    return Distribution::LogNormal(first, deviation);
  }
  double shape = 0;
  if (!ParsePlain(words[1], &shape) || !(shape > 0) || shape > 100) {
    return NotUnderstood(words[1], "a shape in (0, 100], as 1.5");
  }
  const double far = core::ToSeconds(kLongestTime) / core::ToSeconds(first);
  return Distribution::Tail(
      {{first, 1}, {kLongestTime, std::max(std::pow(far, -shape), 1e-300)}});
}

}  // namespace

absl::StatusOr<Distribution> ParseDistribution(absl::string_view text) {
  std::vector<Distribution::Part> parts;
  double all = 0;
  const Words words = absl::StrSplit(text, '+');
  if (words.size() > kMostParts) {
    return absl::InvalidArgumentError(
        absl::StrCat("a mixture of over ", kMostParts, " parts"));
  }
  for (absl::string_view word : words) {
    word = absl::StripAsciiWhitespace(word);
    double share = 100;
    const size_t percent = word.find('%');
    if (words.size() > 1 || percent != absl::string_view::npos) {
      if (percent == absl::string_view::npos ||
          !ParsePlain(word.substr(0, percent), &share) || !(share > 0) ||
          share > 100) {
        return NotUnderstood(word, "a share and a distribution, as 95% 20ms");
      }
      word.remove_prefix(percent + 1);
    }
    absl::StatusOr<Distribution> each = Simple(word);
    if (!each.ok()) return each.status();
    parts.push_back({share, *std::move(each)});
    all += share;
  }
  if (std::abs(all - 100) > 1e-6) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the shares of a mixture add up to ", all, "%; expected 100%"));
  }
  return parts.size() == 1 ? parts[0].of
                           : Distribution::Mixture(std::move(parts));
}

}  // namespace firebreak::sim
