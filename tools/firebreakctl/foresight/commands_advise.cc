// `firebreakctl advise` without a recording: records the calls first.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/policy.h"
#include "src/sim/advice.h"
#include "tools/firebreakctl/ask/commands_ask.h"
#include "tools/firebreakctl/foresight/advise_on.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"
#include "tools/firebreakctl/foresight/recording_file.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

// Further calls would not change the result, and take seconds to simulate.
constexpr int64_t kMoreThanEnough = 1'000'000;

// Says why the recording will be too short at the present rate of calls; "" if
// it will not.
std::string TooShort(const Answers<v1::GetMethodResponse>& answers,
                     core::Duration duration) {
  double per_second = 0;
  for (const auto& each : answers) {
    per_second += each.response.method().recent().now().calls_per_second();
  }
  const auto needed = static_cast<double>(sim::kEnoughSuccesses);
  if (per_second * core::ToSeconds(duration) >= needed) return "";
  if (!(per_second > 0)) return "no call has come of late";
  const double seconds = std::ceil(needed / per_second);
  return absl::StrCat(Figure(per_second), " calls come a second: at that rate ",
                      sim::kEnoughSuccesses, " take ",
                      Brief(static_cast<int64_t>(std::min(seconds, 1e8) * 1e9)),
                      ", and --for is ", core::FormatDuration(duration));
}

// The policy in force; if the targets have different ones, that of the first.
absl::StatusOr<engine::PolicyTable> PolicyInForce(
    const Answers<v1::GetPolicyResponse>& answers, std::string* note) {
  const auto first =
      std::find_if(answers.begin(), answers.end(),
                   [](const auto& each) { return each.error.empty(); });
  if (first == answers.end()) {
    return absl::UnavailableError(answers.front().error);
  }
  for (const auto& each : answers) {
    if (!each.error.empty() || each.response.text() == first->response.text()) {
      continue;
    }
    *note =
        absl::StrCat("the policies of ", first->target, " and ", each.target,
                     " differ; what follows goes by that of ", first->target);
  }
  const v1::PolicySet& set = first->response.policy();
  // The engine has no policy.
  if (set.method().empty() && set.channel().empty()) {
    return engine::PolicyTable();
  }
  return engine::CompilePolicy(set,
                               absl::StrCat("the policy of ", first->target));
}

}  // namespace

absl::StatusOr<v1::MethodSelector> Client::FindMethod(
    const Answers<v1::GetMethodResponse>& answers,
    const std::string& wanted) const {
  v1::MethodSelector found;
  std::set<std::string> known;
  for (const auto& each : answers) {
    if (!each.error.empty()) continue;
    found.set_channel(each.response.method().channel());
    found.set_method(each.response.method().method());
    known.insert(
        absl::StrCat(found.method(), " of channel \"", found.channel(), "\""));
  }
  if (known.size() == 1) return found;
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", wanted, "\" is not the same to all targets: ",
      absl::StrJoin(known, ", "), "; say more of its name, or --channel"));
}

int Client::Advise(const AdviseLiveRequest& wanted) {
  // Errors that are known before the recording are reported at once.
  std::string note;
  absl::StatusOr<engine::PolicyTable> table =
      wanted.policy.empty()
          ? PolicyInForce(AskAll(&v1::Admin::Stub::GetPolicy, WhichPolicy()),
                          &note)
          : engine::LoadPolicyFile(wanted.policy);
  if (!table.ok()) {
    ctl::Complain(table.status());
    return kExitFailed;
  }
  if (!note.empty()) Complain(Printable(note));
  v1::GetMethodRequest request;
  *request.mutable_selector() = Select(wanted.method);
  auto answers = AskAll(&v1::Admin::Stub::GetMethod, request);
  KeepThoseThatKnow(&answers);
  if (AllFailed(answers)) return kExitFailed;
  const absl::StatusOr<v1::MethodSelector> method =
      FindMethod(answers, wanted.method);
  if (!method.ok()) {
    ctl::Complain(method.status());
    return kExitUsage;
  }
  const std::string too_short = TooShort(answers, wanted.duration);
  if (!too_short.empty()) Complain("it may be too little: " + too_short);

  RecordedCalls calls;
  RecordRequest which;
  which.method = method->method();
  which.channel = method->channel();
  which.duration = wanted.duration;
  int64_t taken = 0;
  const Sink sink = {[&](const v1::CallBlock& block) {
                       absl::Status status = CheckBlock(block);
                       if (status.ok()) status = calls.Add(block);
                       taken += block.calls_size();
                       if (!status.ok() || taken < kMoreThanEnough) {
                         return status;
                       }
                       return absl::ResourceExhaustedError("enough");
                     },
                     [] { return std::string(); }};
  const Recorded recorded = RecordAll(which, sink);
  if (!recorded.error.ok() && !absl::IsResourceExhausted(recorded.error)) {
    Complain(
        absl::StrCat("a block of calls ", Printable(recorded.error.message())));
    return kExitFailed;
  }
  if (recorded.reached() == 0) return kExitFailed;
  std::cerr << recorded.told << "\n"
            << Absences(recorded) << NotesOn(calls.notes());
  absl::StatusOr<sim::Recording> recording = calls.Finish();
  // Without any call, the error is that they are too few.
  if (!recording.ok() && recorded.calls == 0) recording = sim::Recording();
  if (!recording.ok()) {
    ctl::Complain(recording.status());
    return kExitFailed;
  }
  std::cerr << NotesOn(*recording);
  const int exit_code =
      AdviseOn({method->method(), method->channel(), wanted.seed}, *recording,
               *table, settings_.style);
  return recorded.has_failed() ? kExitFailed : exit_code;
}

}  // namespace firebreak::ctl
