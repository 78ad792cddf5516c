#include "src/admin/views/decisions.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/core/measure/decision_log.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {
namespace {

constexpr auto kMostDecisions = static_cast<int>(core::DecisionLog::kCapacity);

v1::DecisionKind KindView(core::DecisionKind kind) {
  switch (kind) {
    case core::DecisionKind::kRefused:
      return v1::DECISION_KIND_REFUSED;
    case core::DecisionKind::kRetried:
      return v1::DECISION_KIND_RETRIED;
    case core::DecisionKind::kHedged:
      return v1::DECISION_KIND_HEDGED;
    case core::DecisionKind::kNotRetried:
      return v1::DECISION_KIND_NOT_RETRIED;
    case core::DecisionKind::kNotHedged:
      return v1::DECISION_KIND_NOT_HEDGED;
  }
  return v1::DECISION_KIND_UNSPECIFIED;
}

v1::Decision DecisionView(const core::Decision& decision,
                          const engine::WallClock& clock) {
  v1::Decision view;
  *view.mutable_first() = TimestampOf(decision.first, clock);
  *view.mutable_last() = TimestampOf(decision.last, clock);
  view.set_count(decision.count);
  view.set_kind(KindView(decision.kind));
  view.set_reason(std::string(core::ReasonName(decision.reason)));
  // A server may send a number that is no status code.
  const int code = static_cast<int>(decision.code);
  view.set_code(v1::Code_IsValid(code) ? static_cast<v1::Code>(code)
                                       : v1::UNKNOWN);
  view.set_attempt(decision.attempt);
  view.set_why(ToLine(decision.why));
  return view;
}

}  // namespace

absl::Status CheckLast(const v1::ListDecisionsRequest& request) {
  if (request.last() >= 0 && request.last() <= kMostDecisions) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "last: is ", request.last(), "; allowed [0, ", kMostDecisions, "]"));
}

void ListDecisions(const Selected& method,
                   const v1::ListDecisionsRequest& request, core::Time now,
                   v1::ListDecisionsResponse* response) {
  const core::DecisionLog::Page page =
      method.runtime->stats.decisions.Last(static_cast<size_t>(
          request.last() == 0 ? kMostDecisions : request.last()));
  const engine::WallClock clock;
  for (const core::Decision& each : page.decisions) {
    *response->add_decisions() = DecisionView(each, clock);
  }
  response->set_total(page.total);
  response->set_uncounted(page.uncounted);
  response->set_channel(ToUtf8(method.runtime->channel));
  response->set_method(ToUtf8(method.runtime->method));
  *response->mutable_as_of() = TimestampOf(now, clock);
}

}  // namespace firebreak::admin
