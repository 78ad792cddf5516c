#include "src/sim/observed.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/core/base/duration.h"
#include "src/core/base/rng.h"

namespace firebreak::sim {
namespace {

constexpr size_t kCandidates = 32;
// How many attempts are searched for these candidates: attempts that took
// longer may be rare.
constexpr size_t kFarthest = 4000;

}  // namespace

// Visits the attempts from the nearest start on, until `visit` has enough.
template <class Visit>
void Observed::FromNearest(const Attempts& attempts, int64_t at, Visit visit) {
  const auto middle = std::lower_bound(
      attempts.begin(), attempts.end(), at,
      [](const Attempt* attempt, int64_t t) { return attempt->at < t; });
  auto after = middle;
  auto before = middle;
  for (size_t i = 0; i < kFarthest; ++i) {
    const bool has_before = before != attempts.begin();
    const bool has_after = after != attempts.end();
    if (!has_before && !has_after) return;
    const bool take_after =
        has_after &&
        (!has_before || (*after)->at - at < at - (*std::prev(before))->at);
    if (!visit(take_after ? *after++ : *--before)) return;
  }
}

// An attempt that is under way at that time has the distance zero: a server
// that lets an attempt hang is not well until the attempt ends.
const Observed::Attempt* Observed::Nearest(const Attempts& attempts,
                                           int64_t at) {
  const Attempt* nearest = nullptr;
  int64_t least = std::numeric_limits<int64_t>::max();
  size_t looked_at = 0;
  FromNearest(attempts, at, [&](const Attempt* attempt) {
    const int64_t to_start = attempt->at - at;
    const int64_t off =
        std::max({to_start, -to_start - attempt->seen.count(), int64_t{0}});
    if (off < least) {
      least = off;
      nearest = attempt;
    }
    return off > 0 && ++looked_at < kCandidates;
  });
  return nearest;
}

absl::optional<Observed::Attempt> Observed::FirstOfWell(
    const Attempts& attempts, const Attempt& hung) {
  auto next = std::upper_bound(
      attempts.begin(), attempts.end(), hung.at,
      [](int64_t t, const Attempt* attempt) { return t < attempt->at; });
  int64_t ill_until = hung.at + hung.seen.count();
  for (size_t i = 0; i < kCandidates && next != attempts.end(); ++i, ++next) {
    const Attempt& each = **next;
    if (each.code == absl::StatusCode::kDeadlineExceeded) {
      ill_until = std::max(ill_until, each.at + each.seen.count());
    } else if (each.at >= ill_until) {
      Attempt first = each;
      first.at = ill_until + (each.at - ill_until) / 2;
      return first;
    }
  }
  return absl::nullopt;
}

Recording::Call Observed::WouldMeet(const Attempts& attempts, int64_t at) {
  const Attempt& nearest = *Nearest(attempts, at);
  Recording::Call call;
  call.latency = nearest.latency;
  call.code = nearest.code;
  if (nearest.code != absl::StatusCode::kDeadlineExceeded) return call;
  const auto well = FirstOfWell(attempts, nearest);
  if (well && well->at >= at && well->at - at < call.latency.count()) {
    call.latency = Duration(well->at - at) + well->latency;
    call.code = well->code;
  }
  return call;
}

Observed::Attempt Observed::Read(absl::string_view method, int64_t start_ns,
                                 Met met, Duration latency,
                                 absl::StatusCode code, bool* is_other) {
  Attempt attempt{start_ns, latency,
                  latency,  names_.NumberOf(method, is_other),
                  met,      met == Met::kAnswer,
                  code};
  return attempt;
}

absl::Status Observed::AddCall(absl::string_view method, int64_t start_ns,
                               Met met, Duration latency,
                               absl::StatusCode code) {
  if (calls_.size() == max_calls_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("over ", max_calls_, " calls"));
  }
  bool is_other = false;
  calls_.push_back(Read(method, start_ns, met, latency, code, &is_other));
  if (is_other && method != kOtherMethods) ++result_.of_other_methods;
  return absl::OkStatus();
}

void Observed::AddAttempt(absl::string_view method, int64_t start_ns, Met met,
                          Duration latency, absl::StatusCode code) {
  if (more_.size() == max_calls_) return;
  bool is_other = false;
  more_.push_back(Read(method, start_ns, met, latency, code, &is_other));
}

std::vector<Observed::Attempts> Observed::ByMethod() {
  std::vector<Attempts> all(result_.methods.size());
  std::vector<bool> was_answered(result_.methods.size());
  for (auto* from : {&calls_, &more_}) {
    for (Attempt& each : *from) {
      if (each.met == Met::kNobody || each.at < calls_.front().at ||
          each.at > calls_.back().at) {
        continue;
      }
      all[each.method].push_back(&each);
      if (each.is_known) was_answered[each.method] = true;
    }
  }
  for (size_t method = 0; method < all.size(); ++method) {
    if (!was_answered[method]) all[method].clear();
    std::stable_sort(
        all[method].begin(), all[method].end(),
        [](const Attempt* a, const Attempt* b) { return a->at < b->at; });
  }
  return all;
}

void Observed::DrawForThoseGivenUp(const Attempts& attempts, core::Rng* rng) {
  Attempts given_up;
  std::copy_if(attempts.begin(), attempts.end(), std::back_inserter(given_up),
               [](const Attempt* each) { return !each->is_known; });
  // Those that lasted longest come first, since others may draw them.
  std::stable_sort(
      given_up.begin(), given_up.end(),
      [](const Attempt* a, const Attempt* b) { return a->seen > b->seen; });
  std::vector<const Attempt*> longer;
  for (Attempt* const each : given_up) {
    longer.clear();
    FromNearest(attempts, each->at, [&](const Attempt* other) {
      if (other->seen > each->seen) longer.push_back(other);
      return longer.size() < kCandidates;
    });
    each->is_known = true;
    // If none lasted longer, the time it was waited for is taken as its
    // latency.
    each->code = absl::StatusCode::kOk;
    if (longer.empty()) continue;
    const Attempt* const drawn = longer[rng->Next() % longer.size()];
    each->latency = drawn->latency;
    each->code = drawn->code;
  }
}

absl::StatusOr<Recording> Observed::Finish() {
  if (calls_.empty()) return absl::InvalidArgumentError("no calls");
  std::stable_sort(
      calls_.begin(), calls_.end(),
      [](const Attempt& a, const Attempt& b) { return a.at < b.at; });
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
  const std::vector<Attempts> attempts = ByMethod();
  core::Rng rng(1);
  for (const Attempts& of_method : attempts) {
    DrawForThoseGivenUp(of_method, &rng);
  }
  for (const Attempt& call : calls_) {
    const Attempts& of_method = attempts[call.method];
    if (call.met != Met::kAnswer && of_method.empty()) {
      ++result_.left_out;
      continue;
    }
    if (call.met == Met::kNobody) ++result_.of_nobody;
    if (call.met == Met::kNoAnswer) ++result_.given_up;
    Recording::Call out;
    if (call.met == Met::kNobody) {
      out = WouldMeet(of_method, call.at);
    } else {
      out.latency = call.latency;
      out.code = call.code;
    }
    out.at = Duration(call.at - first);
    out.method = call.method;
    result_.calls.push_back(out);
  }
  if (result_.calls.empty()) {
    return absl::InvalidArgumentError("no attempt was answered");
  }
  const Duration begin = result_.calls.front().at;
  for (Recording::Call& call : result_.calls) call.at -= begin;
  return std::move(result_);
}

}  // namespace firebreak::sim
