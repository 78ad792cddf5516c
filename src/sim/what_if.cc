#include "src/sim/what_if.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/core/base/duration.h"

namespace firebreak::sim {
namespace {

using core::Duration;
using Kind = Incident::Kind;

constexpr double kUsualSlowness = 10;
constexpr double kMostTimes = 1000;
constexpr Duration kLatest = std::chrono::hours(24 * 7);

// A plain decimal number.
bool ParseNumber(absl::string_view text, double* number) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '.') {
      return false;
    }
  }
  return absl::SimpleAtod(text, number);
}

// "x15"
bool ParseTimes(absl::string_view word, double* times) {
  return absl::ConsumePrefix(&word, "x") && ParseNumber(word, times) &&
         *times > 0 && *times <= kMostTimes;
}

// "5%"
bool ParsePercent(absl::string_view word, double* share) {
  if (!absl::ConsumeSuffix(&word, "%") || !ParseNumber(word, share)) {
    return false;
  }
  *share /= 100;
  return *share > 0 && *share <= 1;
}

class PartParser {
 public:
  PartParser(absl::string_view part, size_t number)
      : words_(absl::StrSplit(part, absl::ByAnyChar(" \t\r\n"),
                              absl::SkipEmpty())),
        number_(number) {}

  absl::StatusOr<Incident> Parse() {
    Incident incident;
    absl::Status status = Who(&incident);
    if (status.ok()) status = What(&incident);
    if (status.ok()) status = When(&incident);
    if (!status.ok()) return status;
    return incident;
  }

 private:
  bool at_end() const { return at_ == words_.size(); }
  absl::string_view word() const { return at_end() ? "" : words_[at_]; }

  absl::Status Unexpected(absl::string_view expected) const {
    const std::string where = absl::StrCat("part ", number_);
    if (at_end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " ends too early; expected ", expected));
    }
    constexpr size_t kMost = 40;
    return absl::InvalidArgumentError(
        absl::StrCat(where, ", word ", at_ + 1, ": '",
                     absl::CHexEscape(word().substr(0, kMost)),
                     "' is not understood; ", "expected ", expected));
  }

  static bool IsWhat(absl::string_view word) {
    return word == "frozen" || word == "down" || word == "slow" ||
           word == "fails" || word == "load";
  }
  bool IsShare() const {
    double share = 0;
    return ParsePercent(word(), &share);
  }

  absl::Status Who(Incident* incident) {
    if (!IsWhat(word()) && !IsShare() && !at_end()) {
      // A name may be any word, so the word after it decides.
      const absl::string_view next =
          at_ + 1 < words_.size() ? words_[at_ + 1] : "";
      double ignored = 0;
      if (!IsWhat(next) && !ParsePercent(next, &ignored)) {
        if (at_ + 1 < words_.size()) ++at_;
        return Unexpected(
            "frozen, down, slow, fails, load, or a share of replicas as 5%");
      }
      incident->who = std::string(word());
      ++at_;
    }
    if (!IsShare()) return absl::OkStatus();
    ParsePercent(word(), &incident->share);
    ++at_;
    for (const absl::string_view expected : {"of", "replicas"}) {
      if (word() != expected) return Unexpected("\"5% of replicas\"");
      ++at_;
    }
    return absl::OkStatus();
  }

  absl::Status What(Incident* incident) {
    const absl::string_view what = word();
    if (what == "frozen") {
      incident->kind = Kind::kFrozen;
    } else if (what == "down") {
      incident->kind = Kind::kDown;
    } else if (what == "slow") {
      incident->kind = Kind::kSlow;
    } else if (what == "fails") {
      incident->kind = Kind::kFails;
    } else if (what == "load" && incident->who.empty() &&
               incident->share == 1) {
      incident->kind = Kind::kLoad;
    } else {
      return Unexpected(what == "load"
                            ? "\"load xN\" by itself: callers have no servers"
                            : "frozen, down, slow, fails or load");
    }
    ++at_;
    if (incident->kind == Kind::kSlow) incident->factor = kUsualSlowness;
    const bool is_said = !at_end() && word() != "for" && word() != "at";
    if (incident->kind == Kind::kLoad ||
        (incident->kind == Kind::kSlow && is_said)) {
      if (!ParseTimes(word(), &incident->factor)) {
        return Unexpected("a factor in (0, 1000], as x15");
      }
      ++at_;
    } else if (incident->kind == Kind::kFails && is_said) {
      if (!ParsePercent(word(), &incident->failing)) {
        return Unexpected("a share in (0%, 100%]");
      }
      ++at_;
    }
    return absl::OkStatus();
  }

  absl::Status When(Incident* incident) {
    bool has_for = false;
    bool has_at = false;
    while (!at_end()) {
      const bool is_for = word() == "for" && !has_for;
      if (!is_for && (word() != "at" || has_at)) {
        return Unexpected(has_for && has_at ? "no more"
                          : has_for         ? "\"at 30s\""
                          : has_at          ? "\"for 60s\""
                                            : "\"for 60s\" or \"at 30s\"");
      }
      (is_for ? has_for : has_at) = true;
      ++at_;
      const absl::StatusOr<Duration> duration = core::ParseDuration(word());
      if (!duration.ok() || *duration > kLatest ||
          (is_for && *duration == Duration::zero())) {
        return Unexpected("a duration up to 168h, as 60s");
      }
      (is_for ? incident->lasts : incident->at) = *duration;
      ++at_;
    }
    return absl::OkStatus();
  }

  const std::vector<absl::string_view> words_;
  const size_t number_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Incident>> ParseWhatIf(absl::string_view text) {
  std::vector<Incident> incidents;
  size_t number = 0;
  for (const absl::string_view part : absl::StrSplit(text, ';')) {
    ++number;
    // The part after a last ";" may be empty.
    if (absl::StripAsciiWhitespace(part).empty()) continue;
    if (incidents.size() == kMaxIncidents) {
      return absl::InvalidArgumentError(
          absl::StrCat("has over ", kMaxIncidents, " parts"));
    }
    absl::StatusOr<Incident> incident = PartParser(part, number).Parse();
    if (!incident.ok()) return incident.status();
    incidents.push_back(*std::move(incident));
  }
  return incidents;
}

std::string ToString(const Incident& incident) {
  std::string text = incident.who;
  const auto add = [&text](const std::string& word) {
    absl::StrAppend(&text, text.empty() ? "" : " ", word);
  };
  if (incident.share < 1) {
    add(absl::StrCat(incident.share * 100, "% of replicas"));
  }
  switch (incident.kind) {
    case Kind::kFrozen:
      add("frozen");
      break;
    case Kind::kDown:
      add("down");
      break;
    case Kind::kSlow:
      add(absl::StrCat("slow x", incident.factor));
      break;
    case Kind::kFails:
      add(absl::StrCat("fails ", incident.failing * 100, "%"));
      break;
    case Kind::kLoad:
      add(absl::StrCat("load x", incident.factor));
      break;
  }
  if (incident.lasts != core::kInfiniteDuration) {
    add("for " + core::FormatDuration(incident.lasts));
  }
  if (incident.at > Duration::zero()) {
    add("at " + core::FormatDuration(incident.at));
  }
  return text;
}

}  // namespace firebreak::sim
