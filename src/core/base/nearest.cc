#include "src/core/base/nearest.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace firebreak::core {
namespace {

constexpr size_t kLongestCompared = 80;

// The distance of the nearest suffix, at most `limit`.
int PathDistance(absl::string_view wanted, absl::string_view candidate,
                 int limit) {
  candidate = absl::StripPrefix(candidate, "/");
  const auto look_at = [&](absl::string_view end) {
    if (end.size() > kLongestCompared) return;
    limit = std::min(limit, EditDistance(wanted, end, limit));
  };
  look_at(candidate);
  const size_t slash = candidate.rfind('/');
  if (slash == absl::string_view::npos) return limit;
  look_at(candidate.substr(slash + 1));
  const size_t dot = candidate.rfind('.', slash);
  if (dot != absl::string_view::npos) look_at(candidate.substr(dot + 1));
  return limit;
}

}  // namespace

int EditDistance(absl::string_view a, absl::string_view b, int limit) {
  // Each additional letter has to be inserted.
  const size_t more =
      std::max(a.size(), b.size()) - std::min(a.size(), b.size());
  if (more >= static_cast<size_t>(limit)) return limit;
  // The Levenshtein distance, computed row by row: row[j] is the distance of
  // a[0, i) and b[0, j).
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    int least = row[0];
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
      least = std::min(least, best);
    }
    // No later row contains a smaller value.
    if (least >= limit) return limit;
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
    const int distance = PathDistance(wanted, candidate, least);
    if (distance >= least) continue;
    least = distance;
    nearest = &candidate;
  }
  return nearest == nullptr ? "" : *nearest;
}

}  // namespace firebreak::core
