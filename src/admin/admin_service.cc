#include "firebreak/admin_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/admin/engines.h"
#include "src/admin/health/alerts.h"
#include "src/admin/health/health_reporter.h"
#include "src/admin/health/health_view.h"
#include "src/admin/health/rates.h"
#include "src/admin/message/answer.h"
#include "src/admin/message/paging.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/status.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/views/candidate_view.h"
#include "src/admin/views/decisions.h"
#include "src/admin/views/method_view.h"
#include "src/engine/engine_core.h"

namespace firebreak {
namespace {

using admin::Answer;
using admin::Pager;
using admin::Selected;
using admin::SortKey;

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
  const core::Time now = core.Now();
  const std::vector<Selected> methods =
      admin::SelectAll(core, request.selector());
  std::vector<SortKey> keys;
  std::vector<admin::MethodHealth> healths;
  for (const Selected& each : methods) {
    double rank = 0;
    if (order == v1::METHOD_ORDER_WORST_FIRST) {
      healths.push_back(admin::HealthOf(each, &rates, now));
      rank = healths.back().health.score;
    }
    keys.push_back(KeyOf(rank, each));
  }
  for (size_t i : pager.Cut(keys)) {
    *response->add_methods() =
        healths.empty() ? admin::MethodView(methods[i], now, &rates)
                        : admin::MethodView(methods[i], now, healths[i]);
  }
  response->set_next_page_token(pager.next_token());
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

// Returns the one method that the selector names.
absl::StatusOr<Selected> SelectOne(const engine::EngineCore& core,
                                   const v1::MethodSelector& selector) {
  absl::StatusOr<std::vector<Selected>> selected =
      admin::SelectMethod(core, selector);
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
  return selected->front();
}

absl::Status Get(const engine::EngineCore& core, const admin::Rates& rates,
                 const v1::GetMethodRequest& request,
                 v1::GetMethodResponse* response) {
  const absl::StatusOr<Selected> one = SelectOne(core, request.selector());
  if (!one.ok()) return one.status();
  const core::Time now = core.Now();
  *response->mutable_method() = admin::MethodView(*one, now, &rates);
  if (const auto candidate = core.candidates()->current()) {
    *response->mutable_method()->mutable_candidate() =
        admin::CandidateMethodView(*candidate, core.policy(), *one->runtime,
                                   now);
  }
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

absl::Status Judge(const engine::EngineCore& core, const admin::Rates& rates,
                   const v1::GetHealthRequest& request,
                   v1::GetHealthResponse* response) {
  Pager pager;
  absl::Status read = pager.Read(request.page_size(), request.page_token());
  if (!read.ok()) return read;
  const core::Time now = core.Now();
  const std::vector<Selected> methods =
      admin::SelectAll(core, request.selector());
  std::vector<core::Health> healths;
  std::vector<SortKey> keys;
  core::HealthCounts counts;
  for (const Selected& each : methods) {
    healths.push_back(admin::HealthOf(each, &rates, now).health);
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
  const core::Time now = core.Now();
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
    // Each part has a fixed number of digits, so that they sort as numbers.
    const double rank = 100 * (9 - each.severity()) + each.kind();
    keys.push_back(
        SortKey::Of(rank, {each.channel(), each.method(), each.target()}));
  }
  for (size_t i : pager.Cut(keys)) *response->add_alerts() = alerts[i];
  response->set_next_page_token(pager.next_token());
  *response->mutable_as_of() = admin::TimestampOf(now);
  return absl::OkStatus();
}

// Adds up the counts of all engines, whatever page is requested.
absl::Status CountAll(const std::vector<const admin::OneEngine*>& engines,
                      const v1::GetHealthRequest& request,
                      v1::GetHealthResponse* response) {
  core::HealthCounts counts;
  for (const admin::OneEngine* each : engines) {
    v1::GetHealthRequest one = request;
    one.clear_page_token();
    one.set_page_size(1);
    v1::GetHealthResponse part;
    absl::Status status = Judge(*each->core, *each->rates, one, &part);
    if (!status.ok()) return status;
    counts.healthy += part.healthy();
    counts.degraded += part.degraded();
    counts.unhealthy += part.unhealthy();
  }
  response->set_level(admin::LevelView(counts.level()));
  response->set_healthy(counts.healthy);
  response->set_degraded(counts.degraded);
  response->set_unhealthy(counts.unhealthy);
  return absl::OkStatus();
}

// Authorizes a read, and then asks the engines that it is about, in turn.
template <class Request, class Response, class Ask>
absl::Status Read(const grpc::CallbackServerContext& context,
                  const admin::Engines& engines, const std::string& rpc,
                  const Request& request, Response* response, const Ask& ask) {
  const v1::MethodSelector& selector = request.selector();
  auto chosen = engines.Named(selector.engine());
  const admin::OneEngine& first =
      chosen.ok() ? *chosen->front() : *engines.all().front();
  absl::Status may = first.gate->EnterToRead(context, rpc);
  if (!may.ok()) return may;
  if (!chosen.ok()) return chosen.status();
  return admin::AskInTurn(
      *chosen, request, response,
      [&](const admin::OneEngine& one, const Request& asked, Response* answer) {
        const absl::Status known =
            admin::CheckChannel(*one.core, selector.channel());
        return known.ok() ? ask(one, asked, answer) : known;
      });
}

std::vector<admin::HealthReporter::Source> SourcesOf(
    const admin::Engines& engines) {
  std::vector<admin::HealthReporter::Source> sources;
  for (const auto& each : engines.all()) {
    sources.push_back({each->core, each->rates});
  }
  return sources;
}

}  // namespace

AdminService::AdminService(const std::shared_ptr<Engine>& engine,
                           const AdminOptions& options)
    : AdminService(std::vector<NamedEngine>{{"", engine}}, options) {}

AdminService::AdminService(const std::vector<NamedEngine>& engines,
                           const AdminOptions& options)
    : limits_(options.alerts),
      engines_(std::make_unique<admin::Engines>(engines, options)),
      reporter_(admin::HealthReporter::Create(SourcesOf(*engines_))) {}

AdminService::~AdminService() = default;

void AdminService::Shutdown() {
  reporter_->Stop();
  for (const auto& each : engines_->all()) {
    each->streams->Shutdown();
    each->recorder->Shutdown();
  }
}

void AdminService::ReportHealthTo(grpc::HealthCheckServiceInterface* health,
                                  const std::string& service) {
  if (health != nullptr) reporter_->Start(health, service);
}

grpc::ServerUnaryReactor* AdminService::ListMethods(
    grpc::CallbackServerContext* context, const v1::ListMethodsRequest* request,
    v1::ListMethodsResponse* response) {
  return Answer(
      context,
      Read(*context, *engines_, "ListMethods", *request, response,
           [](const admin::OneEngine& one, const v1::ListMethodsRequest& asked,
              v1::ListMethodsResponse* answer) {
             return List(*one.core, *one.rates, asked, answer);
           }));
}

grpc::ServerUnaryReactor* AdminService::GetMethod(
    grpc::CallbackServerContext* context, const v1::GetMethodRequest* request,
    v1::GetMethodResponse* response) {
  const auto one = engines_->With(request->selector());
  const admin::OneEngine& its = engines_->OrFirst(one);
  absl::Status status = its.gate->EnterToRead(*context, "GetMethod");
  if (status.ok()) status = one.status();
  if (status.ok()) status = Get(*its.core, *its.rates, *request, response);
  if (status.ok()) response->mutable_method()->set_engine(its.name);
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::ListDecisions(
    grpc::CallbackServerContext* context,
    const v1::ListDecisionsRequest* request,
    v1::ListDecisionsResponse* response) {
  const auto one = engines_->With(request->selector());
  const admin::OneEngine& its = engines_->OrFirst(one);
  absl::Status status = its.gate->EnterToRead(*context, "ListDecisions");
  if (status.ok()) status = one.status();
  if (status.ok()) status = admin::CheckLast(*request);
  if (status.ok()) {
    const auto method = SelectOne(*its.core, request->selector());
    status = method.status();
    if (status.ok()) {
      admin::ListDecisions(*method, *request, its.core->Now(), response);
    }
  }
  if (status.ok()) response->set_engine(its.name);
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::GetHealth(
    grpc::CallbackServerContext* context, const v1::GetHealthRequest* request,
    v1::GetHealthResponse* response) {
  absl::Status status =
      Read(*context, *engines_, "GetHealth", *request, response,
           [](const admin::OneEngine& one, const v1::GetHealthRequest& asked,
              v1::GetHealthResponse* answer) {
             return Judge(*one.core, *one.rates, asked, answer);
           });
  const auto chosen = engines_->Named(request->selector().engine());
  if (status.ok() && chosen->size() > 1) {
    status = CountAll(*chosen, *request, response);
  }
  return Answer(context, status);
}

grpc::ServerUnaryReactor* AdminService::ListAlerts(
    grpc::CallbackServerContext* context, const v1::ListAlertsRequest* request,
    v1::ListAlertsResponse* response) {
  return Answer(context,
                Read(*context, *engines_, "ListAlerts", *request, response,
                     [this](const admin::OneEngine& one,
                            const v1::ListAlertsRequest& asked,
                            v1::ListAlertsResponse* answer) {
                       return Warn(*one.core, *one.rates, limits_, asked,
                                   answer);
                     }));
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* AdminService::WatchEvents(
    grpc::CallbackServerContext* context,
    const v1::WatchEventsRequest* request) {
  const auto one =
      engines_->Of(request->selector().engine(), "selector.engine");
  const admin::OneEngine& its = engines_->OrFirst(one);
  absl::Status may = its.gate->EnterToRead(*context, "WatchEvents");
  if (may.ok()) may = one.status();
  return its.streams->Open(context, *request, may);
}

grpc::ServerWriteReactor<v1::RecordCallsResponse>* AdminService::RecordCalls(
    grpc::CallbackServerContext* context,
    const v1::RecordCallsRequest* request) {
  const auto one =
      engines_->Of(request->selector().engine(), "selector.engine");
  return engines_->OrFirst(one).recorder->Open(context, *request, one.status());
}

// The caller is authorized before the engine is looked up, since an error names
// what exists.
grpc::ServerUnaryReactor* AdminService::SetOverride(
    grpc::CallbackServerContext* context, const v1::SetOverrideRequest* request,
    v1::SetOverrideResponse* response) {
  const auto one = engines_->With(request->selector());
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.changes->SetOverride(*context, *request,
                                                  one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::ClearOverride(
    grpc::CallbackServerContext* context,
    const v1::ClearOverrideRequest* request,
    v1::ClearOverrideResponse* response) {
  const auto one = engines_->With(request->selector());
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.changes->ClearOverride(*context, *request,
                                                    one.status(), response));
}

grpc::ServerUnaryReactor* AdminService::ResetMethod(
    grpc::CallbackServerContext* context, const v1::ResetMethodRequest* request,
    v1::ResetMethodResponse* response) {
  const auto one = engines_->With(request->selector());
  const admin::OneEngine& its = engines_->OrFirst(one);
  return Answer(context, its.changes->ResetMethod(*context, *request,
                                                  one.status(), response));
}

}  // namespace firebreak
