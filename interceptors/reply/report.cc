#include "interceptors/reply/report.h"

#include <chrono>
#include <sstream>

#include "firebreak/call_report.h"
#include "interceptors/context/carried_options.h"
#include "src/core/base/duration.h"
#include "src/core/base/printable.h"
#include "src/engine/callbacks/fallback_links.h"

namespace firebreak {
namespace interceptors {
namespace {

void SetDuration(core::Duration d, google::protobuf::Duration* out) {
  constexpr int64_t kNanos = 1'000'000'000;
  out->set_seconds(d.count() / kNanos);
  out->set_nanos(static_cast<int>(d.count() % kNanos));
}

// A server may send any number as its code.
v1::Code ToCode(absl::StatusCode code) {
  const int number = static_cast<int>(code);
  return v1::Code_IsValid(number) ? static_cast<v1::Code>(number) : v1::UNKNOWN;
}

v1::CallReport::Decision ToDecision(const core::RetryPace& pace,
                                    core::Time failed) {
  v1::CallReport::Decision decision;
  if (pace.stop == core::Reason::kNone) {
    SetDuration(core::Remaining(failed, pace.at), decision.mutable_wait());
  }
  if (!pace.is_adaptive) return decision;
  decision.set_failure_kind(std::string(core::FailureKindName(pace.kind)));
  decision.set_kind_factor(pace.kind_factor);
  decision.set_chance(pace.chance);
  decision.set_chance_factor(pace.chance_factor);
  decision.set_is_trial(pace.is_trial);
  return decision;
}

}  // namespace

const std::string& ReportKey() {
  static const std::string* const key = new std::string(NewSecretKey("report"));
  return *key;
}

absl::string_view KindName(core::AttemptKind kind) {
  switch (kind) {
    case core::AttemptKind::kFirst:
      return "first";
    case core::AttemptKind::kRetry:
      return "retry";
    case core::AttemptKind::kHedge:
      return "hedge";
  }
  return "";
}

v1::CallReport NewReport(const engine::ChannelBinding& channel,
                         const engine::MethodBinding& method) {
  v1::CallReport report;
  report.set_channel(channel.name());
  report.set_method(method.method);
  return report;
}

v1::CallReport::Attempt* AddAttempt(const engine::ChannelBinding& channel,
                                    const core::CallDriver::Attempt& facts,
                                    const std::string& peer, core::Time began,
                                    v1::CallReport* report) {
  v1::CallReport::Attempt* const out = report->add_attempt();
  out->set_target(channel.targets()[static_cast<size_t>(facts.target)]);
  out->set_peer(peer);
  out->set_kind(std::string(KindName(facts.kind)));
  SetDuration(facts.started - began, out->mutable_started());
  SetDuration(facts.ended - began, out->mutable_ended());
  out->set_code(ToCode(facts.code));
  out->set_attribution(std::string(core::AttributionName(facts.attribution)));
  out->set_stopped(std::string(core::ReasonName(facts.stopped)));
  if (facts.pace.has_value()) {
    *out->mutable_decision() = ToDecision(*facts.pace, facts.ended);
  }
  return out;
}

v1::CallReport::FallbackLink* AddLink(const std::string& name,
                                      const core::CallDriver::Link& facts,
                                      core::Time began,
                                      v1::CallReport* report) {
  v1::CallReport::FallbackLink* const out = report->add_fallback();
  out->set_name(name);
  out->set_result(std::string(engine::LinkEndName(facts.end)));
  SetDuration(facts.asked - began, out->mutable_started());
  SetDuration(facts.ended - began, out->mutable_ended());
  return out;
}

void DescribeLink(const grpc::Status& said, absl::optional<core::Duration> age,
                  v1::CallReport::FallbackLink* link) {
  link->set_code(ToCode(static_cast<absl::StatusCode>(said.error_code())));
  link->set_message(core::Printable(said.error_message()));
  if (age.has_value()) SetDuration(*age, link->mutable_stale());
}

void SetFailure(const grpc::Status& failure, v1::CallReport* report) {
  report->set_failure_code(
      ToCode(static_cast<absl::StatusCode>(failure.error_code())));
  report->set_failure_message(core::Printable(failure.error_message()));
}

void FinishReport(absl::StatusCode code, core::Reason reason,
                  core::Duration took, v1::CallReport* report) {
  report->set_code(ToCode(code));
  report->set_reason(std::string(core::ReasonName(reason)));
  SetDuration(took, report->mutable_took());
}

void AmendReport(absl::StatusCode code, Answer::Metadata* trailing) {
  for (auto& [key, value] : *trailing) {
    v1::CallReport report;
    if (key != ReportKey() || !report.ParseFromString(value)) continue;
    report.set_code(ToCode(code));
    for (v1::CallReport::Attempt& attempt : *report.mutable_attempt()) {
      if (attempt.answered()) attempt.set_code(ToCode(code));
    }
    value = report.SerializeAsString();
  }
}

}  // namespace interceptors

absl::optional<v1::CallReport> GetCallReport(
    const grpc::ClientContext& context) {
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(interceptors::ReportKey());
  v1::CallReport report;
  if (found == trailing.end() ||
      !report.ParseFromArray(found->second.data(),
                             static_cast<int>(found->second.size()))) {
    return absl::nullopt;
  }
  return report;
}

namespace v1 {
namespace {

std::string TimeText(const google::protobuf::Duration& d) {
  const core::Duration duration =
      std::chrono::seconds(d.seconds()) + std::chrono::nanoseconds(d.nanos());
  // Reports are for reading, so microseconds are precise enough.
  return core::FormatDuration(
      std::chrono::floor<std::chrono::microseconds>(duration));
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const CallReport& report) {
  // The message of a fallback is text from a server: it must not begin a new
  // line.
  std::ostringstream out;
  out << Code_Name(report.code());
  if (!report.reason().empty()) out << " (" << report.reason() << ")";
  out << " after " << TimeText(report.took());
  if (report.from_fallback()) out << ", by the fallback";
  for (const CallReport::FallbackLink& link : report.fallback()) {
    out << ", " << link.name() << " " << link.result();
    if (link.has_stale()) out << " (" << TimeText(link.stale()) << " old)";
    if (!link.message().empty()) out << " (" << link.message() << ")";
  }
  const char* separator = ", attempts: ";
  for (const CallReport::Attempt& each : report.attempt()) {
    const std::string& where =
        each.peer().empty() ? each.target() : each.peer();
    out << separator << each.kind() << " " << where << " "
        << Code_Name(each.code()) << " " << each.attribution() << " "
        << TimeText(each.started()) << " to " << TimeText(each.ended());
    if (!each.stopped().empty()) out << " (" << each.stopped() << ")";
    separator = ", ";
  }
  return stream << core::Printable(out.str());
}

}  // namespace v1
}  // namespace firebreak
