#include "src/core/breaker/trip_rules.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firebreak::core {
namespace {

// The highest limit that a policy can set; no count needs to exceed it.
constexpr int kMaxCount = 1'000'000;
constexpr int kFewestCalls = 3;

// Adds bad results to a leaky count, and subtracts good ones.
void Leak(bool bad, int64_t calls, int* count) {
  const int by = static_cast<int>(std::min<int64_t>(calls, kMaxCount));
  *count = bad ? std::min(*count + by, kMaxCount) : std::max(*count - by, 0);
}

// A rate above the policy's own limit is never considered usual.
double MostUsual(double limit) { return limit > 0 ? limit : 0.5; }

bool Reaches(int count, int limit) { return limit > 0 && count >= limit; }

}  // namespace

double WilsonLowerBound(int64_t bad, int64_t n, double z) {
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(bad) / count;
  const double z2n = z * z / count;
  return (p + z2n / 2 - z * std::sqrt((p * (1 - p) + z2n / 4) / count)) /
         (1 + z2n);
}

double NormalQuantile(double p) {
  // Bisection: it runs once per breaker, and a confidence of four digits needs
  // no better method.
  double low = 0;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    const double below = 0.5 * std::erfc(-middle / std::sqrt(2.0));
    (below < p ? low : high) = middle;
  }
  return low;
}

TripRules::TripRules(const BreakerOptions& options, Time now)
    : options_(options),
      z_(0),
      results_(options.window, now),
      failures_(now),
      slow_calls_(now) {
  OnOptionsChanged(now);
}

void TripRules::OnOptionsChanged(Time now) {
  const double confidence = options_.confidence.value_or(0);
  z_ = confidence > 0 ? NormalQuantile(confidence) : 0;
  if (!(results_.options() == options_.window)) {
    results_ = Window(options_.window, now);
  }
  const Duration limit =
      options_.HasSlowRule() ? options_.slow_call_duration : Duration::zero();
  if (std::exchange(watched_limit_, limit) != limit) {
    // The watch is kept when the rules are off, so that no ticket is ever
    // issued twice.
    if (!watch_) watch_.emplace(limit, now);
    watch_->Restart(limit, now);
    leaky_slow_ = 0;
    slow_calls_ = UsualRate(now);
    speeds_.reset();
  }
  if (limit > Duration::zero() &&
      (!speeds_ || !(speeds_->options() == options_.window))) {
    speeds_.emplace(options_.window, now);
  }
}

void TripRules::Clear(Time now) {
  results_.Clear(now);
  leaky_ = leaky_slow_ = 0;
  failures_.Resume(now);
  slow_calls_.Resume(now);
  slowest_ = Duration::zero();
  if (speeds_) speeds_->Clear(now);
}

void TripRules::ForgetWhatIsUsual(Time now) {
  failures_ = UsualRate(now);
  slow_calls_ = UsualRate(now);
}

void TripRules::ForgetCalls() {
  if (watch_) watch_->Clear();
}

TripRules::Ticket TripRules::Begin(Time now, CallKind kind) {
  Ticket ticket;
  ticket.started = now;
  ticket.is_unary = kind == CallKind::kUnary;
  if (watched_limit_ > Duration::zero() && ticket.is_unary) {
    ticket.slice = watch_->Begin(now);
  }
  return ticket;
}

bool TripRules::NoteAnswered(Ticket* ticket, Time now) {
  if (std::exchange(ticket->is_over, true) || !ticket->is_unary) return false;
  slowest_ = std::max(slowest_, now - ticket->started);
  if (ticket->slice == 0) return false;
  switch (watch_->End(ticket->slice)) {
    case SlowWatch::Ended::kForgotten:
      return false;
    case SlowWatch::Ended::kFound:
      // From now on it ages in the window like other results. The leaky count
      // already includes it.
      speeds_->Add(/*failed=*/true, now);
      return true;
    case SlowWatch::Ended::kWatched:
      break;
  }
  const bool slow = IsSlow(*ticket, now);
  if (slow) CountSpeed(/*slow=*/true, now);
  ticket->is_fast = !slow;
  return slow;
}

bool TripRules::End(Ticket ticket, Verdict verdict, Time now) {
  const bool is_slow = NoteAnswered(&ticket, now);
  if (verdict != Verdict::kSuccess && verdict != Verdict::kFailure) {
    return is_slow;
  }
  if (ticket.is_fast && speeds_) CountSpeed(/*slow=*/false, now);
  if (verdict == Verdict::kSuccess) {
    AddSuccesses(1, now);
    return true;
  }
  results_.Add(/*failed=*/true, now);
  failures_.AddBad(now);
  Leak(/*bad=*/true, 1, &leaky_);
  return true;
}

void TripRules::AddSuccesses(int64_t calls, Time now) {
  results_.Add(/*failed=*/false, now, calls);
  failures_.AddGood(calls);
  Leak(/*bad=*/false, calls, &leaky_);
}

bool TripRules::AreSuccessesHarmless() const {
  if (watched_limit_ > Duration::zero()) return false;  // each must be timed
  // The policy may have lowered a limit since the last result.
  if (Reaches(leaky_ - 1, options_.leaky_failures)) return false;
  const int64_t bad = results_.last_failures();
  if (options_.failure_rate <= 0 || bad == 0) return true;
  const int64_t total = results_.last_total();
  if (z_ > 0 && total < options_.minimum_calls) return false;
  // Further successes only lower a rate that is judged, and make chance a
  // likelier explanation.
  const int64_t judged = std::max<int64_t>(total, options_.minimum_calls);
  return !RateHolds({bad, judged}, failures_, options_.failure_rate);
}

int64_t TripRules::consecutive_limit() const {
  const int64_t least = options_.consecutive_failures;
  if (least == 0 || !MustBeNews()) return least;
  return failures_.TellingRun(least, MostUsual(options_.failure_rate));
}

bool TripRules::IsSlow(const Ticket& ticket, Time now) const {
  return watched_limit_ > Duration::zero() &&
         now - ticket.started >= watched_limit_;
}

bool TripRules::Advance(Time now) {
  if (!watch_) return false;
  const bool rolls_on = HangsBesideResults() && now >= speeds_->current_until();
  const int64_t overdue = watch_->TakeOverdue(now);
  if (overdue > 0) {
    slowest_ = std::max(slowest_, watched_limit_);
    slow_calls_.AddBad(now, overdue);
    Leak(/*bad=*/true, overdue, &leaky_slow_);
  }
  return overdue > 0 || rolls_on;
}

Time TripRules::next_due() const {
  if (!watch_) return kInfiniteFuture;
  const Time rolls_on =
      HangsBesideResults() ? speeds_->current_until() : kInfiniteFuture;
  return std::min(watch_->next_due(), rolls_on);
}

void TripRules::CountSpeed(bool slow, Time now) {
  speeds_->Add(slow, now);
  if (slow) {
    slow_calls_.AddBad(now);
  } else {
    slow_calls_.AddGood(1);
  }
  Leak(slow, 1, &leaky_slow_);
}

TripRules::Share TripRules::Results(Time now) {
  return {results_.failures(now), results_.total(now)};
}

TripRules::Share TripRules::Speeds(Time now) {
  if (!speeds_) return {};
  const int64_t hanging = slow_in_flight();
  const int64_t slow = speeds_->failures(now);
  const int64_t total = speeds_->total(now);
  const int64_t most = options_.window.calls;
  if (options_.window.kind == WindowOptions::Kind::kTime ||
      total + hanging <= most) {
    return {slow + hanging, total + hanging};
  }
  // Hanging calls replace the oldest results of the window. It does not record
  // which of these were slow, so they are taken to have the average share.
  const int64_t kept = std::max<int64_t>(0, most - hanging);
  return {std::min(most, hanging) + slow * kept / std::max<int64_t>(1, total),
          most};
}

TripRules::Rule TripRules::Check(Time now) {
  // consecutive_limit() computes a logarithm, so it is only asked when it can
  // matter.
  if (options_.consecutive_failures > 0 &&
      failures_.run() >= options_.consecutive_failures &&
      failures_.run() >= consecutive_limit()) {
    return Rule::kConsecutive;
  }
  if (Reaches(leaky_, options_.leaky_failures)) return Rule::kLeaky;
  if (RateHolds(Results(now), failures_, options_.failure_rate)) {
    return Rule::kFailureRate;
  }
  if (!speeds_) return Rule::kNone;
  if (RateHolds(Speeds(now), slow_calls_, options_.slow_call_rate)) {
    return Rule::kSlowRate;
  }
  if (Reaches(leaky_slow_, options_.leaky_slow_calls)) return Rule::kLeakySlow;
  return Rule::kNone;
}

bool TripRules::RateHolds(const Share& share, const UsualRate& usual,
                          double limit) const {
  if (limit <= 0 || share.bad == 0) return false;
  if (share.total >= options_.minimum_calls) {
    return share.rate() >= limit &&
           !(MustBeNews() && usual.Explains(share.bad, share.total, limit) &&
             // A small window cannot hold enough results to rule chance out.
             usual.run() < usual.TellingRun(1, limit));
  }
  return z_ > 0 && share.total >= kFewestCalls &&
         WilsonLowerBound(share.bad, share.total, z_) >= limit;
}

std::string TripRules::Describe(Rule rule, Time now) {
  switch (rule) {
    case Rule::kNone:
      break;
    case Rule::kConsecutive:
      return DescribeRun();
    case Rule::kLeaky:
      return absl::StrCat(leaky_, " more failures than successes (limit ",
                          options_.leaky_failures, ")");
    case Rule::kFailureRate:
      return DescribeRate("failure rate", Results(now), options_.failure_rate);
    case Rule::kSlowRate:
      return DescribeRate("slow-call rate", Speeds(now),
                          options_.slow_call_rate);
    case Rule::kLeakySlow:
      return absl::StrCat(leaky_slow_, " more slow calls than fast (limit ",
                          options_.leaky_slow_calls, ")");
  }
  return "";
}

std::string TripRules::DescribeRun() const {
  std::string text = absl::StrCat(failures_.run(), " failures in a row (limit ",
                                  options_.consecutive_failures);
  if (consecutive_limit() > options_.consecutive_failures) {
    absl::StrAppendFormat(&text, "; %d where %.2f fail as a rule",
                          consecutive_limit(), failures_.rate());
  }
  return text + ")";
}

std::string TripRules::DescribeRate(const char* what, const Share& share,
                                    double limit) const {
  std::string text = absl::StrFormat("%s %.2f over %d calls (limit %g)", what,
                                     share.rate(), share.total, limit);
  if (share.total < options_.minimum_calls) {
    absl::StrAppendFormat(&text, ", at least %.2f with a confidence of %g",
                          WilsonLowerBound(share.bad, share.total, z_),
                          options_.confidence.value_or(0));
  }
  return text;
}

TripRules::Counts TripRules::counts(Time now) {
  Counts counts;
  const Share results = Results(now);
  const Share speeds = Speeds(now);
  counts.calls = results.total;
  counts.failures = results.bad;
  counts.timed = speeds.total;
  counts.slow = speeds.bad;
  counts.slow_in_flight = slow_in_flight();
  counts.consecutive =
      static_cast<int>(std::min<int64_t>(failures_.run(), kMaxCount));
  counts.consecutive_limit = consecutive_limit();
  counts.usual_failure_rate = failures_.rate();
  counts.leaky = leaky_;
  counts.leaky_slow = leaky_slow_;
  counts.slowest = slowest_;
  return counts;
}

}  // namespace firebreak::core
