#include "src/admin/control/candidates.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "firebreak/policy_update.h"
#include "src/admin/message/paging.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/views/candidate_view.h"

namespace firebreak::admin {
namespace {

// Tells whether the live policy names a method too, in at least one channel.
class LiveNames {
 public:
  explicit LiveNames(const engine::PolicyTable& live) : live_(live) {
    live.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method, const core::MethodOptions&) {
      channels_.emplace(absl::StrCat(service, "/", method), channel);
    });
  }
  // An empty channel means any channel.
  bool Has(absl::string_view channel, absl::string_view service,
           absl::string_view method) const {
    const std::string path = absl::StrCat("/", service, "/", method);
    if (live_.FindForCall(channel, path) != nullptr) return true;
    if (!channel.empty()) return false;
    for (const std::string& each :
         {path.substr(1), absl::StrCat(service, "/"), std::string("/")}) {
      const auto found = channels_.find(each);
      if (found != channels_.end() &&
          live_.FindForCall(found->second, path) != nullptr) {
        return true;
      }
    }
    return false;
  }

 private:
  const engine::PolicyTable& live_;
  // For each name of the live policy, "package.Service/Method" with parts that
  // may be empty, one of its channels.
  std::map<std::string, std::string> channels_;
};

// Adds the methods that the candidate names in full and the live policy does
// not name at all, so that their calls are not seen.
void AddNotSeen(const engine::Candidate& candidate,
                const engine::PolicyTable& live,
                const v1::MethodSelector& selector,
                v1::CompareCandidateResponse* response) {
  constexpr size_t kMostNotSeen = 100;
  const LiveNames seen(live);
  std::set<std::string> names;
  candidate.policy.ForEachName(
      [&](absl::string_view channel, absl::string_view service,
          absl::string_view method, const core::MethodOptions&) {
        if (service.empty() || method.empty()) return;
        const bool is_selected = selector.channel().empty() ||
                                 channel.empty() ||
                                 channel == selector.channel();
        const std::string path = absl::StrCat("/", service, "/", method);
        if (is_selected && NamesMethod(selector.method(), path) &&
            !seen.Has(channel, service, method)) {
          names.insert(path);
        }
      });
  for (const std::string& each : names) {
    if (static_cast<size_t>(response->not_seen_size()) == kMostNotSeen) return;
    response->add_not_seen(ToUtf8(each));
  }
}

}  // namespace

absl::Status Candidates::Set(const grpc::CallbackServerContext& context,
                             const v1::SetCandidateRequest& request,
                             const absl::Status& which,
                             v1::SetCandidateResponse* response) {
  Gate::Visitor visitor;
  std::shared_ptr<engine::Candidate> set;
  const absl::StatusOr<PolicyChange> change =
      given_.Take(context, request, which, &visitor,
                  [&](const absl::StatusOr<engine::PolicyTable>& policy,
                      const PolicyUpdate& how) {
                    return core_->candidates()->Set(
                        policy, how, request.if_candidate(), &set);
                  });
  if (!change.ok()) return change.status();
  FillChange(*change, response->mutable_promoted());
  if (set == nullptr) return absl::OkStatus();
  gate_->Changed(visitor, {}, "", "",
                 absl::StrCat("candidate ", set->facts.id, " beside version ",
                              set->facts.live_version));
  *response->mutable_candidate() = CandidateView(*set, change->version);
  return absl::OkStatus();
}

absl::Status Candidates::Clear(const grpc::CallbackServerContext& context,
                               const v1::ClearCandidateRequest& request,
                               const absl::Status& which,
                               v1::ClearCandidateResponse* response) {
  Gate::Visitor visitor;
  absl::Status may = gate_->EnterToChange(
      context, "ClearCandidate", "ClearCandidate" + Because(request.reason()),
      {}, &visitor);
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  const auto gone = core_->candidates()->Clear(
      absl::StrCat("admin ", visitor.actor), request.if_candidate());
  if (!gone.ok()) return gone.status();
  gate_->Changed(visitor, {}, "", "",
                 absl::StrCat("candidate ", (*gone)->facts.id, " is cleared"));
  *response->mutable_candidate() =
      CandidateView(**gone, core_->policies()->in_force().version);
  return absl::OkStatus();
}

absl::Status Candidates::Compare(const grpc::CallbackServerContext& context,
                                 const v1::CompareCandidateRequest& request,
                                 const absl::Status& which,
                                 v1::CompareCandidateResponse* response) const {
  absl::Status may = gate_->EnterToRead(context, "CompareCandidate");
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  Pager pager;
  absl::Status valid = pager.Read(request.page_size(), request.page_token());
  if (valid.ok()) {
    valid = CheckChannel(*core_, request.selector().channel());
  }
  if (!valid.ok()) return valid;
  const core::Time now = core_->Now();
  *response->mutable_as_of() = TimestampOf(now);
  const std::shared_ptr<engine::Candidate> candidate =
      core_->candidates()->current();
  if (candidate == nullptr) return absl::OkStatus();
  *response->mutable_candidate() =
      CandidateView(*candidate, core_->policies()->in_force().version);
  const std::vector<Selected> methods = SelectAll(*core_, request.selector());
  std::vector<SortKey> keys;
  keys.reserve(methods.size());
  for (const Selected& each : methods) {
    keys.push_back(
        SortKey::Of(0, {each.runtime->channel, each.runtime->method}));
  }
  const engine::PolicyTable live = core_->policy();
  for (size_t i : pager.Cut(keys)) {
    *response->add_methods() =
        CandidateMethodView(*candidate, live, *methods[i].runtime, now);
  }
  response->set_next_page_token(pager.next_token());
  if (request.page_token().empty()) {
    AddNotSeen(*candidate, live, request.selector(), response);
  }
  return absl::OkStatus();
}

absl::Status Candidates::Promote(const grpc::CallbackServerContext& context,
                                 const v1::PromoteCandidateRequest& request,
                                 const absl::Status& which,
                                 v1::PromoteCandidateResponse* response) {
  Gate::Visitor visitor;
  absl::Status may = gate_->EnterToChange(
      context, "PromoteCandidate",
      "PromoteCandidate" + Because(request.reason()), {}, &visitor);
  // An authorizer that refuses ApplyPolicy by name must also be able to refuse
  // this, since it does the same.
  if (may.ok()) {
    may = gate_->EnterToChange(context, "ApplyPolicy", visitor.action, {},
                               &visitor);
  }
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  engine::CandidateStore::Promotion how;
  how.force = request.force();
  how.if_id = request.if_candidate();
  how.source = absl::StrCat("admin ", visitor.actor);
  absl::StatusOr<PolicyChange> change = core_->candidates()->Promote(how);
  if (!change.ok()) return change.status();
  gate_->Changed(visitor, {}, "", "", Told(*change));
  FillChange(*change, response->mutable_applied());
  return absl::OkStatus();
}

}  // namespace firebreak::admin
