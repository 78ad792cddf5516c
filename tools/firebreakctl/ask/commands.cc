#include "tools/firebreakctl/ask/commands.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/ask/commands_ask.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {

namespace {

// Makes a message printable that has several lines, such as policy errors.
std::string PrintableLines(const std::string& text) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), "\n",
                       [](std::string* out, absl::string_view line) {
                         absl::StrAppend(out, Printable(line));
                       });
}

}  // namespace

Client::Client(Settings settings) : settings_(std::move(settings)) {}

absl::Status Client::Connect() {
  if (settings_.targets.empty()) {
    return absl::InvalidArgumentError(
        "--target, or FIREBREAK_TARGET: there is none; allowed at least one");
  }
  if (settings_.targets.size() > kMaxTargets) {
    return absl::InvalidArgumentError(
        absl::StrCat("--target: there are ", settings_.targets.size(),
                     "; allowed at most ", kMaxTargets));
  }
  for (const std::string& target : settings_.targets) {
    auto channel = ctl::Connect(target, settings_.security);
    if (!channel.ok()) return channel.status();
    targets_.push_back({target, v1::Admin::NewStub(*channel)});
  }
  return absl::OkStatus();
}

v1::MethodSelector Client::Select(const std::string& method) const {
  v1::MethodSelector selector;
  selector.set_channel(settings_.channel);
  selector.set_engine(settings_.engine);
  selector.set_method(method);
  return selector;
}

void Client::Begin(grpc::ClientContext* context) const {
  AddToken(settings_.security, context);
  context->set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          settings_.timeout));
}

std::string Client::Explain(const std::string& target,
                            const grpc::Status& status) const {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::StrCat("cannot reach ", target, ": ",
                          Printable(ErrorText(status)));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::StrCat("cannot reach ", target, ": no answer within ",
                          core::FormatDuration(settings_.timeout));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::StrCat(target, " has no firebreak admin service");
    default:
      return targets_.size() == 1
                 ? PrintableLines(ErrorText(status))
                 : absl::StrCat(target, ": ",
                                PrintableLines(ErrorText(status)));
  }
}

void Client::Complain(const std::string& what) {
  std::string text;
  for (absl::string_view line : absl::StrSplit(what, '\n')) {
    absl::StrAppend(&text, "firebreakctl: ", line, "\n");
  }
  std::cerr << text;
}

int Client::List(const ListRequest& wanted) {
  v1::ListMethodsRequest request;
  *request.mutable_selector() = Select("");
  request.set_order(v1::METHOD_ORDER_WORST_FIRST);
  auto answers = AskAll(&v1::Admin::Stub::ListMethods, request);
  KeepThoseThatKnow(&answers);
  if (AllFailed(answers)) return kExitFailed;
  for (auto& each : answers) {
    auto* const methods = each.response.mutable_methods();
    each.is_idle = each.error.empty() && methods->empty();
    if (wanted.bad_only) {
      methods->erase(std::remove_if(methods->begin(), methods->end(),
                                    [](const v1::Method& method) {
                                      return method.health().level() ==
                                             v1::HEALTH_LEVEL_HEALTHY;
                                    }),
                     methods->end());
    }
  }
  if (settings_.json) {
    for (auto& each : answers) {
      const int size = each.response.methods_size();
      const int most =
          wanted.limit == 0 ? size : static_cast<int>(wanted.limit);
      if (size <= most) continue;
      each.response.mutable_methods()->DeleteSubrange(most, size - most);
    }
    PrintJson(answers);
  } else {
    std::cout << RenderMethods(answers, settings_.style, wanted.limit);
  }
  return TellFailures(answers);
}

int Client::Names() {
  v1::ListMethodsRequest request;
  *request.mutable_selector() = Select("");
  const auto answers = AskAll(&v1::Admin::Stub::ListMethods, request);
  if (AllFailed(answers)) return kExitFailed;
  std::vector<std::string> names;
  for (const auto& answer : answers) {
    for (const v1::Method& method : answer.response.methods()) {
      const std::string& name = method.method();
      if (std::all_of(name.begin(), name.end(), [](char c) {
            return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                   absl::StrContains("/._-", c);
          })) {
        names.push_back(name);
      }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) std::cout << name << "\n";
  return kExitOk;
}

int Client::Show(const std::string& method) {
  v1::GetMethodRequest request;
  *request.mutable_selector() = Select(method);
  return PrintEach(AskAll(&v1::Admin::Stub::GetMethod, request),
                   [&](const v1::GetMethodResponse& response) {
                     return RenderMethod(response, settings_.style);
                   });
}

int Client::Why(const std::string& method, int last) {
  v1::ListDecisionsRequest request;
  *request.mutable_selector() = Select(method);
  request.set_last(last);
  auto answers = AskAll(&v1::Admin::Stub::ListDecisions, request);
  KeepThoseThatKnow(&answers);
  return PrintEach(answers, [&](const v1::ListDecisionsResponse& response) {
    return RenderDecisions(response, settings_.style);
  });
}

int Client::Health() {
  v1::GetHealthRequest request;
  *request.mutable_selector() = Select("");
  auto answers = AskAll(&v1::Admin::Stub::GetHealth, request);
  KeepThoseThatKnow(&answers);
  if (AllFailed(answers)) return kExitUnhealthy;
  // A mistyped name must not be reported as healthy.
  if (!settings_.channel.empty() &&
      std::all_of(answers.begin(), answers.end(), [](const auto& each) {
        const v1::GetHealthResponse& r = each.response;
        return each.error.empty() &&
               r.healthy() + r.degraded() + r.unhealthy() == 0;
      })) {
    Complain(absl::StrCat("--channel: no method of ",
                          Printable(settings_.channel),
                          " has been called yet"));
    return kExitUnhealthy;
  }
  if (settings_.json) {
    PrintJson(answers);
  } else {
    std::cout << RenderHealth(answers, settings_.style);
  }
  if (TellFailures(answers) != kExitOk) return kExitUnhealthy;
  int exit_code = kExitOk;
  for (const auto& each : answers) {
    switch (each.response.level()) {
      case v1::HEALTH_LEVEL_HEALTHY:
        break;
      case v1::HEALTH_LEVEL_DEGRADED:
        exit_code = std::max(exit_code, kExitDegraded);
        break;
      default:
        exit_code = kExitUnhealthy;
    }
  }
  return exit_code;
}

int Client::Alerts(const AlertsRequest& wanted) {
  v1::ListAlertsRequest request;
  *request.mutable_selector() = Select("");
  if (wanted.critical_only) {
    request.set_min_severity(v1::ALERT_SEVERITY_CRITICAL);
  }
  auto answers = AskAll(&v1::Admin::Stub::ListAlerts, request);
  KeepThoseThatKnow(&answers);
  const int failed = wanted.exit_code ? kExitCritical : kExitFailed;
  if (AllFailed(answers)) return failed;
  if (settings_.json) {
    PrintJson(answers);
  } else {
    std::cout << RenderAlerts(answers, settings_.style);
  }
  if (TellFailures(answers) != kExitOk) return failed;
  int exit_code = kExitOk;
  if (!wanted.exit_code) return exit_code;
  for (const auto& each : answers) {
    for (const v1::Alert& alert : each.response.alerts()) {
      exit_code =
          std::max(exit_code, alert.severity() >= v1::ALERT_SEVERITY_CRITICAL
                                  ? kExitCritical
                                  : kExitWarning);
    }
  }
  return exit_code;
}

template <class Response>
int Client::PrintBreakers(const Answers<Response>& answers,
                          const char* none) const {
  // A change that failed on one target is a failure, whatever the others did.
  const int exit_code = TellFailures(answers);
  if (settings_.json) {
    if (answers.size() > 1 || exit_code == kExitOk) PrintJson(answers);
    return exit_code;
  }
  for (const Answer<Response>& each : answers) {
    if (!each.error.empty()) continue;
    if (answers.size() > 1) std::cout << "== " << each.target << "\n";
    if (each.response.breakers().empty()) {
      std::cout << none << "\n";
    } else {
      std::cout << RenderBreakers(each.response.breakers(), settings_.style);
    }
  }
  return exit_code;
}

int Client::Override(const std::string& method, v1::BreakerState state,
                     absl::optional<core::Duration> duration) {
  v1::SetOverrideRequest request;
  *request.mutable_selector() = Select(method);
  request.set_reason(settings_.reason);
  request.set_state(state);
  if (duration.has_value()) {
    request.mutable_duration()->set_seconds(duration->count() / 1'000'000'000);
    request.mutable_duration()->set_nanos(
        static_cast<int32_t>(duration->count() % 1'000'000'000));
  }
  return PrintBreakers(AskAll(&v1::Admin::Stub::SetOverride, request),
                       "nothing to override");
}

int Client::Clear(const std::string& method) {
  v1::ClearOverrideRequest request;
  *request.mutable_selector() = Select(method);
  request.set_reason(settings_.reason);
  return PrintBreakers(AskAll(&v1::Admin::Stub::ClearOverride, request),
                       "no override was set");
}

int Client::Reset(const std::string& method) {
  v1::ResetMethodRequest request;
  *request.mutable_selector() = Select(method);
  request.set_reason(settings_.reason);
  return PrintBreakers(AskAll(&v1::Admin::Stub::ResetMethod, request),
                       "nothing to reset");
}

}  // namespace firebreak::ctl
