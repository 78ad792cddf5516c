// Measures what the engine does for a call, without gRPC: it finds the method
// and counts. Only GuardedCall reads the clock, once per call; a real call
// reads it more often.
#include <grpcpp/support/client_interceptor.h>

#include <memory>

#include "firebreak/engine.h"
#include "interceptors/batch/pass_through.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/policy.h"
#include "tests/bench/measure.h"

namespace firebreak::bench {
namespace {

constexpr char kNoPolicy[] = "/shop.v1.CatalogService/ListProducts";
constexpr char kGuarded[] = "/shop.v1.PaymentService/Charge";

// Returns one channel of an engine, for all rows and threads. It is never
// deleted, since threads of the engine may outlive main().
engine::ChannelBinding* Channel() {
  static auto* const channel = [] {
    auto engine = Engine::FromText(
        "method { name { service: \"shop.v1.PaymentService\" } breaker {} }");
    if (!engine.ok()) return static_cast<engine::ChannelBinding*>(nullptr);
    auto* const kept = new std::shared_ptr<engine::ChannelBinding>(
        (*engine)->core()->BindChannel("payment", {"t"}));
    return kept->get();
  }();
  return channel;
}

}  // namespace

// All that such a call costs: the look-up, and an interceptor that gRPC gets
// and deletes.
void NoPolicyCall(benchmark::State& state) {
  engine::ChannelBinding* const channel = Channel();
  Measure(state, [&] {
    if (channel->Find(kNoPolicy) != nullptr) {
      state.SkipWithError("the method has a policy");
    }
    std::unique_ptr<grpc::experimental::Interceptor> interceptor(
        new interceptors::Strip(channel->core().get()));
    benchmark::DoNotOptimize(interceptor.get());
  });
}

void FindBinding(benchmark::State& state) {
  engine::ChannelBinding* const channel = Channel();
  Measure(state, [&] { benchmark::DoNotOptimize(channel->Find(kGuarded)); });
}

// The call is admitted and succeeds.
void GuardedCall(benchmark::State& state) {
  engine::ChannelBinding* const channel = Channel();
  Measure(state, [&] {
    const core::Time now = engine::Now();
    const auto method = channel->Find(kGuarded);
    engine::MethodRuntime& runtime = *method->runtime;
    runtime.stats.OnCallStarted();
    core::AdmissionPermit permit;
    permit.Begin(&method->settings->admission, now, core::kInfiniteFuture,
                 core::Duration::zero());
    core::Admission admission =
        method->targets.front()->Admit(now, core::kInfiniteFuture);
    if (!admission.permit) state.SkipWithError("the breaker refuses");
    runtime.stats.OnAttempt(core::AttemptKind::kFirst);
    runtime.budget->OnCallAdmitted();
    admission.permit.Settle(core::Verdict::kSuccess, now);
    permit.End(core::AdmissionControl::Verdict::kAccepted, now);
    const core::Duration took = std::chrono::microseconds(300);
    runtime.stats.OnAttemptEnd(core::Attribution::kSuccess);
    runtime.latency.OnAttemptEnd(absl::StatusCode::kOk,
                                 core::Attribution::kSuccess, took, now);
    runtime.stats.OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk,
                              took);
  });
}

// What a candidate policy with a breaker, a timeout, retries and hedges costs
// a call that is admitted and succeeds.
void CandidateCall(benchmark::State& state) {
  static const auto* const binding = [] {
    auto engine = Engine::FromText("method { name {} }");
    engine::EngineCore* const core = (*engine)->core().get();
    (void)core->candidates()->Set(
        engine::ParsePolicyText(
            "method { name {} timeout: \"1s\" idempotent: true breaker {} "
            "retry {} hedging { delay: \"100ms\" max_attempts: 3 } }",
            "bench", /*clamp_attempts_at_5=*/true),
        PolicyUpdate());
    auto* const kept = new std::shared_ptr<engine::ChannelBinding>(
        core->BindChannel("payment", {"t"}));
    return new std::shared_ptr<const engine::MethodBinding>(
        (*kept)->Find(kGuarded));
  }();
  engine::CandidateCall::Arrival arrival;
  arrival.now = engine::Now();
  core::CallTape::Call facts;
  facts.took = std::chrono::microseconds(300);
  facts.attempts = 1;
  core::AttemptEnd ok;
  ok.origin = core::Origin::kPeer;
  const engine::CandidateCall::Launch first{0, 0, core::AttemptKind::kFirst,
                                            core::kInfiniteFuture, false};
  Measure(state, [&] {
    arrival.now += std::chrono::microseconds(1);
    const auto call = std::make_unique<engine::CandidateCall>(
        *(*binding)->candidate, (*binding)->runtime.get(), arrival);
    facts.started = arrival.now;
    call->OnLaunch(first, arrival.now);
    call->OnAttemptEnd(0, ok, arrival.now + facts.took);
    call->End(facts, arrival.now + facts.took);
  });
}

}  // namespace firebreak::bench
