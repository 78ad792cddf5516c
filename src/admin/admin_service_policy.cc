// The RPCs of the admin service about the policy as a whole, and about the one
// that may take its place.
#include "firebreak/admin_service.h"
#include "src/admin/engines.h"
#include "src/admin/message/answer.h"

namespace firebreak {

using admin::Answer;

grpc::ServerUnaryReactor* AdminService::GetPolicy(
    grpc::CallbackServerContext* context, const v1::GetPolicyRequest* request,
    v1::GetPolicyResponse* response) {
  const auto one = engines_->Of(request->engine(), "engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context,
                its.policies->Get(*context, *request, one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::ApplyPolicy(
    grpc::CallbackServerContext* context, const v1::ApplyPolicyRequest* request,
    v1::ApplyPolicyResponse* response) {
  const auto one = engines_->Of(request->engine(), "engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(
      context, its.policies->Apply(*context, *request, one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::SetCandidate(
    grpc::CallbackServerContext* context,
    const v1::SetCandidateRequest* request,
    v1::SetCandidateResponse* response) {
  const auto one = engines_->Of(request->engine(), "engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(
      context, its.candidates->Set(*context, *request, one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::ClearCandidate(
    grpc::CallbackServerContext* context,
    const v1::ClearCandidateRequest* request,
    v1::ClearCandidateResponse* response) {
  const auto one = engines_->Of(request->engine(), "engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.candidates->Clear(*context, *request, one.status(),
                                               response));
}

grpc::ServerUnaryReactor* AdminService::CompareCandidate(
    grpc::CallbackServerContext* context,
    const v1::CompareCandidateRequest* request,
    v1::CompareCandidateResponse* response) {
  const auto one =
      engines_->Of(request->selector().engine(), "selector.engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.candidates->Compare(*context, *request,
                                                 one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::PromoteCandidate(
    grpc::CallbackServerContext* context,
    const v1::PromoteCandidateRequest* request,
    v1::PromoteCandidateResponse* response) {
  const auto one = engines_->Of(request->engine(), "engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.candidates->Promote(*context, *request,
                                                 one.status(), response));
}

}  // namespace firebreak
