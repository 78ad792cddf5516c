// Calls as a CandidateCall hears of them, in virtual time.
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_CANDIDATE_CALL_FIXTURE_H_
#define FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_CANDIDATE_CALL_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/testing/virtual_clock.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine::candidate_calls {

using core::CallTape;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kMethod[] = "/p.S/M";
constexpr char kLive[] = "method { name {} }";

class CandidateCallTest : public ::testing::Test {
 protected:
  using Kind = core::AttemptKind;
  // One attempt of the live policy.
  struct Sent {
    absl::StatusCode code = absl::StatusCode::kOk;
    core::Duration took = milliseconds(10);
    absl::optional<core::Duration> pushback = absl::nullopt;
  };
  static constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
  static constexpr absl::StatusCode kUnavailable =
      absl::StatusCode::kUnavailable;
  static constexpr absl::StatusCode kLate = absl::StatusCode::kDeadlineExceeded;

  void Start(const std::string& candidate, const std::string& live = kLive,
             const std::vector<std::string>& targets = {"t"}) {
    EngineOptions options;
    options.clock = clock_;
    auto engine = Engine::FromText(live, options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    Set(candidate);
    channel_ = core()->BindChannel("c", targets);
  }
  EngineCore* core() { return engine_->core().get(); }
  void Set(const std::string& candidate) {
    const auto change = core()->candidates()->Set(
        ParsePolicyText(candidate, "test", true), PolicyUpdate());
    ASSERT_TRUE(change.ok()) << change.status();
  }
  std::shared_ptr<const MethodBinding> Find() {
    return channel_->Find(kMethod);
  }

  // A call that is under way under the candidate.
  struct Under {
    std::shared_ptr<const MethodBinding> binding;
    CallTape::Call call;
    std::unique_ptr<CandidateCall> candidate;
  };
  Under Begin(core::Duration deadline = core::kInfiniteDuration,
              core::CallKind kind = core::CallKind::kUnary) {
    Under under;
    under.binding = Find();
    under.call.started = clock_->Now();
    under.call.granted = deadline;
    under.call.is_stream = kind == core::CallKind::kStream;
    CandidateCall::Arrival arrival;
    arrival.now = clock_->Now();
    arrival.kind = kind;
    if (deadline != core::kInfiniteDuration) {
      arrival.deadline = clock_->Now() + deadline;
    }
    if (live_timeout_ != core::kInfiniteDuration) {
      under.call.granted = live_timeout_;
      arrival.live_deadline = clock_->Now() + live_timeout_;
    }
    under.candidate = std::make_unique<CandidateCall>(
        *under.binding->candidate, under.binding->runtime.get(), arrival);
    return under;
  }
  // It ends as its last attempt, which the live timeout ends if it is late.
  void End(Under* under, const std::vector<Sent>& sent) {
    bool is_late = false;
    for (size_t n = 0; n < sent.size(); ++n) {
      const int attempt = static_cast<int>(n);
      const core::Time deadline =
          core::SaturatingAdd(under->call.started, live_timeout_);
      under->candidate->OnLaunch(
          {attempt, 0, n > 0 ? Kind::kRetry : Kind::kFirst, deadline,
           /*is_probe=*/false},
          clock_->Now());
      clock_->Advance(sent[n].took);
      is_late = clock_->Now() >= deadline;
      if (is_late) break;
      core::AttemptEnd end;
      end.code = sent[n].code;
      end.origin = core::Origin::kPeer;
      end.pushback = sent[n].pushback;
      under->candidate->OnAttemptEnd(attempt, end, clock_->Now());
    }
    under->call.took = clock_->Now() - under->call.started;
    under->call.attempts = static_cast<int>(sent.size());
    under->call.code = is_late ? kLate : sent.back().code;
    under->call.end = under->call.code == absl::StatusCode::kOk
                          ? core::CallEnd::kSuccess
                          : core::CallEnd::kFailure;
    if (is_late) under->call.reason = core::Reason::kDeadlineExceeded;
    under->candidate->End(under->call, clock_->Now());
  }
  void Call(const std::vector<Sent>& sent) {
    Under under = Begin();
    End(&under, sent);
  }
  void Call(absl::StatusCode code, core::Duration took = milliseconds(10)) {
    Call({{code, took}});
  }
  void RefuseLive(core::Reason reason = core::Reason::kBreakerOpen) {
    Under under = Begin();
    under.call.end = core::CallEnd::kRejected;
    under.call.reason = reason;
    under.call.code = absl::StatusCode::kUnavailable;
    under.candidate->End(under.call, clock_->Now());
  }

  CandidateCounts Counts() {
    const CandidateMethod* const method =
        core()->candidates()->current()->Find("c", kMethod);
    return method == nullptr ? CandidateCounts() : method->tally.counts();
  }
  int64_t Count(Would would, Live live) { return Counts().of(would, live); }
  int64_t Refused(core::Reason reason) {
    return Counts().refusals[static_cast<size_t>(reason)];
  }
  core::BreakerSnapshot Breaker() {
    return Find()->candidate->binding.targets[0]->Snapshot(clock_->Now());
  }

  core::Duration live_timeout_ = core::kInfiniteDuration;
  const std::shared_ptr<testing::VirtualClock> clock_ =
      std::make_shared<testing::VirtualClock>();
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<ChannelBinding> channel_;
};

}  // namespace firebreak::engine::candidate_calls

#endif  // FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_CANDIDATE_CALL_FIXTURE_H_
