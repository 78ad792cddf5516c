#include "src/admin/control/policies.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/compat.h"

namespace firebreak::admin {
namespace {

std::string TextOf(const v1::PolicySet& policy) {
  return compat::Print(policy, google::protobuf::TextFormat::Printer());
}

template <class Response>
void AddFindings(const std::vector<LintFinding>& findings, Response* out) {
  for (const LintFinding& finding : findings) {
    v1::PolicyFinding* const view = out->add_findings();
    view->set_is_error(finding.severity == LintFinding::Severity::kError);
    view->set_where(ToUtf8(finding.where));
    view->set_problem(ToUtf8(finding.problem));
    view->set_fix(ToUtf8(finding.fix));
  }
}

}  // namespace

std::string Told(const PolicyChange& change) {
  constexpr size_t kMost = 3;
  if (!change.changed) {
    return absl::StrCat("version ", change.version,
                        " says the same, and stays");
  }
  std::string line =
      absl::StrCat("version ", change.version - 1, " -> ", change.version);
  const auto& all = change.differences;
  for (size_t i = 0; i < std::min(all.size(), kMost); ++i) {
    absl::StrAppend(&line, i == 0 ? ": " : "; ", all[i].path, ": ",
                    all[i].before.empty() ? "nothing" : all[i].before, " -> ",
                    all[i].after.empty() ? "nothing" : all[i].after);
  }
  const int64_t more = static_cast<int64_t>(all.size()) +
                       change.differences_left_out -
                       static_cast<int64_t>(kMost);
  if (more > 0) absl::StrAppend(&line, "; and ", more, " more");
  return line;
}

void FillChange(const PolicyChange& change, v1::ApplyPolicyResponse* response) {
  response->set_version(change.version);
  response->set_changed(change.changed);
  for (const PolicyDifference& each : change.differences) {
    v1::PolicyDifference* const view = response->add_differences();
    view->set_path(ToUtf8(each.path));
    view->set_before(ToUtf8(each.before));
    view->set_after(ToUtf8(each.after));
  }
  response->set_more_differences(change.differences_left_out);
  for (const std::string& each : change.lost_breakers) {
    response->add_lost_breakers(ToUtf8(each));
  }
  response->set_more_lost_breakers(change.lost_breakers_left_out);
  AddFindings(change.findings, response);
}

absl::Status Policies::Get(const grpc::CallbackServerContext& context,
                           const v1::GetPolicyRequest& request,
                           const absl::Status& which,
                           v1::GetPolicyResponse* response) const {
  absl::Status may = gate_->EnterToRead(context, "GetPolicy");
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  PolicyInForce now;
  std::vector<LintFinding> findings;
  do {  // until both are of one version
    now = core_->policies()->in_force();
    findings = core_->policies()->Lint();
  } while (core_->policies()->in_force().version != now.version);
  std::vector<PolicyInForce> kept = core_->policies()->history();
  if (kept.empty() || kept.front().version < now.version) {
    kept.insert(kept.begin(), now);
  }
  for (const PolicyInForce& each : kept) {
    v1::PolicyVersion* const view = response->add_history();
    view->set_version(each.version);
    view->set_source(ToUtf8(each.source));
    *view->mutable_since() = TimestampOf(each.since);
  }
  if (request.version() != 0 && request.version() != now.version) {
    const auto found = std::find_if(
        kept.begin(), kept.end(),
        [&](const auto& each) { return each.version == request.version(); });
    if (found == kept.end()) {
      return absl::NotFoundError(
          absl::StrCat("version: is ", request.version(), "; kept are [",
                       kept.back().version, ", ", kept.front().version, "]"));
    }
    now = *found;
    findings.clear();
  }
  *response->mutable_policy() = *now.policy;
  response->set_text(TextOf(*now.policy));
  response->set_version(now.version);
  response->set_source(ToUtf8(now.source));
  *response->mutable_since() = TimestampOf(now.since);
  AddFindings(findings, response);
  return absl::OkStatus();
}

absl::Status Policies::Apply(const grpc::CallbackServerContext& context,
                             const v1::ApplyPolicyRequest& request,
                             const absl::Status& which,
                             v1::ApplyPolicyResponse* response) {
  Gate::Visitor visitor;
  const absl::StatusOr<PolicyChange> change =
      given_.Take(context, request, which, &visitor,
                  [&](const absl::StatusOr<engine::PolicyTable>& policy,
                      const PolicyUpdate& how) {
                    return core_->policies()->UpdatePolicy(policy, how);
                  });
  if (!change.ok()) return change.status();
  if (change->changed && !request.dry_run()) {
    gate_->Changed(visitor, {}, "", "", Told(*change));
  }
  FillChange(*change, response);
  return absl::OkStatus();
}

}  // namespace firebreak::admin
