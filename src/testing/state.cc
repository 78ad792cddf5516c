#include "firebreak/testing/state.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/engine_core.h"

namespace firebreak {
namespace testing {
namespace {

// The policy blocks that can refuse a call before its first attempt, by their
// names.
struct PartOf {
  absl::string_view name;
  Reason reason;
};
constexpr PartOf kParts[] = {
    {"breaker", Reason::kBreakerOpen},
    {"breaker", Reason::kProbesTaken},
    {"breaker", Reason::kRamping},
    {"breaker", Reason::kForcedOpen},
    {"bulkhead", Reason::kBulkheadFull},
    {"bulkhead", Reason::kQueueTimeout},
    {"rate_limit", Reason::kRateLimited},
    {"throttle", Reason::kThrottledLocally},
    {"deadline_gate", Reason::kDeadlineInfeasible},
};

std::string CodeName(int code) {
  const std::string& name = v1::Code_Name(static_cast<v1::Code>(code));
  return name.empty() ? absl::StrCat("code ", code) : name;
}

BreakerState StateOf(core::Breaker* breaker, core::Time now) {
  const core::BreakerSnapshot snapshot = breaker->Snapshot(now);
  BreakerState state;
  state.channel = breaker->identity().channel;
  state.target = breaker->identity().target;
  state.method = breaker->identity().method;
  state.name = std::string(core::BreakerStateName(snapshot.state));
  state.cause = snapshot.cause;
  return state;
}

// The greater the result, the fewer calls the breaker admits.
int Closedness(const BreakerState& state) {
  const absl::string_view from_closed[] = {
      "none", "disabled",  "forced_closed", "closed",
      "ramp", "half_open", "open",          "forced_open"};
  return static_cast<int>(
      std::find(std::begin(from_closed), std::end(from_closed), state.name) -
      std::begin(from_closed));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const BreakerState& state) {
  if (state.name == "none") return out << "no breaker";
  out << "the breaker of " << state.method << " on channel \"" << state.channel
      << "\" is " << state.name;
  if (!state.cause.empty()) out << ": " << state.cause;
  return out;
}

std::vector<BreakerState> BreakersOf(const Engine& engine) {
  std::vector<BreakerState> states;
  std::vector<core::Breaker*> shown;  // some are of several methods
  for (const auto& runtime : engine.core()->methods()->All()) {
    for (core::Breaker* breaker : runtime->breakers()) {
      if (std::find(shown.begin(), shown.end(), breaker) != shown.end()) {
        continue;
      }
      shown.push_back(breaker);
      states.push_back(StateOf(breaker, engine.core()->Now()));
    }
  }
  return states;
}

BreakerState BreakerOf(const Engine& engine, const std::string& channel,
                       const std::string& method) {
  BreakerState least_closed;
  for (const auto& runtime : engine.core()->methods()->All()) {
    if (runtime->channel != channel || runtime->method != method) continue;
    for (core::Breaker* breaker : runtime->breakers()) {
      BreakerState state = StateOf(breaker, engine.core()->Now());
      if (Closedness(state) > Closedness(least_closed)) {
        least_closed = std::move(state);
      }
    }
  }
  return least_closed;
}

bool IsRefusedBy(Reason reason, absl::string_view part) {
  if (reason == Reason::kNone) return false;
  if (ReasonName(reason) == part) return true;
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](const PartOf& each) {
                       return each.name == part && each.reason == reason;
                     });
}

bool IsPartOrReason(absl::string_view part) {
  for (const PartOf& each : kParts) {
    if (each.name == part) return true;
  }
  for (int n = 1; ReasonName(static_cast<Reason>(n)) != "unknown"; ++n) {
    if (ReasonName(static_cast<Reason>(n)) == part) return true;
  }
  return false;
}

std::vector<std::string> AttemptsOf(const v1::CallReport& report) {
  std::vector<std::string> attempts;
  for (const v1::CallReport::Attempt& attempt : report.attempt()) {
    attempts.push_back(
        absl::StrCat(attempt.kind(), " ", CodeName(attempt.code())));
  }
  return attempts;
}

std::string OutcomeOf(const grpc::Status& status,
                      const grpc::ClientContext& context) {
  std::string outcome = CodeName(status.error_code());
  const Reason reason = ReasonOf(context);
  if (reason != Reason::kNone) {
    absl::StrAppend(&outcome, " (", ReasonName(reason), ")");
  }
  return outcome;
}

}  // namespace testing
}  // namespace firebreak
