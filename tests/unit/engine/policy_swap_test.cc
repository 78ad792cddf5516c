// Engine::SetPolicy(): what methods, breakers and channels keep and lose.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/core/measure/event_log.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

constexpr char kMethod[] = "/p.S/M";

class PolicySwapTest : public ::testing::Test {
 protected:
  void Start(const std::string& policy) {
    auto engine = Engine::FromText(policy);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    channel_ = engine_->core()->BindChannel("c", {"t"});
  }
  void Swap(const std::string& policy) {
    const absl::Status status = engine_->SetPolicyText(policy);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::shared_ptr<const engine::MethodBinding> Find() {
    return channel_->Find(kMethod);
  }
  static void Fail(const engine::MethodBinding& binding) {
    const core::Time now = engine::Now();
    binding.targets[0]
        ->Admit(now, core::kInfiniteFuture)
        .permit.Settle(core::Verdict::kFailure, now);
  }
  static core::BreakerState State(const engine::MethodBinding& binding) {
    return binding.targets[0]->Snapshot(engine::Now()).state;
  }

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<engine::ChannelBinding> channel_;
};

TEST_F(PolicySwapTest, ACallKeepsThePolicyItBeganWith) {
  Start("method { name {} timeout: \"1s\" }");
  const auto before = Find();
  EXPECT_EQ(Find(), before);  // remembered
  Swap("method { name {} timeout: \"2s\" }");
  const auto after = Find();
  EXPECT_NE(after, before);
  EXPECT_EQ(before->settings->options->timeout, std::chrono::seconds(1));
  EXPECT_EQ(after->settings->options->timeout, std::chrono::seconds(2));
  EXPECT_EQ(after->runtime, before->runtime);
  EXPECT_EQ(Find(), after);
}

TEST_F(PolicySwapTest, ABreakerIsTheSameOneAndStaysOpen) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  const auto before = Find();
  Fail(*before);
  ASSERT_EQ(State(*before), core::BreakerState::kOpen);
  Swap("method { name {} breaker { consecutive_failures: 9 probes: 5 } }");
  EXPECT_EQ(Find()->targets, before->targets);
  EXPECT_EQ(State(*Find()), core::BreakerState::kOpen);
}

TEST_F(PolicySwapTest, AMethodThatIsNamedNoMorePassesAndComesBack) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  const auto before = Find();
  before->targets[0]->ForceOpen(absl::nullopt, engine::Now());
  Swap("method { name { service: \"p.Other\" } }");
  EXPECT_EQ(Find(), nullptr);
  EXPECT_TRUE(engine_->SetFallback("c", kMethod, nullptr).code() ==
              absl::StatusCode::kNotFound);
  EXPECT_FALSE(before->runtime->settings()->options->breaker.has_value());
  Swap("method { name {} breaker { consecutive_failures: 1 } }");
  ASSERT_NE(Find(), nullptr);
  EXPECT_EQ(Find()->runtime, before->runtime);
  EXPECT_EQ(State(*Find()), core::BreakerState::kForcedOpen);
}

TEST_F(PolicySwapTest, ABreakerThatIsTakenAwayClosesWithAnEvent) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  const auto before = Find();
  Fail(*before);
  Swap("method { name {} retry {} }");
  EXPECT_EQ(State(*before), core::BreakerState::kDisabled);
  const auto events = engine_->core()->events().Since(0, 10).events;
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].cause, "the policy has it no more");
  EXPECT_EQ(events[2].kind, core::Event::Kind::kPolicy);
}

TEST_F(PolicySwapTest, FallbackAndClassifierStay) {
  Start("method { name {} retry {} }");
  ASSERT_TRUE(
      engine_
          ->SetClassifier("c", kMethod,
                          [](const Result&) { return Judgement::kDefault; })
          .ok());
  Swap("method { name {} retry { max_attempts: 5 } }");
  EXPECT_NE(Find()->runtime->classifier(), nullptr);
}

TEST_F(PolicySwapTest, WhatRetriesTaughtStaysWhileItsNumbersDo) {
  Start("method { name {} retry { adaptive {} } }");
  const auto before = Find()->settings->estimator;
  ASSERT_NE(before, nullptr);
  Swap("method { name {} retry { max_attempts: 5 adaptive {} } }");
  EXPECT_EQ(Find()->settings->estimator, before);
  Swap("method { name {} retry { adaptive { floor: 0.2 } } }");
  EXPECT_NE(Find()->settings->estimator, before);
  EXPECT_NE(Find()->settings->estimator, nullptr);
  Swap("method { name {} retry {} }");
  EXPECT_EQ(Find()->settings->estimator, nullptr);
}

TEST_F(PolicySwapTest, PlacesAndTokensOfMethodAndChannelStay) {
  Start(
      "method { name { service: \"p.S\" } bulkhead { max_concurrent: 3 } }"
      "method { name {} }"
      "channel { name: \"c\" bulkhead {} rate_limit { rate: 1 burst: 10 }"
      "          budget { burst: 50 floor: 0 } }");
  const auto own = Find();
  const auto shared = channel_->Find("/p.T/M");
  own->settings->admission.bulkhead()->Enter();
  shared->settings->admission.bulkhead()->Enter();
  const core::Time now = engine::Now();
  for (int i = 0; i < 7; ++i) {
    own->settings->admission.rate_limit()->Take(now, now);
  }
  own->runtime->budget->TryAcquire(now);
  Swap(
      "method { name { service: \"p.S\" } bulkhead { max_concurrent: 5 } }"
      "method { name {} }"
      "channel { name: \"c\" bulkhead { max_concurrent: 8 }"
      "          rate_limit { rate: 0.001 burst: 20 }"
      "          budget { burst: 60 floor: 0 } }");
  const auto after = Find();
  EXPECT_EQ(after->settings->admission.bulkhead()->snapshot().active, 1);
  EXPECT_EQ(after->settings->admission.bulkhead()->snapshot().limit, 5);
  const core::AdmissionControl& of_channel =
      channel_->Find("/p.T/M")->settings->admission;
  EXPECT_EQ(of_channel.bulkhead()->snapshot().active, 1);
  EXPECT_EQ(of_channel.bulkhead()->snapshot().limit, 8);
  EXPECT_EQ(of_channel.rate_limit(), after->settings->admission.rate_limit());
  EXPECT_NEAR(of_channel.rate_limit()->tokens(engine::Now()), 3, 0.5);
  EXPECT_EQ(after->runtime->budget->options().burst, 60);
  EXPECT_NEAR(after->runtime->budget->tokens(engine::Now()), 49, 1e-6);
}

TEST_F(PolicySwapTest, FromAnOwnBreakerToTheChannelsAndBack) {
  const std::string own = "method { name {} breaker { probes: 2 } }";
  const std::string shared =
      "method { name {} breaker { scope: CHANNEL consecutive_failures: 1 } }";
  Start(own);
  const auto first = Find();
  Swap(shared);
  const auto second = Find();
  EXPECT_NE(second->targets, first->targets);
  EXPECT_EQ(State(*first), core::BreakerState::kDisabled);
  EXPECT_EQ(State(*second), core::BreakerState::kClosed);
  EXPECT_EQ(second->runtime->breakers(), second->targets);
  Fail(*second);
  EXPECT_EQ(State(*second), core::BreakerState::kOpen);
  Swap("method { name {} breaker { scope: CHANNEL consecutive_failures: 2 } }");
  EXPECT_EQ(Find()->targets, second->targets);
  EXPECT_EQ(State(*Find()), core::BreakerState::kOpen);
  Swap(own);
  EXPECT_EQ(Find()->targets, first->targets);
  EXPECT_EQ(State(*first), core::BreakerState::kClosed);
  EXPECT_EQ(State(*second), core::BreakerState::kDisabled);
  EXPECT_EQ(Find()->runtime->breakers(), first->targets);
}

TEST_F(PolicySwapTest, AChannelsBreakerIsThereForAMethodThatComesLater) {
  Start(
      "method { name { service: \"p.S\" }"
      "  breaker { scope: CHANNEL consecutive_failures: 1 } }");
  const auto old = Find();
  Swap(
      "method { name { service: \"p.T\" }"
      "  breaker { scope: CHANNEL consecutive_failures: 1 } }");
  EXPECT_EQ(State(*old), core::BreakerState::kDisabled);
  const auto later = channel_->Find("/p.T/M");
  EXPECT_EQ(later->targets, old->targets);
  EXPECT_EQ(State(*later), core::BreakerState::kClosed);
  Fail(*later);
  EXPECT_EQ(State(*later), core::BreakerState::kOpen);
}

TEST_F(PolicySwapTest, TheSamePolicyAgainChangesNoNumbers) {
  const std::string policy =
      "method { id: \"a\" name { service: \"p.A\" }"
      "  breaker { scope: CHANNEL consecutive_failures: 1 } }"
      "method { id: \"s\" name { service: \"p.S\" }"
      "  breaker { scope: CHANNEL consecutive_failures: 2 } }";
  Start(policy);
  const auto first = Find();
  channel_->Find("/p.A/M");
  Swap(policy);
  Fail(*first);
  EXPECT_EQ(State(*first), core::BreakerState::kClosed);
  Fail(*first);
  EXPECT_EQ(State(*first), core::BreakerState::kOpen);
}

TEST_F(PolicySwapTest, AnOverrideThatRestsIsStillSeen) {
  Start("method { name {} breaker {} }");
  const auto own = Find();
  own->targets[0]->ForceOpen(absl::nullopt, engine::Now());
  Swap("method { name {} breaker { scope: CHANNEL } }");
  const auto shared = Find();
  EXPECT_EQ(State(*shared), core::BreakerState::kClosed);
  ASSERT_EQ(shared->runtime->breakers().size(), 2u);
  EXPECT_EQ(shared->runtime->breakers()[1], own->targets[0]);
  own->targets[0]->ClearOverride(engine::Now());
  EXPECT_EQ(shared->runtime->breakers(), shared->targets);
}

// A call that begins while policies change gets exactly one of them.
TEST_F(PolicySwapTest, SwapsAndFirstCallsOnManyThreads) {
  const std::string policies[] = {
      "method { name {} breaker { scope: CHANNEL } bulkhead {} }",
      "method { name {} breaker { scope: CHANNEL mode: SHADOW } retry {} }",
      "method { name {} breaker {} }"};
  Start(policies[0]);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int n = t; !is_over; ++n) {
        EXPECT_TRUE(engine_->SetPolicyText(policies[n % 3]).ok());
      }
    });
  }
  for (int n = 0; n < 500; ++n) {
    const auto channel =
        engine_->core()->BindChannel(absl::StrCat("c", n % 50), {"t"});
    const auto binding = channel->Find(absl::StrCat("/p.S/M", n));
    ASSERT_NE(binding, nullptr);
    const core::MethodOptions& options = *binding->settings->options;
    EXPECT_EQ(binding->targets[0]->identity().method == "*",
              options.SharesBreaker());
    EXPECT_EQ(binding->settings->admission.bulkhead() != nullptr,
              options.admission.bulkhead.has_value());
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  Swap(policies[1]);
  for (const auto& runtime : engine_->core()->Methods()) {
    for (core::Breaker* breaker : runtime->breakers()) {
      const core::BreakerSnapshot s = breaker->Snapshot(engine::Now());
      EXPECT_TRUE(s.shadow) << runtime->method;
      EXPECT_EQ(s.state, core::BreakerState::kClosed) << runtime->method;
    }
  }
}

TEST_F(PolicySwapTest, APolicyWithAFaultChangesNothing) {
  Start("method { name {} timeout: \"1s\" }");
  const auto before = Find();
  for (const char* bad :
       {"method { name {} timeout: \"1s\" breaker { failure_rate: 7 } }",
        "method {", "\xff\xfe", "{\"methodConfig\": 3}"}) {
    const absl::Status status = engine_->SetPolicyText(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(Find(), before);
}

TEST_F(PolicySwapTest, APolicyOfNoMethodLetsEverythingPass) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  Fail(*Find());
  Swap("channel { budget {} }");
  EXPECT_EQ(Find(), nullptr);
}

}  // namespace
}  // namespace firebreak::testing
