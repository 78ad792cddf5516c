#include "firebreak/admin_service.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "src/admin/authorize.h"
#include "src/admin/event_streams.h"
#include "src/admin/method_view.h"
#include "src/admin/nearest.h"
#include "src/admin/selector.h"
#include "src/admin/status.h"
#include "src/core/options.h"
#include "src/engine/clock.h"
#include "src/engine/engine_core.h"

namespace firebreak {
namespace {

using admin::Selected;

constexpr int64_t kMaxOverrideSeconds = int64_t{30} * 24 * 3600;

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(admin::ToGrpc(status));
  return reactor;
}

std::string StateName(v1::BreakerState state) {
  const std::string& name = v1::BreakerState_Name(state);
  return name.empty() ? absl::StrCat(static_cast<int>(state)) : name;
}

// Nothing when the request sets none.
absl::optional<core::Duration> OverrideDuration(
    const v1::SetOverrideRequest& request, core::FieldErrors* errors) {
  if (!request.has_duration()) return absl::nullopt;
  const int64_t seconds = request.duration().seconds();
  const int64_t nanos = request.duration().nanos();
  const bool positive = seconds >= 0 && nanos >= 0 && seconds + nanos > 0;
  const bool over = seconds > kMaxOverrideSeconds ||
                    (seconds == kMaxOverrideSeconds && nanos > 0);
  if (!positive || over || nanos >= 1'000'000'000) {
    errors->push_back(
        {"duration",
         absl::StrCat("is ", seconds, "s",
                      nanos == 0 ? "" : absl::StrCat(" and ", nanos, "ns"),
                      "; allowed (0, 30 days]")});
    return absl::nullopt;
  }
  return std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos);
}

// The breakers that a change is about; at least one.
absl::StatusOr<std::vector<Selected>> SelectBreakers(
    const engine::EngineCore& core, const v1::MethodSelector& selector) {
  if (selector.method() == engine::kAllMethods) {
    return admin::SelectShared(core, selector);
  }
  absl::StatusOr<std::vector<Selected>> selected =
      admin::SelectMethod(core, selector);
  if (!selected.ok()) return selected;
  for (const Selected& each : *selected) {
    if (!each.breakers.empty()) return selected;
  }
  // Known from SetFallback() only.
  return absl::FailedPreconditionError(
      absl::StrCat(selected->front().runtime->method,
                   " has not been called yet, so it has no breaker"));
}

// Does `change(breaker)` to each of them, and adds those to `views` for which
// it is true.
template <class Change, class Views>
void ForEachBreaker(const std::vector<Selected>& selected, Change change,
                    Views* views) {
  for (const Selected& each : selected) {
    for (core::Breaker* breaker : each.breakers) {
      const core::Time now = engine::Now();
      if (!change(breaker, now)) continue;
      *views->Add() = admin::BreakerView(breaker, now);
    }
  }
}

}  // namespace

AdminService::AdminService(const std::shared_ptr<Engine>& engine,
                           AdminOptions options)
    : core_(engine->core()),
      options_(std::move(options)),
      streams_(admin::EventStreams::Create(core_)) {}

AdminService::~AdminService() = default;

void AdminService::Shutdown() { streams_->Shutdown(); }

absl::Status AdminService::Authorize(
    const std::string& rpc, const grpc::CallbackServerContext& context) const {
  AdminChange change;
  change.rpc = rpc;
  change.peer = context.peer();
  change.context = &context;
  return options_.authorizer
             ? options_.authorizer(change)
             : admin::AuthorizePeer(change.peer, options_.allow_loopback);
}

grpc::ServerUnaryReactor* AdminService::ListMethods(
    grpc::CallbackServerContext* context, const v1::ListMethodsRequest* request,
    v1::ListMethodsResponse* response) {
  const core::Time now = engine::Now();
  for (const Selected& each : admin::SelectAll(*core_, request->selector())) {
    *response->add_methods() = admin::MethodView(each, now);
  }
  *response->mutable_as_of() = admin::TimestampOf(now);
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminService::GetMethod(
    grpc::CallbackServerContext* context, const v1::GetMethodRequest* request,
    v1::GetMethodResponse* response) {
  absl::StatusOr<std::vector<Selected>> selected =
      admin::SelectMethod(*core_, request->selector());
  if (!selected.ok()) return Answer(context, selected.status());
  if (selected->size() > 1) {
    return Answer(context,
                  absl::InvalidArgumentError(absl::StrCat(
                      "selector.channel: is \"\"; allowed one of ",
                      absl::StrJoin(*selected, ", ",
                                    [](std::string* out, const Selected& each) {
                                      absl::StrAppend(
                                          out,
                                          admin::Quote(each.runtime->channel));
                                    }),
                      ", which all have ", selected->front().runtime->method)));
  }
  const core::Time now = engine::Now();
  *response->mutable_method() = admin::MethodView(selected->front(), now);
  *response->mutable_as_of() = admin::TimestampOf(now);
  return Answer(context, absl::OkStatus());
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* AdminService::WatchEvents(
    grpc::CallbackServerContext* /*context*/,
    const v1::WatchEventsRequest* request) {
  return streams_->Open(*request);
}

grpc::ServerUnaryReactor* AdminService::SetOverride(
    grpc::CallbackServerContext* context, const v1::SetOverrideRequest* request,
    v1::SetOverrideResponse* response) {
  absl::Status may = Authorize("SetOverride", *context);
  if (!may.ok()) return Answer(context, may);
  core::FieldErrors errors;
  const bool open = request->state() == v1::BREAKER_STATE_FORCED_OPEN;
  if (!open && request->state() != v1::BREAKER_STATE_FORCED_CLOSED) {
    errors.push_back(
        {"state", absl::StrCat("is ", StateName(request->state()),
                               "; allowed BREAKER_STATE_FORCED_OPEN or "
                               "BREAKER_STATE_FORCED_CLOSED")});
  }
  const absl::optional<core::Duration> duration =
      OverrideDuration(*request, &errors);
  if (!errors.empty()) return Answer(context, core::ToStatus(errors));
  absl::StatusOr<std::vector<Selected>> selected =
      SelectBreakers(*core_, request->selector());
  if (!selected.ok()) return Answer(context, selected.status());
  ForEachBreaker(
      *selected,
      [&](core::Breaker* breaker, core::Time now) {
        if (open) {
          breaker->ForceOpen(duration, now);
        } else {
          breaker->ForceClosed(duration, now);
        }
        return true;
      },
      response->mutable_breakers());
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminService::ClearOverride(
    grpc::CallbackServerContext* context,
    const v1::ClearOverrideRequest* request,
    v1::ClearOverrideResponse* response) {
  absl::Status may = Authorize("ClearOverride", *context);
  if (!may.ok()) return Answer(context, may);
  absl::StatusOr<std::vector<Selected>> selected =
      SelectBreakers(*core_, request->selector());
  if (!selected.ok()) return Answer(context, selected.status());
  ForEachBreaker(
      *selected,
      [](core::Breaker* breaker, core::Time now) {
        return breaker->ClearOverride(now);
      },
      response->mutable_breakers());
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminService::ResetMethod(
    grpc::CallbackServerContext* context, const v1::ResetMethodRequest* request,
    v1::ResetMethodResponse* response) {
  absl::Status may = Authorize("ResetMethod", *context);
  if (!may.ok()) return Answer(context, may);
  absl::StatusOr<std::vector<Selected>> selected =
      SelectBreakers(*core_, request->selector());
  if (!selected.ok()) return Answer(context, selected.status());
  ForEachBreaker(
      *selected,
      [](core::Breaker* breaker, core::Time now) {
        breaker->Reset(now);
        return true;
      },
      response->mutable_breakers());
  return Answer(context, absl::OkStatus());
}

}  // namespace firebreak
