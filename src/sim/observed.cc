#include "src/sim/observed.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/core/base/duration.h"
#include "src/core/base/rng.h"

namespace firebreak::sim {
namespace {

constexpr size_t kCandidates = 32;
// How far to search for them: attempts that took longer may be rare.
constexpr size_t kFarthest = 4000;

// The answers of one method, in the order of their starts.
struct Answer {
  int64_t at;
  Duration latency;
  absl::StatusCode code;
};
using Answers = std::vector<Answer>;

// Visits the answers from the nearest on, until `visit` has enough.
template <class Visit>
void FromNearest(const Answers& answers, int64_t at, Visit visit) {
  const auto middle = std::lower_bound(
      answers.begin(), answers.end(), at,
      [](const Answer& answer, int64_t t) { return answer.at < t; });
  auto after = middle;
  auto before = middle;
  for (size_t i = 0; i < kFarthest; ++i) {
    const bool has_before = before != answers.begin();
    const bool has_after = after != answers.end();
    if (!has_before && !has_after) return;
    const bool take_after =
        has_after &&
        (!has_before || after->at - at < at - std::prev(before)->at);
    if (!visit(take_after ? *after++ : *--before)) return;
  }
}

const Answer* Nearest(const Answers& answers, int64_t at) {
  const Answer* nearest = nullptr;
  FromNearest(answers, at, [&](const Answer& answer) {
    nearest = &answer;
    return false;
  });
  return nearest;
}

const Answer* LongerOne(const Answers& answers, int64_t at, Duration latency,
                        core::Rng* rng) {
  std::vector<const Answer*> longer;
  FromNearest(answers, at, [&](const Answer& answer) {
    if (answer.latency > latency) longer.push_back(&answer);
    return longer.size() < kCandidates;
  });
  return longer.empty() ? nullptr : longer[rng->Next() % longer.size()];
}

}  // namespace

absl::Status Observed::AddCall(absl::string_view method, int64_t start_ns,
                               Met met, Duration latency,
                               absl::StatusCode code) {
  if (calls_.size() == max_calls_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("over ", max_calls_, " calls"));
  }
  bool is_other = false;
  calls_.push_back(
      {start_ns, latency, names_.NumberOf(method, &is_other), met, code});
  if (is_other && method != kOtherMethods) ++result_.of_other_methods;
  return absl::OkStatus();
}

void Observed::AddAnswer(absl::string_view method, int64_t start_ns,
                         Duration latency, absl::StatusCode code) {
  if (more_answers_.size() == max_calls_) return;
  bool is_other = false;
  more_answers_.push_back({start_ns, latency,
                           names_.NumberOf(method, &is_other), Met::kAnswer,
                           code});
}

absl::StatusOr<Recording> Observed::Finish() {
  if (calls_.empty()) return absl::InvalidArgumentError("no calls");
  std::stable_sort(calls_.begin(), calls_.end(),
                   [](const Call& a, const Call& b) { return a.at < b.at; });
  const int64_t first = calls_.front().at;
  // Unsigned, so that the difference of any two does not overflow.
  const uint64_t span =
      static_cast<uint64_t>(calls_.back().at) - static_cast<uint64_t>(first);
  if (span > static_cast<uint64_t>(Recording::kLongest.count())) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the last call begins %.0f s after the first; allowed %s. Do the "
        "clocks agree?",
        static_cast<double>(span) / 1e9,
        core::FormatDuration(Recording::kLongest)));
  }
  std::vector<Answers> answers(result_.methods.size());
  for (const auto* from : {&calls_, &more_answers_}) {
    for (const Call& call : *from) {
      if (call.met != Met::kAnswer || call.at < first ||
          call.at > calls_.back().at) {
        continue;
      }
      answers[call.method].push_back({call.at, call.latency, call.code});
    }
  }
  for (Answers& each : answers) {
    std::sort(each.begin(), each.end(),
              [](const Answer& a, const Answer& b) { return a.at < b.at; });
  }
  core::Rng rng(1);
  for (const Call& call : calls_) {
    Duration latency = call.latency;
    absl::StatusCode code = call.code;
    const Answer* met = nullptr;
    if (call.met != Met::kAnswer && answers[call.method].empty()) {
      ++result_.left_out;
      continue;
    }
    if (call.met == Met::kNobody) {
      ++result_.of_nobody;
      met = Nearest(answers[call.method], call.at);
    } else if (call.met == Met::kNoAnswer) {
      ++result_.given_up;
      met = LongerOne(answers[call.method], call.at, latency, &rng);
      // If none took longer, the time it was waited for is taken as its
      // latency.
      code = absl::StatusCode::kOk;
    }
    if (met != nullptr) {
      latency = met->latency;
      code = met->code;
    }
    result_.calls.push_back(
        {Duration(call.at - first), latency, call.method, code});
  }
  if (result_.calls.empty()) {
    return absl::InvalidArgumentError("no attempt was answered");
  }
  const Duration begin = result_.calls.front().at;
  for (Recording::Call& call : result_.calls) call.at -= begin;
  return std::move(result_);
}

}  // namespace firebreak::sim
