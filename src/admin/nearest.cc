#include "src/admin/nearest.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace firebreak::admin {
namespace {

// Bounds the work that a wrong name can cause.
constexpr size_t kLongestCompared = 200;

int PathDistance(absl::string_view wanted, absl::string_view candidate) {
  candidate = absl::StripPrefix(candidate, "/");
  int best = EditDistance(wanted, candidate);
  const size_t slash = candidate.rfind('/');
  if (slash == absl::string_view::npos) return best;
  best = std::min(best, EditDistance(wanted, candidate.substr(slash + 1)));
  const size_t dot = candidate.rfind('.', slash);
  if (dot == absl::string_view::npos) return best;
  return std::min(best, EditDistance(wanted, candidate.substr(dot + 1)));
}

}  // namespace

int EditDistance(absl::string_view a, absl::string_view b) {
  // Levenshtein, one row at a time: row[j] is the distance of a[0, i) and
  // b[0, j).
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int change =
          absl::ascii_tolower(static_cast<unsigned char>(a[i])) ==
                  absl::ascii_tolower(static_cast<unsigned char>(b[j]))
              ? 0
              : 1;
      const int best =
          std::min({row[j + 1] + 1, row[j] + 1, diagonal + change});
      diagonal = row[j + 1];
      row[j + 1] = best;
    }
  }
  return row.back();
}

std::string Nearest(absl::string_view wanted,
                    const std::vector<std::string>& candidates) {
  wanted = absl::StripPrefix(wanted, "/");
  if (wanted.size() > kLongestCompared) return "";
  const std::string* nearest = nullptr;
  int least = std::numeric_limits<int>::max();
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestCompared) continue;
    const int distance = PathDistance(wanted, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = &candidate;
  }
  return nearest == nullptr ? "" : *nearest;
}

std::string Quote(absl::string_view name) {
  const bool cut = name.size() > kLongestCompared;
  return absl::StrCat("\"",
                      absl::Utf8SafeCEscape(name.substr(0, kLongestCompared)),
                      cut ? "..." : "", "\"");
}

}  // namespace firebreak::admin
