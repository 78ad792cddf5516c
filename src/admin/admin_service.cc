#include "firebreak/admin_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/admin/alerts.h"
#include "src/admin/changes.h"
#include "src/admin/event_streams.h"
#include "src/admin/gate.h"
#include "src/admin/health_reporter.h"
#include "src/admin/health_view.h"
#include "src/admin/method_view.h"
#include "src/admin/nearest.h"
#include "src/admin/paging.h"
#include "src/admin/policies.h"
#include "src/admin/rates.h"
#include "src/admin/selector.h"
#include "src/admin/status.h"
#include "src/admin/text.h"
#include "src/admin/time_view.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"

namespace firebreak {
namespace {

using admin::Pager;
using admin::Selected;
using admin::SortKey;

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(admin::ToGrpc(status));
  return reactor;
}

SortKey KeyOf(double rank, const Selected& each) {
  return SortKey::Of(rank, {each.runtime->channel, each.runtime->method});
}

absl::Status List(const engine::EngineCore& core, const admin::Rates& rates,
                  const v1::ListMethodsRequest& request,
                  v1::ListMethodsResponse* response) {
  const v1::MethodOrder order = request.order();
  if (order != v1::METHOD_ORDER_UNSPECIFIED &&
      order != v1::METHOD_ORDER_WORST_FIRST) {
    return absl::InvalidArgumentError(
        absl::StrCat("order: is ", static_cast<int>(order),
                     "; allowed METHOD_ORDER_WORST_FIRST, or none"));
  }
  Pager pager;
  absl::Status read = pager.Read(request.page_size(), request.page_token());
  if (!read.ok()) return read;
  const core::Time now = engine::Now();
  const std::vector<Selected> methods =
      admin::SelectAll(core, request.selector());
  std::vector<SortKey> keys;
  for (const Selected& each : methods) {
    const double rank = order == v1::METHOD_ORDER_WORST_FIRST
                            ? admin::HealthOf(each, &rates, now).score
                            : 0;
    keys.push_back(KeyOf(rank, each));
  }
  for (size_t i : pager.Cut(keys)) {
    *response->add_methods() = admin::MethodView(methods[i], now, &rates);
  }
  response->set_next_page_token(pager.next_token());
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

absl::Status Get(const engine::EngineCore& core, const admin::Rates& rates,
                 const v1::GetMethodRequest& request,
                 v1::GetMethodResponse* response) {
  absl::StatusOr<std::vector<Selected>> selected =
      admin::SelectMethod(core, request.selector());
  if (!selected.ok()) return selected.status();
  if (selected->size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "selector.channel: is \"\"; allowed one of ",
        absl::StrJoin(*selected, ", ",
                      [](std::string* out, const Selected& each) {
                        absl::StrAppend(out,
                                        admin::Quote(each.runtime->channel));
                      }),
        ", which all have ", selected->front().runtime->method));
  }
  const core::Time now = engine::Now();
  *response->mutable_method() =
      admin::MethodView(selected->front(), now, &rates);
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

absl::Status Judge(const engine::EngineCore& core, const admin::Rates& rates,
                   const v1::GetHealthRequest& request,
                   v1::GetHealthResponse* response) {
  Pager pager;
  absl::Status read = pager.Read(request.page_size(), request.page_token());
  if (!read.ok()) return read;
  const core::Time now = engine::Now();
  const std::vector<Selected> methods =
      admin::SelectAll(core, request.selector());
  std::vector<core::Health> healths;
  std::vector<SortKey> keys;
  core::HealthCounts counts;
  for (const Selected& each : methods) {
    healths.push_back(admin::HealthOf(each, &rates, now));
    keys.push_back(KeyOf(healths.back().score, each));
    counts.Add(healths.back().level);
  }
  response->set_level(admin::LevelView(counts.level()));
  response->set_healthy(counts.healthy);
  response->set_degraded(counts.degraded);
  response->set_unhealthy(counts.unhealthy);
  for (size_t i : pager.Cut(keys)) {
    v1::GetHealthResponse::MethodHealth* const out = response->add_methods();
    out->set_channel(admin::ToUtf8(methods[i].runtime->channel));
    out->set_method(admin::ToUtf8(methods[i].runtime->method));
    *out->mutable_health() = admin::HealthView(healths[i]);
  }
  response->set_next_page_token(pager.next_token());
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

absl::Status Warn(const engine::EngineCore& core, const admin::Rates& rates,
                  const AlertLimits& limits,
                  const v1::ListAlertsRequest& request,
                  v1::ListAlertsResponse* response) {
  if (!v1::AlertSeverity_IsValid(request.min_severity())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "min_severity: is ", static_cast<int>(request.min_severity()),
        "; allowed ALERT_SEVERITY_WARNING or "
        "ALERT_SEVERITY_CRITICAL, or none"));
  }
  Pager pager;
  absl::Status read = pager.Read(request.page_size(), request.page_token());
  if (!read.ok()) return read;
  const core::Time now = engine::Now();
  std::vector<v1::Alert> alerts = admin::FindAlerts(
      admin::SelectAll(core, request.selector()), limits, rates, now);
  if (request.selector().channel().empty() &&
      request.selector().method().empty()) {
    admin::AddPolicyAlert(core.policy_stats(), &alerts);
  }
  alerts.erase(std::remove_if(alerts.begin(), alerts.end(),
                              [&](const v1::Alert& each) {
                                return each.severity() < request.min_severity();
                              }),
               alerts.end());
  std::vector<SortKey> keys;
  for (const v1::Alert& each : alerts) {
    // So many digits each, so that they sort as numbers.
    const double rank = 100 * (9 - each.severity()) + each.kind();
    keys.push_back(
        SortKey::Of(rank, {each.channel(), each.method(), each.target()}));
  }
  for (size_t i : pager.Cut(keys)) *response->add_alerts() = alerts[i];
  response->set_next_page_token(pager.next_token());
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

}  // namespace

AdminService::AdminService(const std::shared_ptr<Engine>& engine,
                           const AdminOptions& options)
    : core_(engine->core()),
      limits_(options.alerts),
      gate_(std::make_shared<admin::Gate>(core_, options)),
      changes_(std::make_unique<admin::Changes>(core_, gate_)),
      policies_(std::make_unique<admin::Policies>(core_, gate_)),
      rates_(admin::Rates::Create(core_)),
      streams_(admin::EventStreams::Create(core_)),
      reporter_(admin::HealthReporter::Create(core_, rates_)) {
  rates_->Start();
}

AdminService::~AdminService() = default;

void AdminService::Shutdown() {
  reporter_->Stop();
  streams_->Shutdown();
}

void AdminService::ReportHealthTo(grpc::HealthCheckServiceInterface* health,
                                  const std::string& service) {
  if (health != nullptr) reporter_->Start(health, service);
}

grpc::ServerUnaryReactor* AdminService::ListMethods(
    grpc::CallbackServerContext* context, const v1::ListMethodsRequest* request,
    v1::ListMethodsResponse* response) {
  absl::Status status = gate_->EnterToRead(*context, "ListMethods");
  if (status.ok()) status = List(*core_, *rates_, *request, response);
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::GetMethod(
    grpc::CallbackServerContext* context, const v1::GetMethodRequest* request,
    v1::GetMethodResponse* response) {
  absl::Status status = gate_->EnterToRead(*context, "GetMethod");
  if (status.ok()) status = Get(*core_, *rates_, *request, response);
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::GetHealth(
    grpc::CallbackServerContext* context, const v1::GetHealthRequest* request,
    v1::GetHealthResponse* response) {
  absl::Status status = gate_->EnterToRead(*context, "GetHealth");
  if (status.ok()) status = Judge(*core_, *rates_, *request, response);
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::ListAlerts(
    grpc::CallbackServerContext* context, const v1::ListAlertsRequest* request,
    v1::ListAlertsResponse* response) {
  absl::Status status = gate_->EnterToRead(*context, "ListAlerts");
  if (status.ok()) status = Warn(*core_, *rates_, limits_, *request, response);
  return Answer(context, status);
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* AdminService::WatchEvents(
    grpc::CallbackServerContext* context,
    const v1::WatchEventsRequest* request) {
  return streams_->Open(context, *request,
                        gate_->EnterToRead(*context, "WatchEvents"));
}

grpc::ServerUnaryReactor* AdminService::SetOverride(
    grpc::CallbackServerContext* context, const v1::SetOverrideRequest* request,
    v1::SetOverrideResponse* response) {
  return Answer(context, changes_->SetOverride(*context, *request, response));
}

grpc::ServerUnaryReactor* AdminService::ClearOverride(
    grpc::CallbackServerContext* context,
    const v1::ClearOverrideRequest* request,
    v1::ClearOverrideResponse* response) {
  return Answer(context, changes_->ClearOverride(*context, *request, response));
}

grpc::ServerUnaryReactor* AdminService::ResetMethod(
    grpc::CallbackServerContext* context, const v1::ResetMethodRequest* request,
    v1::ResetMethodResponse* response) {
  return Answer(context, changes_->ResetMethod(*context, *request, response));
}

grpc::ServerUnaryReactor* AdminService::GetPolicy(
    grpc::CallbackServerContext* context, const v1::GetPolicyRequest* request,
    v1::GetPolicyResponse* response) {
  return Answer(context, policies_->Get(*context, *request, response));
}

grpc::ServerUnaryReactor* AdminService::ApplyPolicy(
    grpc::CallbackServerContext* context, const v1::ApplyPolicyRequest* request,
    v1::ApplyPolicyResponse* response) {
  return Answer(context, policies_->Apply(*context, *request, response));
}

}  // namespace firebreak
