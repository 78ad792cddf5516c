// The candidate policy of an engine: how it comes, stays and goes.
#include "src/engine/candidate/candidate_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/testing/virtual_clock.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kMethod[] = "/p.S/M";

class CandidateStoreTest : public ::testing::Test {
 protected:
  CandidateStoreTest() {
    EngineOptions options;
    options.clock = clock_;
    options.max_methods = 20;
    engine_ = *Engine::FromText(Limit(5), options);
    channel_ = core()->BindChannel("c", {"t"});
  }
  static std::string Limit(int failures) {
    return absl::StrCat(
        "method { name {} breaker { consecutive_failures: ", failures, " } }");
  }
  EngineCore* core() { return engine_->core().get(); }
  CandidateStore* store() { return core()->candidates(); }
  absl::StatusOr<PolicyChange> Set(const std::string& text,
                                   const PolicyUpdate& update = {}) {
    return store()->Set(ParsePolicyText(text, "test", true), update);
  }
  std::shared_ptr<const MethodBinding> Find() {
    return channel_->Find(kMethod);
  }
  void Call(const MethodBinding& binding) {
    CandidateCall::Arrival arrival;
    arrival.now = clock_->Now();
    CandidateCall call(*binding.candidate, binding.runtime.get(), arrival);
    core::CallTape::Call facts;
    facts.started = clock_->Now();
    facts.attempts = 1;
    call.OnLaunch({0, 0, core::AttemptKind::kFirst, core::kInfiniteFuture,
                   /*is_probe=*/false},
                  clock_->Now());
    call.OnAttemptEnd(0, core::AttemptEnd(), clock_->Now());
    call.End(facts, clock_->Now());
  }
  core::BreakerSnapshot Live() {
    return Find()->targets[0]->Snapshot(clock_->Now());
  }
  std::vector<core::Event> Events() {
    return core()->events().Since(0, 1000).events;
  }
  std::string LastCause() { return Events().back().cause; }

  const std::shared_ptr<testing::VirtualClock> clock_ =
      std::make_shared<testing::VirtualClock>();
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<ChannelBinding> channel_;
};

TEST_F(CandidateStoreTest, ThereIsNoneAtFirst) {
  EXPECT_EQ(store()->current(), nullptr);
  EXPECT_EQ(Find()->candidate, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(store()->Clear("me").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store()->Promote({}).status()));
}

TEST_F(CandidateStoreTest, CallsFindItFromNowOnAndThePolicyStays) {
  const auto before = Find();
  PolicyUpdate update;
  update.source = "me";
  const auto change = Set(Limit(3), update);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_TRUE(change->changed);
  EXPECT_EQ(change->version, 1u);
  EXPECT_EQ(before->candidate, nullptr);
  ASSERT_NE(Find()->candidate, nullptr);
  EXPECT_EQ(Find()->settings, before->settings);
  EXPECT_EQ(Find()->targets, before->targets);
  EXPECT_NE(Find()->candidate->binding.targets[0], before->targets[0]);
  EXPECT_EQ(core()->policies()->in_force().version, 1u);
  EXPECT_EQ(store()->current()->facts.id, 1u);
  EXPECT_THAT(LastCause(),
              HasSubstr("me: candidate 1 is set beside version 1: 1 diff"));
}

TEST_F(CandidateStoreTest, WhatDoesNotCompileIsRefusedAndTheOldOneStays) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  const auto wrong = Set(Limit(-1));
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_THAT(std::string(wrong.status().message()),
              HasSubstr("consecutive_failures"));
  EXPECT_EQ(store()->current()->facts.id, 1u);
  PolicyUpdate stale;
  stale.if_version = 7;
  EXPECT_TRUE(absl::IsAborted(Set(Limit(4), stale).status()));
  PolicyUpdate dry;
  dry.dry_run = true;
  EXPECT_TRUE(Set(Limit(4), dry).ok());
  EXPECT_EQ(store()->current()->facts.id, 1u);
}

TEST_F(CandidateStoreTest, ACandidateOfSomebodyElseStays) {
  const absl::StatusOr<PolicyTable> policy =
      ParsePolicyText(Limit(4), "test", true);
  PolicyUpdate update;
  update.source = "me";
  const auto early = store()->Set(policy, update, /*if_id=*/1);
  EXPECT_TRUE(absl::IsAborted(early.status()));
  EXPECT_THAT(LastCause(), HasSubstr("me: candidate refused: no candidate is "
                                     "there, not 1 (if_candidate)"));
  ASSERT_TRUE(Set(Limit(3)).ok());
  ASSERT_TRUE(store()->Set(policy, update, /*if_id=*/1).ok());
  EXPECT_EQ(store()->current_id(), 2u);
  EXPECT_TRUE(absl::IsAborted(store()->Set(policy, update, 1).status()));
  update.dry_run = true;
  EXPECT_TRUE(absl::IsAborted(store()->Set(policy, update, 1).status()));
  EXPECT_TRUE(absl::IsAborted(store()->Clear("me", 1).status()));
  EXPECT_THAT(LastCause(), HasSubstr("me: candidate not cleared: candidate 2 "
                                     "is there, not 1 (if_candidate)"));
  EXPECT_TRUE(Events().back().refused);
  EXPECT_EQ(store()->current_id(), 2u);
  EXPECT_TRUE(store()->Clear("me", 2).ok());
}

TEST_F(CandidateStoreTest, AnotherBeginsAnew) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  Call(*Find());
  EXPECT_EQ(store()->current()->Find("c", kMethod)->tally.counts().calls(), 1);
  ASSERT_TRUE(Set(Limit(3)).ok());
  EXPECT_EQ(store()->current()->facts.id, 2u);
  EXPECT_THAT(LastCause(), HasSubstr(", in the place of candidate 1"));
  EXPECT_EQ(store()->current()->Find("c", kMethod), nullptr);
}

TEST_F(CandidateStoreTest, ACallEndsWithTheOneItBeganWith) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  const auto binding = Find();
  const std::weak_ptr<Candidate> first = store()->current();
  CandidateCall::Arrival arrival;
  arrival.now = clock_->Now();
  auto call = std::make_unique<CandidateCall>(*binding->candidate,
                                              binding->runtime.get(), arrival);
  ASSERT_TRUE(Set(Limit(2)).ok());
  (void)Find();
  ASSERT_TRUE(store()->Clear("me").ok());
  EXPECT_EQ(Find()->candidate, nullptr);
  // Its binding has it.
  ASSERT_FALSE(first.expired());
  call.reset();
  EXPECT_EQ(first.lock()->Find("c", kMethod)->tally.counts().calls(), 1);
}

TEST_F(CandidateStoreTest, AClearedOneGoesWithItsLastBinding) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  auto binding = Find();
  const std::weak_ptr<Candidate> candidate = store()->current();
  ASSERT_TRUE(store()->Clear("me").ok());
  (void)Find();  // the channel forgets what it knew
  EXPECT_FALSE(candidate.expired());
  binding.reset();
  EXPECT_TRUE(candidate.expired());
}

TEST_F(CandidateStoreTest, ALivePolicyThatChangesLeavesItThere) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  Call(*Find());
  ASSERT_TRUE(engine_->SetPolicyText(Limit(6)).ok());
  ASSERT_NE(Find()->candidate, nullptr);
  Call(*Find());
  // With all that it has counted.
  EXPECT_EQ(store()->current()->Find("c", kMethod)->tally.counts().calls(), 2);
}

TEST_F(CandidateStoreTest, MethodsThatAreCalledLaterAreInIt) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  const auto other = core()->BindChannel("d", {"t", "u"})->Find("/p.S/Other");
  ASSERT_NE(other->candidate, nullptr);
  EXPECT_EQ(other->candidate->binding.targets.size(), 2u);
  Call(*other);
  EXPECT_EQ(store()->current()->Find("d", "/p.S/Other")->tally.counts().calls(),
            1);
}

TEST_F(CandidateStoreTest, PastMaxMethodsNothingIsCounted) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  for (int i = 0; i < 30; ++i) {
    (void)channel_->Find(absl::StrCat("/p.S/M", i));
  }
  const auto late = channel_->Find("/p.S/Late");
  EXPECT_EQ(late->runtime->method, kOtherMethod);
  EXPECT_EQ(late->candidate, nullptr);
}

TEST_F(CandidateStoreTest, PromotedItIsThePolicyAndStateStays) {
  const auto before = Find();
  before->targets[0]->ForceOpen(absl::nullopt, clock_->Now());
  ASSERT_TRUE(Set(Limit(3)).ok());
  CandidateStore::Promotion promotion;
  promotion.source = "me";
  const auto change = store()->Promote(promotion);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->version, 2u);
  EXPECT_EQ(store()->current(), nullptr);
  const auto after = Find();
  EXPECT_EQ(after->candidate, nullptr);
  EXPECT_EQ(after->targets, before->targets);
  EXPECT_EQ(after->settings->options->breaker->consecutive_failures, 3);
  EXPECT_EQ(after->targets[0]->Snapshot(clock_->Now()).state,
            core::BreakerState::kForcedOpen);
  EXPECT_EQ(core()->policies()->in_force().source, "me, candidate 1 promoted");
}

// What the candidate's breakers have seen is nobody's any more.
TEST_F(CandidateStoreTest, PromotedItsResultsDoNotCount) {
  ASSERT_TRUE(engine_->SetPolicyText("method { name {} }").ok());
  ASSERT_TRUE(Set("method { name {} breaker { window { duration: \"60s\" } "
                  "minimum_calls: 2 failure_rate: 0.5 } }")
                  .ok());
  core::Breaker* const tried = Find()->candidate->binding.targets[0];
  tried->Admit(clock_->Now(), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, clock_->Now());
  ASSERT_EQ(tried->Snapshot(clock_->Now()).window_calls, 1);
  ASSERT_TRUE(store()->Promote({}).ok());
  EXPECT_EQ(Live().window_calls, 0);
  // One failure opens nothing, as after any update.
  Find()
      ->targets[0]
      ->Admit(clock_->Now(), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, clock_->Now());
  EXPECT_EQ(Live().state, core::BreakerState::kClosed);
}

TEST_F(CandidateStoreTest, AnOpenCandidateOpensNothing) {
  ASSERT_TRUE(Set(Limit(1)).ok());
  const auto binding = Find();
  core::Breaker* const tried = binding->candidate->binding.targets[0];
  tried->Admit(clock_->Now(), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, clock_->Now());
  ASSERT_EQ(tried->Snapshot(clock_->Now()).state, core::BreakerState::kOpen);
  ASSERT_TRUE(store()->Promote({}).ok());
  EXPECT_EQ(Live().state, core::BreakerState::kClosed);
  EXPECT_EQ(Live().window_calls, 0);
}

TEST_F(CandidateStoreTest, OneThatIsRefusedLeavesAnEvent) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  PolicyUpdate update;
  update.source = "me";
  ASSERT_FALSE(Set("method { name {} timeout: \"2h\" }", update).ok());
  const auto events = Events();
  ASSERT_FALSE(events.empty());
  EXPECT_TRUE(events.back().refused);
  EXPECT_EQ(events.back().kind, core::Event::Kind::kPolicy);
  EXPECT_THAT(events.back().cause,
              AllOf(HasSubstr("me: candidate refused: "),
                    HasSubstr("timeout: is 7200s; allowed [0s, 3600s]")));
  // No alert: the policy in force is well, and so is the candidate before.
  EXPECT_FALSE(core()->policies()->stats().is_refused);
  EXPECT_EQ(store()->current_id(), 1u);
  update.dry_run = true;
  ASSERT_FALSE(Set("garbage", update).ok());
  EXPECT_EQ(Events().size(), events.size());
}

TEST_F(CandidateStoreTest, PromoteMindsWhatHasChanged) {
  ASSERT_TRUE(Set(Limit(3)).ok());
  CandidateStore::Promotion promotion;
  promotion.if_id = 4;
  promotion.source = "me";
  EXPECT_TRUE(absl::IsAborted(store()->Promote(promotion).status()));
  EXPECT_THAT(LastCause(), HasSubstr("me: candidate not promoted: candidate 1 "
                                     "is there, not 4 (if_candidate)"));
  EXPECT_TRUE(Events().back().refused);
  promotion.if_id = 1;
  ASSERT_TRUE(engine_->SetPolicyText(Limit(6)).ok());
  const auto refused = store()->Promote(promotion);
  EXPECT_TRUE(absl::IsAborted(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("policy version 2 is in force, and candidate 1 was set "
                        "beside version 1"));
  EXPECT_THAT(LastCause(),
              HasSubstr("me: candidate not promoted: policy version 2 is in"));
  ASSERT_NE(store()->current(), nullptr);
  promotion.force = true;
  EXPECT_TRUE(store()->Promote(promotion).ok());
  EXPECT_EQ(Find()->settings->options->breaker->consecutive_failures, 3);
}

TEST_F(CandidateStoreTest, EachEngineHasItsOwn) {
  const auto other = *Engine::FromText(Limit(5));
  ASSERT_TRUE(Set(Limit(3)).ok());
  EXPECT_EQ(other->core()->candidates()->current(), nullptr);
  EXPECT_EQ(other->core()->BindChannel("c", {"t"})->Find(kMethod)->candidate,
            nullptr);
}

TEST_F(CandidateStoreTest, ChangesWhileCallsRun) {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> calls{0};
  // By the number of the candidate that their binding had.
  std::vector<std::atomic<int64_t>> under(51);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto binding = Find();
        if (binding->candidate != nullptr) {
          Call(*binding);
          ++under[binding->candidate->candidate->facts.id];
        }
        ++calls;
      }
    });
  }
  std::vector<std::shared_ptr<Candidate>> kept;
  int64_t seen = 0;
  for (int round = 0; round < 50; ++round) {
    while (calls < seen + 10) std::this_thread::yield();
    seen = calls;
    ASSERT_TRUE(Set(Limit(round % 5 + 1)).ok());
    // The others are gone while calls run.
    if (round % 2 == 0) kept.push_back(store()->current());
    if (round % 3 == 0) {
      ASSERT_TRUE(store()->Clear("me").ok());
    } else if (round % 3 == 1) {
      ASSERT_TRUE(store()->Promote({}).ok());
    } else {
      ASSERT_TRUE(engine_->SetPolicyText(Limit(round + 1)).ok());
    }
  }
  stop = true;
  for (std::thread& each : callers) each.join();
  // Each has counted its own calls, all of them and no others.
  for (const auto& each : kept) {
    const CandidateMethod* const method = each->Find("c", kMethod);
    EXPECT_EQ(method == nullptr ? 0 : method->tally.counts().calls(),
              under[each->facts.id])
        << "candidate " << each->facts.id;
  }
}

}  // namespace
}  // namespace firebreak::engine
