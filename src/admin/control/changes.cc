#include "src/admin/control/changes.h"

#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/views/method_view.h"
#include "src/core/base/duration.h"
#include "src/core/options.h"
#include "src/engine/policy/idempotency.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::admin {
namespace {

constexpr core::Duration kLongestOverride = std::chrono::hours(30 * 24);

std::string StateName(v1::BreakerState state) {
  const std::string& name = v1::BreakerState_Name(state);
  return name.empty() ? absl::StrCat(static_cast<int>(state)) : name;
}

// nullopt if the request sets none.
absl::optional<core::Duration> OverrideDuration(
    const v1::SetOverrideRequest& request, core::FieldErrors* errors) {
  if (!request.has_duration()) return absl::nullopt;
  const auto duration =
      DurationIn(request.duration(), core::Duration(1), kLongestOverride);
  if (!duration.has_value()) {
    const int64_t nanos = request.duration().nanos();
    errors->push_back(
        {"duration",
         absl::StrCat("is ", request.duration().seconds(), "s",
                      nanos == 0 ? "" : absl::StrCat(" and ", nanos, "ns"),
                      "; allowed (0, 30 days]")});
  }
  return duration;
}

// Selects the breakers to change; at least one.
absl::StatusOr<std::vector<Selected>> SelectBreakers(
    const engine::EngineCore& core, const v1::MethodSelector& selector) {
  if (selector.method() == engine::kAllMethods) {
    return SelectShared(core, selector);
  }
  absl::StatusOr<std::vector<Selected>> selected = SelectMethod(core, selector);
  if (!selected.ok()) return selected;
  bool any = false;
  for (const Selected& each : *selected) {
    any = any || !each.breakers.empty();
    for (const core::Breaker* breaker : each.breakers) {
      if (breaker->identity().method != engine::kAllMethods) continue;
      // A caller who names one method does not mean all the others.
      return absl::FailedPreconditionError(absl::StrCat(
          each.runtime->method, " shares its breaker with all of the channel ",
          Quote(each.runtime->channel), " (scope: CHANNEL); use the method ",
          Quote(engine::kAllMethods), " to change that"));
    }
  }
  if (any) return selected;
  // The method is only known from SetFallback().
  return absl::FailedPreconditionError(
      absl::StrCat(selected->front().runtime->method,
                   " has no breaker: its policy has none, or it has not been "
                   "called yet"));
}

}  // namespace

absl::Status Changes::Enter(const grpc::CallbackServerContext& context,
                            const std::string& rpc, const std::string& action,
                            const v1::MethodSelector& selector,
                            Gate::Visitor* visitor) {
  return gate_->EnterToChange(
      context, rpc, action,
      {selector.channel(), selector.target(), selector.method()}, visitor);
}

void Changes::Prepare(const v1::MethodSelector& selector) {
  // The full name "/pkg.Service/Method", with or without the first slash.
  const std::string path =
      absl::StrCat("/", absl::StripPrefix(selector.method(), "/"));
  const size_t slash = path.rfind('/');
  if (slash == 0) return;
  const bool is_linked = engine::FindDescriptor(path) != nullptr;
  const engine::PolicyTable policy = core_->policy();
  for (const std::string& channel : core_->channels()->Names()) {
    if (!selector.channel().empty() && selector.channel() != channel) continue;
    if (!is_linked && !policy.NamesMethod(channel, path)) continue;
    core_->Prepare(channel, path);
  }
}

absl::Status Changes::Apply(const Gate::Visitor& visitor,
                            const v1::MethodSelector& selector,
                            const Change& change, Breakers* changed) {
  Prepare(selector);
  absl::StatusOr<std::vector<Selected>> selected =
      SelectBreakers(*core_, selector);
  if (!selected.ok()) return selected.status();
  for (const Selected& each : *selected) {
    for (core::Breaker* breaker : each.breakers) {
      const core::Time now = core_->Now();
      const core::BreakerState before = breaker->Snapshot(now).state;
      if (!change(breaker, now)) continue;
      const core::Breaker::Identity& identity = breaker->identity();
      gate_->Changed(visitor,
                     {identity.channel, identity.target, identity.method},
                     core::BreakerStateName(before),
                     core::BreakerStateName(breaker->Snapshot(now).state));
      *changed->Add() = BreakerView(breaker, now);
    }
  }
  return absl::OkStatus();
}

absl::Status Changes::SetOverride(const grpc::CallbackServerContext& context,
                                  const v1::SetOverrideRequest& request,
                                  const absl::Status& which,
                                  v1::SetOverrideResponse* response) {
  core::FieldErrors errors;
  const bool open = request.state() == v1::BREAKER_STATE_FORCED_OPEN;
  const std::string state = StateName(request.state());
  if (!open && request.state() != v1::BREAKER_STATE_FORCED_CLOSED) {
    errors.push_back({"state", absl::StrCat("is ", state,
                                            "; allowed "
                                            "BREAKER_STATE_FORCED_OPEN or "
                                            "BREAKER_STATE_FORCED_CLOSED")});
  }
  const absl::optional<core::Duration> duration =
      OverrideDuration(request, &errors);
  std::string action =
      absl::StrCat("SetOverride ", absl::StripPrefix(state, "BREAKER_STATE_"));
  if (duration.has_value()) {
    absl::StrAppend(&action, " for ", core::FormatDuration(*duration));
  }
  action += Because(request.reason());
  Gate::Visitor visitor;
  absl::Status may =
      Enter(context, "SetOverride", action, request.selector(), &visitor);
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  if (!errors.empty()) return core::ToStatus(errors);
  return Apply(
      visitor, request.selector(),
      [&](core::Breaker* breaker, core::Time now) {
        if (open) {
          breaker->ForceOpen(duration, now);
        } else {
          breaker->ForceClosed(duration, now);
        }
        return true;
      },
      response->mutable_breakers());
}

absl::Status Changes::ClearOverride(const grpc::CallbackServerContext& context,
                                    const v1::ClearOverrideRequest& request,
                                    const absl::Status& which,
                                    v1::ClearOverrideResponse* response) {
  Gate::Visitor visitor;
  absl::Status may = Enter(context, "ClearOverride",
                           "ClearOverride" + Because(request.reason()),
                           request.selector(), &visitor);
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  return Apply(
      visitor, request.selector(),
      [](core::Breaker* breaker, core::Time now) {
        return breaker->ClearOverride(now);
      },
      response->mutable_breakers());
}

absl::Status Changes::ResetMethod(const grpc::CallbackServerContext& context,
                                  const v1::ResetMethodRequest& request,
                                  const absl::Status& which,
                                  v1::ResetMethodResponse* response) {
  Gate::Visitor visitor;
  absl::Status may =
      Enter(context, "ResetMethod", "ResetMethod" + Because(request.reason()),
            request.selector(), &visitor);
  if (!may.ok()) return may;
  if (!which.ok()) return which;
  return Apply(
      visitor, request.selector(),
      [](core::Breaker* breaker, core::Time now) {
        breaker->Reset(now);
        return true;
      },
      response->mutable_breakers());
}

}  // namespace firebreak::admin
