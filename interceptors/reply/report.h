// Writes the CallReport of a call that asked for one.
//
//   v1::CallReport report = NewReport(*channel, *method);
//   AddAttempt(*channel, facts, peer, began, &report);
//   FinishReport(code, reason, took, &report);
//   answer.trailing.emplace_back(ReportKey(), report.SerializeAsString());
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_REPORT_H_
#define FIREBREAK_INTERCEPTORS_REPLY_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/v1/call_report.pb.h"
#include "interceptors/reply/answer.h"
#include "src/core/attempts/call_driver.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

// Returns the key of the trailing metadata that carries the report. No other
// process knows it.
const std::string& ReportKey();

v1::CallReport NewReport(const engine::ChannelBinding& channel,
                         const engine::MethodBinding& method);
v1::CallReport::Attempt* AddAttempt(const engine::ChannelBinding& channel,
                                    const core::CallDriver::Attempt& facts,
                                    const std::string& peer, core::Time began,
                                    v1::CallReport* report);
// Adds a fallback that was asked. DescribeLink() adds the result of one that
// has ended.
v1::CallReport::FallbackLink* AddLink(const std::string& name,
                                      const core::CallDriver::Link& facts,
                                      core::Time began, v1::CallReport* report);
void DescribeLink(const grpc::Status& said, absl::optional<core::Duration> age,
                  v1::CallReport::FallbackLink* link);
// Sets the failure that the fallbacks were asked about.
void SetFailure(const grpc::Status& failure, v1::CallReport* report);
void FinishReport(absl::StatusCode code, core::Reason reason,
                  core::Duration took, v1::CallReport* report);

// Corrects the report in `trailing`, if there is one, when the call ends with
// another code than it says: the code of the call, and that of the attempt
// whose answer it is. The attempt's attribution stays, since that has been
// counted.
void AmendReport(absl::StatusCode code, Answer::Metadata* trailing);

// Returns "first", "retry" or "hedge".
absl::string_view KindName(core::AttemptKind kind);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_REPORT_H_
