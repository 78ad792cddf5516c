// The texts of the driver's decisions for the decision log. A text is only made
// for a decision that is kept: see decision_log.h.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/duration.h"

namespace firebreak::core {
namespace {

// For people to read: rounded down to microseconds.
std::string Brief(Duration d) {
  return FormatDuration(std::chrono::floor<std::chrono::microseconds>(d));
}

std::string CodeName(absl::StatusCode code) {
  const std::string name = absl::StatusCodeToString(code);
  return name.empty() ? absl::StrCat("code ", static_cast<int>(code)) : name;
}

std::string Short(double number) { return absl::StrFormat("%.2g", number); }

}  // namespace

std::string CallDriver::WhyStopped(Reason reason, const Attempt& last,
                                   Time now) const {
  const Duration left = Remaining(now, plan_.deadline);
  switch (reason) {
    case Reason::kAttemptsExhausted:
      return absl::StrCat("all ", plan_.options->max_attempts(),
                          " attempts of max_attempts are made");
    case Reason::kBudgetExhausted: {
      const double tokens = plan_.budget->tokens(now);
      return absl::StrCat(
          "the budget for retries and hedges has ", Short(tokens), " of ",
          plan_.budget->options().burst, " tokens",
          tokens >= 1 ? ", and the first hedge of a call leaves half to others"
                      : "");
    }
    case Reason::kThrottled:
      return absl::StrCat("retryThrottling (gRFC A6) is down to ",
                          Short(plan_.budget->throttle_tokens()), " tokens");
    case Reason::kPushback:
      return "the server asked for no retry";
    case Reason::kNotIdempotent:
      return "the call may have run, and it may not run twice";
    case Reason::kDeadlineTooClose:
      if (!last.pace.has_value() || last.pace->at == kInfiniteFuture) {
        return "the deadline has passed";
      }
      return absl::StrCat("a wait of ", Brief(Remaining(now, last.pace->at)),
                          " would end after the deadline, which comes in ",
                          Brief(left));
    case Reason::kDeadlineInfeasible:
      return absl::StrCat(Brief(left),
                          " are left, which is less than the method takes");
    case Reason::kHedgingPaused:
      return "hedging is paused, since the server is slower than usual or "
             "fails";
    case Reason::kRetriesNotWorthIt:
      return absl::StrCat(
          "such retries have mostly been in vain: their chance is ",
          Short(last.pace.has_value() ? last.pace->chance : 0));
    default:
      return absl::StrCat("the breaker admits no further attempt: ",
                          plan_.targets.front()->cause());
  }
}

void CallDriver::NoteRetry(int failed, Reason stop, Time now) {
  if (plan_.stats == nullptr) return;
  const Attempt& last = attempt(failed);
  Decision decision;
  decision.kind = stop == Reason::kNone ? DecisionKind::kRetried
                                        : DecisionKind::kNotRetried;
  decision.reason = stop;
  decision.code = last.code;
  decision.attempt = failed;
  plan_.stats->decisions.Note(decision, now, [&] {
    const std::string what = absl::StrCat(
        "attempt ", failed + 1, " failed with ", CodeName(last.code), " after ",
        Brief(last.ended - last.started));
    if (stop != Reason::kNone) {
      return absl::StrCat(what, "; ", WhyStopped(stop, last, now));
    }
    return absl::StrCat(what, "; another follows in ",
                        Brief(Remaining(now, last.pace->at)));
  });
}

void CallDriver::NoteHedge(int beside, Reason stop, Time now) {
  if (plan_.stats == nullptr) return;
  const Attempt& slow = attempt(beside);
  Decision decision;
  decision.kind =
      stop == Reason::kNone ? DecisionKind::kHedged : DecisionKind::kNotHedged;
  decision.reason = stop;
  decision.attempt = beside;
  plan_.stats->decisions.Note(decision, now, [&] {
    const std::string what =
        absl::StrCat("attempt ", beside + 1, " has had no answer for ",
                     Brief(Remaining(slow.started, now)));
    return stop != Reason::kNone
               ? absl::StrCat(what, "; ", WhyStopped(stop, slow, now))
               : absl::StrCat(what, "; another is sent beside it");
  });
}

}  // namespace firebreak::core
