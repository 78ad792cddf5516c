// The screen of a candidate policy.
#include <google/protobuf/util/time_util.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using google::protobuf::util::TimeUtil;

int64_t Sum(const v1::CandidateCalls& calls) {
  return calls.succeeded() + calls.failed() + calls.unknown();
}

// "12", or "12 -> 15" where they differ.
Table::Cell Pair(int64_t live, int64_t candidate) {
  if (live == candidate) return {absl::StrCat(live)};
  return {absl::StrCat(live, " -> ", candidate), Colour::kYellow};
}

std::string Calls(int64_t n) {
  return absl::StrCat(n, n == 1 ? " call" : " calls");
}

// "3 succeeded, 38 failed, 1 was cancelled".
std::string Outcomes(const v1::CandidateCalls& calls) {
  std::vector<std::string> parts;
  const auto add = [&](int64_t n, const char* what) {
    if (n > 0) parts.push_back(absl::StrCat(n, what));
  };
  add(calls.succeeded(), " succeeded");
  add(calls.failed(), " failed");
  add(calls.unknown(), " cancelled or given up");
  return absl::StrJoin(parts, ", ");
}

// "breaker_open 41". The reasons are those of all calls that the candidate
// would have refused, so calls that the live policy refused too are mentioned.
std::string Reasons(const v1::CandidateMethod& method) {
  std::string reasons = absl::StrJoin(
      method.refusals(), ", ",
      [](std::string* out, const v1::NamedCount& each) {
        absl::StrAppend(out, Printable(each.name()), " ", each.count());
      });
  if (method.would_refuse_too() == 0) return reasons;
  return absl::StrCat("with the ", Calls(method.would_refuse_too()),
                      " that the live policy refused as well: ", reasons);
}

// " of 1s", or "" if the policy has no timeout.
std::string Named(bool is_set, const google::protobuf::Duration& timeout) {
  return is_set ? absl::StrCat(" of ", Brief(timeout)) : "";
}

// Whether the candidate's timeout ends calls that the live policy does not end,
// or ends later. The same timeout ends the same calls.
bool EndsOthers(const v1::CandidateMethod& method) {
  const v1::CandidateCalls& cut = method.would_time_out();
  const bool is_shorter =
      method.has_timeout() &&
      (!method.has_live_timeout() ||
       TimeUtil::DurationToNanoseconds(method.timeout()) <
           TimeUtil::DurationToNanoseconds(method.live_timeout()));
  return Sum(cut) > 0 &&
         (is_shorter || cut.succeeded() > 0 || Sum(cut) > method.timed_out());
}

// " (the live timeout of 1s ended 500 calls)", for comparison.
std::string LiveTimeouts(const v1::CandidateMethod& method) {
  if (method.timed_out() == 0) return "";
  return absl::StrCat(" (the live timeout",
                      Named(method.has_live_timeout(), method.live_timeout()),
                      " ended ", Calls(method.timed_out()), ")");
}

// Returns "" if the outcomes speak for neither policy.
std::string WhoWasRight(const v1::CandidateCalls& calls) {
  if (calls.succeeded() == 0 && calls.failed() == 0) return "";
  if (calls.failed() == 0) return ", so the live policy was right";
  if (calls.succeeded() == 0) return ", so the candidate was right";
  return absl::StrCat(", so the live policy was right about ",
                      calls.succeeded(), " and the candidate about ",
                      calls.failed());
}

// Whether this is the one name that all methods past max_methods share.
bool IsOther(const v1::CandidateMethod& method) {
  return method.method() == "other";
}

// What the candidate would have done with the calls; "" if nothing different.
std::string ComparisonText(const v1::CandidateMethod& method) {
  std::vector<std::string> parts;
  const v1::CandidateCalls& refused = method.would_refuse();
  if (Sum(refused) > 0) {
    parts.push_back(absl::StrCat("would have refused ", Calls(Sum(refused)),
                                 " (", Reasons(method), "), of which ",
                                 Outcomes(refused), WhoWasRight(refused)));
  }
  if (method.would_let_in() > 0) {
    parts.push_back(absl::StrCat("would have let in ",
                                 Calls(method.would_let_in()),
                                 " that the live policy refused, and nobody "
                                 "knows how they would have ended"));
  }
  const v1::CandidateCalls& cut = method.would_time_out();
  if (EndsOthers(method)) {
    parts.push_back(absl::StrCat(
        "would have ended ", Calls(Sum(cut)), " by its timeout",
        Named(method.has_timeout(), method.timeout()), LiveTimeouts(method),
        ", of which ", Outcomes(cut), WhoWasRight(cut)));
  }
  if (method.would_go_on() > 0) {
    parts.push_back(absl::StrCat("would have waited on for ",
                                 Calls(method.would_go_on()),
                                 " that the live timeout ended"));
  }
  if (method.would_retry() > 0) {
    parts.push_back(absl::StrCat("would have retried ",
                                 Calls(method.would_retry()),
                                 " that the live policy gave up on"));
  }
  const v1::CandidateCalls& given_up = method.would_give_up();
  if (Sum(given_up) > 0) {
    parts.push_back(absl::StrCat("would not have retried ",
                                 Calls(Sum(given_up)),
                                 " that the live policy did, of which ",
                                 Outcomes(given_up), WhoWasRight(given_up)));
  }
  const int64_t hedged = Sum(method.would_hedge());
  if (hedged != method.hedged()) {
    parts.push_back(absl::StrCat("would have hedged ", Calls(hedged),
                                 " (the live policy ", method.hedged(), ")"));
  }
  if (method.would_wait() > 0) {
    parts.push_back(
        absl::StrCat("would have made ", Calls(method.would_wait()), " wait"));
  }
  return absl::StrJoin(parts, "; it ");
}

}  // namespace

std::string CandidateText(const v1::CandidateMethod& method) {
  if (IsOther(method)) return "is not asked about methods past max_methods";
  if (!method.has_entry()) return "has no entry for it";
  const std::string text = ComparisonText(method);
  return text.empty()
             ? absl::StrCat("no difference on ", Calls(method.calls()))
             : absl::StrCat("of ", Calls(method.calls()), " it ", text);
}

std::string RenderComparison(const v1::CompareCandidateResponse& response,
                             const Style& style) {
  if (!response.has_candidate()) return "there is no candidate policy\n";
  const v1::Candidate& candidate = response.candidate();
  std::string out = absl::StrCat(
      "candidate ", candidate.id(), ", from ", Printable(candidate.source()),
      ", for ", Between(candidate.since(), response.as_of()),
      " beside version ", candidate.live_version(),
      candidate.live_has_changed()
          ? "; another version is in force by now, and the calls since then "
            "are counted beside that\n"
          : "\n");
  Table table({{"CHANNEL"},
               {"METHOD"},
               {"CALLS", kRight},
               {"OK", kRight},
               {"FAILED", kRight},
               {"REFUSED", kRight},
               {"TIMED OUT", kRight},
               {"RETRIED", kRight},
               {"HEDGED", kRight},
               {"BREAKER"}});
  std::string sentences;
  for (const v1::CandidateMethod& each : response.methods()) {
    if (IsOther(each)) {
      absl::StrAppend(&sentences, Printable(each.method()),
                      " is not seen: the calls of methods past max_methods "
                      "are counted and no more, whatever the policy.\n");
      continue;
    }
    if (!each.has_entry()) {
      absl::StrAppend(&sentences, Printable(each.method()),
                      " has no entry in the candidate: its calls would pass "
                      "untouched.\n");
      continue;
    }
    std::vector<std::string> states;
    for (const v1::Breaker& breaker : each.breakers()) {
      states.push_back(StateName(breaker.state()));
    }
    table.AddRow(
        {OrDash(each.channel()), each.method(), absl::StrCat(each.calls()),
         absl::StrCat(each.succeeded()), absl::StrCat(each.failed()),
         Pair(each.refused(),
              Sum(each.would_refuse()) + each.would_refuse_too()),
         Pair(each.timed_out(), Sum(each.would_time_out())),
         Pair(each.retried(),
              each.retried() - Sum(each.would_give_up()) + each.would_retry()),
         Pair(each.hedged(), Sum(each.would_hedge())),
         OrDash(absl::StrJoin(states, ", "))});
    const std::string text = ComparisonText(each);
    if (text.empty()) continue;
    absl::StrAppend(&sentences, Printable(each.method()), " ", text, ".\n");
  }
  if (!table.empty()) absl::StrAppend(&out, table.Render(style));
  if (table.empty() && sentences.empty()) {
    absl::StrAppend(&out, "no method has been called\n");
  } else if (sentences.empty()) {
    absl::StrAppend(&out, "\nno difference on any call\n");
  } else {
    absl::StrAppend(&out, "\n", sentences);
  }
  for (const std::string& each : response.not_seen()) {
    absl::StrAppend(&out, Printable(each),
                    " is not seen: it has no entry in the live policy\n");
  }
  return out;
}

}  // namespace firebreak::ctl
