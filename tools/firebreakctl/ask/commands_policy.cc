// `firebreakctl policy get|lint|diff|apply|history|rollback`, with servers.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/ask/commands_ask.h"
#include "tools/firebreakctl/ask/policy_file.h"

namespace firebreak::ctl {
namespace {

template <class Findings>
bool HasError(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const auto& each) { return each.is_error(); });
}

}  // namespace

v1::GetPolicyRequest Client::WhichPolicy() const {
  v1::GetPolicyRequest request;
  request.set_engine(settings_.engine);
  return request;
}

int Client::GetPolicy() {
  return PrintEach(AskAll(&v1::Admin::Stub::GetPolicy, WhichPolicy()),
                   RenderPolicy);
}

int Client::LintPolicy() {
  const auto answers = AskAll(&v1::Admin::Stub::GetPolicy, WhichPolicy());
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

int Client::PolicyHistory() {
  return PrintEach(AskAll(&v1::Admin::Stub::GetPolicy, WhichPolicy()),
                   [&](const v1::GetPolicyResponse& response) {
                     return RenderHistory(response, settings_.style);
                   });
}

Answers<v1::ApplyPolicyResponse> Client::Rehearse(
    const std::vector<std::string>& texts) {
  std::vector<v1::ApplyPolicyRequest> requests(targets_.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_text(texts[i]);
    requests[i].set_engine(settings_.engine);
    requests[i].set_dry_run(true);
  }
  return AskEach(&v1::Admin::Stub::ApplyPolicy, requests);
}

int Client::DiffPolicy(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) {
    Complain(std::string(text.status().message()));
    return kExitTrouble;
  }
  const auto answers =
      Rehearse(std::vector<std::string>(targets_.size(), *text));
  if (TellFailures(answers) != kExitOk) return kExitTrouble;
  PrintEach(answers, [&](const v1::ApplyPolicyResponse& response) {
    return RenderChange(response, settings_.style);
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
  return Replace(std::vector<std::string>(targets_.size(), *text), wanted);
}

int Client::RollBack(const PolicyRequest& wanted) {
  const auto now = AskAll(&v1::Admin::Stub::GetPolicy, WhichPolicy());
  if (TellFailures(now) != kExitOk) return kExitFailed;
  std::vector<v1::GetPolicyRequest> requests(targets_.size());
  for (size_t i = 0; i < targets_.size(); ++i) {
    requests[i] = WhichPolicy();
    requests[i].set_version(wanted.to_version);
    if (wanted.to_version != 0) continue;
    if (now[i].response.history_size() < 2) {
      Complain(absl::StrCat(now[i].target,
                            ": no earlier version is kept; nothing was "
                            "applied"));
      return kExitFailed;
    }
    requests[i].set_version(now[i].response.history(1).version());
  }
  const auto earlier = AskEach(&v1::Admin::Stub::GetPolicy, requests);
  if (TellFailures(earlier) != kExitOk) return kExitFailed;
  std::vector<std::string> texts;
  for (const auto& each : earlier) texts.push_back(each.response.text());
  return Replace(texts, wanted);
}

bool Client::MayApply(const Answers<v1::ApplyPolicyResponse>& rehearsed,
                      const PolicyRequest& wanted) const {
  bool may = true;
  for (const auto& each : rehearsed) {
    const v1::ApplyPolicyResponse& would = each.response;
    if (!each.error.empty()) {
      Complain(each.error);
      may = false;
    } else if (!wanted.force &&
               (HasError(would.findings()) || !would.lost_breakers().empty())) {
      if (targets_.size() > 1) std::cerr << "== " << each.target << "\n";
      std::cerr << RenderLost(would, Style())
                << RenderFindings(would.findings(), Style());
      Complain("--force applies it all the same");
      may = false;
    } else if (wanted.if_version != 0 && would.version() != wanted.if_version) {
      Complain(absl::StrCat(each.target, ": version ", would.version(),
                            " is in force; --if-version is ",
                            wanted.if_version));
      may = false;
    }
  }
  return may;
}

int Client::Replace(const std::vector<std::string>& texts,
                    const PolicyRequest& wanted) {
  // A dry run on all targets first: if one refuses, none gets the policy.
  const auto rehearsed = Rehearse(texts);
  if (!MayApply(rehearsed, wanted)) {
    Complain("nothing was applied");
    return kExitFailed;
  }
  std::vector<v1::ApplyPolicyRequest> requests(targets_.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_text(texts[i]);
    requests[i].set_engine(settings_.engine);
    requests[i].set_reason(settings_.reason);
    // Replaces only the version on which the dry run was made.
    requests[i].set_if_version(rehearsed[i].response.version());
  }
  const auto answers = AskEach(&v1::Admin::Stub::ApplyPolicy, requests);
  if (AllFailed(answers)) return kExitFailed;
  const int exit_code =
      PrintEach(answers, [&](const v1::ApplyPolicyResponse& response) {
        return absl::StrCat(RenderChange(response, settings_.style), "version ",
                            response.version(), " is in force\n");
      });
  const auto failed =
      std::count_if(answers.begin(), answers.end(),
                    [](const auto& each) { return !each.error.empty(); });
  if (failed > 0) {
    Complain(absl::StrCat("only ", answers.size() - static_cast<size_t>(failed),
                          " of ", answers.size(), " are known to have it"));
  }
  return exit_code;
}

}  // namespace firebreak::ctl
