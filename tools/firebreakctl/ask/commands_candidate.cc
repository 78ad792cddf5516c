// `firebreakctl policy shadow|compare|promote`, with servers.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/ask/commands_ask.h"
#include "tools/firebreakctl/ask/policy_file.h"

namespace firebreak::ctl {

int Client::Shadow(const CandidateRequest& wanted) {
  if (wanted.off) {
    v1::ClearCandidateRequest request;
    request.set_if_candidate(wanted.if_candidate);
    request.set_engine(settings_.engine);
    request.set_reason(settings_.reason);
    return PrintEach(AskAll(&v1::Admin::Stub::ClearCandidate, request),
                     [](const v1::ClearCandidateResponse& response) {
                       return absl::StrCat("candidate ",
                                           response.candidate().id(),
                                           " is taken away\n");
                     });
  }
  if (wanted.path.empty()) {
    Complain("a policy file is needed, or --off");
    return kExitUsage;
  }
  const absl::StatusOr<std::string> text = ReadPolicyFile(wanted.path);
  if (!text.ok()) {
    Complain(std::string(text.status().message()));
    return kExitFailed;
  }
  v1::SetCandidateRequest request;
  request.set_text(*text);
  request.set_if_version(wanted.if_version);
  request.set_if_candidate(wanted.if_candidate);
  request.set_engine(settings_.engine);
  request.set_reason(settings_.reason);
  return PrintEach(AskAll(&v1::Admin::Stub::SetCandidate, request),
                   [&](const v1::SetCandidateResponse& response) {
                     return absl::StrCat(
                         RenderChange(response.promoted(), settings_.style),
                         "candidate ", response.candidate().id(),
                         " counts beside version ",
                         response.candidate().live_version(), "\n");
                   });
}

int Client::Compare(const std::string& method) {
  v1::CompareCandidateRequest request;
  *request.mutable_selector() = Select(method);
  const auto answers = AskAll(&v1::Admin::Stub::CompareCandidate, request);
  const int exit_code =
      PrintEach(answers, [&](const v1::CompareCandidateResponse& response) {
        return RenderComparison(response, settings_.style);
      });
  const bool has_any =
      std::all_of(answers.begin(), answers.end(), [](const auto& each) {
        return !each.error.empty() || each.response.has_candidate();
      });
  return has_any ? exit_code : kExitFailed;
}

int Client::Promote(const CandidateRequest& wanted) {
  v1::CompareCandidateRequest look;
  look.mutable_selector()->set_engine(settings_.engine);
  look.set_page_size(1);
  const auto seen = AskAll(&v1::Admin::Stub::CompareCandidate, look);
  bool may = TellFailures(seen) == kExitOk;
  for (const auto& each : seen) {
    if (!each.error.empty()) continue;
    const v1::Candidate& candidate = each.response.candidate();
    if (!each.response.has_candidate()) {
      Complain(absl::StrCat(each.target, ": there is no candidate policy"));
      may = false;
    } else if (candidate.live_has_changed() && !wanted.force) {
      Complain(absl::StrCat(
          each.target, ": another policy is in force than version ",
          candidate.live_version(), ", beside which candidate ", candidate.id(),
          " was set; --force promotes it all the same"));
      may = false;
    }
  }
  if (!may) {
    Complain("nothing was promoted");
    return kExitFailed;
  }
  std::vector<v1::PromoteCandidateRequest> requests(targets_.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_engine(settings_.engine);
    requests[i].set_reason(settings_.reason);
    requests[i].set_force(wanted.force);
    // Promotes only the candidate that was looked at.
    requests[i].set_if_candidate(seen[i].response.candidate().id());
  }
  return PrintEach(
      AskEach(&v1::Admin::Stub::PromoteCandidate, requests),
      [&](const v1::PromoteCandidateResponse& response) {
        const v1::ApplyPolicyResponse& applied = response.applied();
        return absl::StrCat(RenderChange(applied, settings_.style), "version ",
                            applied.version(), " is in force\n");
      });
}

}  // namespace firebreak::ctl
