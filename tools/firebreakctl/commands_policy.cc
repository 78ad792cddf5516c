// `firebreakctl policy get|lint|diff|apply`, of servers.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/commands_ask.h"
#include "tools/firebreakctl/policy_file.h"

namespace firebreak::ctl {
namespace {

template <class Findings>
bool HasError(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const auto& each) { return each.is_error(); });
}

}  // namespace

int Client::GetPolicy() {
  return PrintEach(AskAll(&v1::Admin::Stub::GetPolicy, v1::GetPolicyRequest()),
                   RenderPolicy);
}

int Client::LintPolicy() {
  const auto answers =
      AskAll(&v1::Admin::Stub::GetPolicy, v1::GetPolicyRequest());
  const int exit_code =
      PrintEach(answers, [&](const v1::GetPolicyResponse& response) {
        return response.findings().empty()
                   ? std::string("nothing found\n")
                   : RenderFindings(response.findings(), settings_.style);
      });
  const bool all_good =
      std::all_of(answers.begin(), answers.end(), [](const auto& each) {
        return each.error.empty() && !HasError(each.response.findings());
      });
  return all_good ? exit_code : kExitFailed;
}

Answers<v1::ApplyPolicyResponse> Client::Rehearse(const std::string& text) {
  v1::ApplyPolicyRequest request;
  request.set_text(text);
  request.set_dry_run(true);
  return AskAll(&v1::Admin::Stub::ApplyPolicy, request);
}

int Client::DiffPolicy(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) {
    Complain(std::string(text.status().message()));
    return kExitTrouble;
  }
  const auto answers = Rehearse(*text);
  for (const auto& each : answers) {
    if (!each.error.empty()) {
      Complain(each.error);
      return kExitTrouble;
    }
  }
  PrintEach(answers, [&](const v1::ApplyPolicyResponse& response) {
    return RenderDifferences(response, settings_.style) +
           RenderFindings(response.findings(), settings_.style);
  });
  return std::any_of(answers.begin(), answers.end(),
                     [](const auto& each) { return each.response.changed(); })
             ? kExitDifferent
             : kExitOk;
}

int Client::ApplyPolicy(const PolicyRequest& wanted) {
  const absl::StatusOr<std::string> text = ReadPolicyFile(wanted.path);
  if (!text.ok()) {
    Complain(std::string(text.status().message()));
    return kExitFailed;
  }
  // First on trial, everywhere: what one of them would refuse, none gets.
  const auto rehearsed = Rehearse(*text);
  bool may = true;
  for (const auto& each : rehearsed) {
    if (!each.error.empty()) {
      Complain(each.error);
      may = false;
    } else if (HasError(each.response.findings()) && !wanted.force) {
      if (targets_.size() > 1) std::cerr << "== " << each.target << "\n";
      std::cerr << RenderFindings(each.response.findings(), Style());
      Complain("--force applies it all the same");
      may = false;
    } else if (wanted.if_version != 0 &&
               each.response.version() != wanted.if_version) {
      Complain(absl::StrCat(each.target, ": version ", each.response.version(),
                            " is in force; --if-version is ",
                            wanted.if_version));
      may = false;
    }
  }
  if (!may) {
    Complain("nothing was applied");
    return kExitFailed;
  }
  std::vector<v1::ApplyPolicyRequest> requests(targets_.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_text(*text);
    // What was on trial is what is replaced.
    requests[i].set_if_version(rehearsed[i].response.version());
  }
  const auto answers = AskEach(&v1::Admin::Stub::ApplyPolicy, requests);
  if (AllFailed(answers)) return kExitFailed;
  size_t failed = 0;
  for (const auto& each : answers) {
    if (each.error.empty()) continue;
    Complain(each.error);
    ++failed;
  }
  if (failed > 0) {
    Complain(absl::StrCat("only ", answers.size() - failed, " of ",
                          answers.size(), " are known to have it"));
  }
  PrintEach(answers, [&](const v1::ApplyPolicyResponse& response) {
    return absl::StrCat(RenderDifferences(response, settings_.style),
                        RenderFindings(response.findings(), settings_.style),
                        "version ", response.version(), " is in force\n");
  });
  return failed > 0 ? kExitFailed : kExitOk;
}

}  // namespace firebreak::ctl
