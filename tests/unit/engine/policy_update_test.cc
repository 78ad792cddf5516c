// Engine::UpdatePolicy(): versions, dry runs, compare-and-set, and the events.
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/v1/policy.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"

namespace firebreak {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string Timeout(int seconds) {
  return absl::StrCat("method { id: \"e\" name {} timeout: \"", seconds,
                      "s\" }");
}

class PolicyUpdateTest : public ::testing::Test {
 protected:
  PolicyUpdateTest() : engine_(*Engine::FromText(Timeout(1))) {}

  // "from>to cause"
  std::vector<std::string> Events() const {
    std::vector<std::string> lines;
    for (const core::Event& e :
         engine_->core()->events().Since(0, 1000).events) {
      EXPECT_EQ(e.kind, core::Event::Kind::kPolicy);
      lines.push_back(absl::StrCat(e.from, ">", e.to, " ", e.cause));
    }
    return lines;
  }
  engine::PolicyStats stats() const { return engine_->core()->policy_stats(); }
  core::Duration timeout() const {
    return engine_->core()->policy().Find("c", "/s/m")->timeout;
  }

  const std::shared_ptr<Engine> engine_;
};

TEST_F(PolicyUpdateTest, VersionsCountFromOne) {
  EXPECT_EQ(engine_->policy().version, 1u);
  EXPECT_EQ(engine_->policy().source, "text");
  const auto began = engine_->policy().since;
  PolicyUpdate update;
  update.source = "deploy 7";
  const auto change = engine_->UpdatePolicy(Timeout(2), update);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->version, 2u);
  EXPECT_TRUE(change->changed);
  ASSERT_EQ(change->differences.size(), 1u);
  EXPECT_EQ(change->differences[0].path, "method[e].timeout");
  EXPECT_EQ(change->differences[0].before, "\"1s\"");
  EXPECT_EQ(change->differences[0].after, "\"2s\"");
  const PolicyInForce now = engine_->policy();
  EXPECT_EQ(now.version, 2u);
  EXPECT_EQ(now.source, "deploy 7");
  EXPECT_EQ(now.policy->method(0).timeout(), "2s");
  EXPECT_GE(now.since, began);
  EXPECT_EQ(timeout(), std::chrono::seconds(2));
  EXPECT_THAT(Events(), ElementsAre("1>2 deploy 7: 1 difference"));
  EXPECT_EQ(stats().applied, 1);
  EXPECT_EQ(stats().version, 2u);
  EXPECT_EQ(stats().last_success, now.since);
}

TEST_F(PolicyUpdateTest, TheSamePolicyStays) {
  const PolicyInForce before = engine_->policy();
  const auto change = engine_->UpdatePolicy("# again\n" + Timeout(1));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->changed);
  EXPECT_EQ(change->version, 1u);
  EXPECT_THAT(change->differences, IsEmpty());
  EXPECT_EQ(engine_->policy().policy, before.policy);
  EXPECT_EQ(engine_->policy().since, before.since);
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(stats().unchanged, 1);
  EXPECT_EQ(stats().applied, 0);
  EXPECT_GE(stats().last_success, before.since);
}

TEST_F(PolicyUpdateTest, ADryRunChangesNothing) {
  PolicyUpdate dry;
  dry.dry_run = true;
  const auto change = engine_->UpdatePolicy(
      "method { name {} timeout: \"2s\" hedging {} }", dry);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->changed);
  EXPECT_EQ(change->version, 1u);
  EXPECT_EQ(change->differences.size(), 3u);
  ASSERT_EQ(change->findings.size(), 1u);
  EXPECT_EQ(change->findings[0].severity, LintFinding::Severity::kError);
  const auto faulty = engine_->UpdatePolicy("method {", dry);
  EXPECT_EQ(faulty.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->policy().version, 1u);
  EXPECT_EQ(timeout(), std::chrono::seconds(1));
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(stats().applied + stats().refused + stats().unchanged, 0);
}

TEST_F(PolicyUpdateTest, OnlyIfThatVersionIsInForce) {
  PolicyUpdate update;
  for (const uint64_t other :
       {uint64_t{0}, uint64_t{2}, std::numeric_limits<uint64_t>::max()}) {
    update.if_version = other;
    for (const bool dry_run : {true, false}) {
      update.dry_run = dry_run;
      const auto change = engine_->UpdatePolicy(Timeout(2), update);
      EXPECT_EQ(change.status().code(), StatusCode::kAborted);
      EXPECT_THAT(std::string(change.status().message()),
                  StartsWith(absl::StrCat("policy version 1 is in force, not ",
                                          other)));
    }
  }
  EXPECT_EQ(engine_->policy().version, 1u);
  EXPECT_EQ(stats().refused, 3);
  update.if_version = 1;
  EXPECT_TRUE(engine_->UpdatePolicy(Timeout(2), update).ok());
  EXPECT_EQ(engine_->UpdatePolicy(Timeout(3), update).status().code(),
            StatusCode::kAborted);
  EXPECT_EQ(timeout(), std::chrono::seconds(2));
}

TEST_F(PolicyUpdateTest, ARefusalIsAnEventWithTheFirstFault) {
  PolicyUpdate update;
  update.source = "admin 10.0.0.1";
  EXPECT_FALSE(engine_
                   ->UpdatePolicy("method {\n name {}\n timeout: \"2h\"\n"
                                  " breaker { probes: 0 }\n}",
                                  update)
                   .ok());
  EXPECT_THAT(Events(),
              ElementsAre("1>1 admin 10.0.0.1: refused: policy:3: "
                          "method[0].timeout: is 7200s; allowed [0s, 3600s]; "
                          "and 1 more; version 1 stays"));
  EXPECT_EQ(stats().refused, 1);
  EXPECT_EQ(stats().last_success, engine_->policy().since);
}

TEST_F(PolicyUpdateTest, ASourceIsCutAndCleaned) {
  PolicyUpdate update;
  update.source = "a\nb\x1b[31m\xff" + std::string(1'000'000, 'x');
  ASSERT_TRUE(engine_->UpdatePolicy(Timeout(2), update).ok());
  EXPECT_THAT(engine_->policy().source, StartsWith("a?b?[31m?xxx"));
  EXPECT_EQ(engine_->policy().source.size(), 203u);
  EXPECT_THAT(Events(), ElementsAre(HasSubstr("xxx...: 1 difference")));
}

// A service config is shown as the equivalent policy.
TEST_F(PolicyUpdateTest, AServiceConfigIsShownAsAPolicy) {
  const auto change = engine_->UpdatePolicy(
      R"({"methodConfig":[{"name":[{"service":"s"}],"timeout":"3s"}]})");
  ASSERT_TRUE(change.ok()) << change.status();
  const PolicyInForce now = engine_->policy();
  ASSERT_EQ(now.policy->method_size(), 1);
  EXPECT_EQ(now.policy->method(0).id(), "methodConfig[0]");
  // That policy can be applied again.
  const auto again = engine_->UpdatePolicy(*now.policy);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->changed);
}

TEST_F(PolicyUpdateTest, EveryWayToMakeAnEngineHasASource) {
  v1::PolicySet set;
  set.add_method()->add_name();
  EXPECT_EQ((*Engine::FromProto(set))->policy().source, "message");
  EXPECT_EQ((*Engine::FromServiceConfig(R"({"methodConfig":[{"name":[{}]}]})"))
                ->policy()
                .source,
            "service config");
}

TEST_F(PolicyUpdateTest, HostileTextsAreRefused) {
  const std::string deep(100'000, '{');
  const std::vector<std::string> texts = {
      "",
      "{",
      "}",
      "\xff\xfe\xfd",
      std::string("method { name {} }\0x", 20),
      "method { name { service: \"\xc3\x28\" } }",
      "method " + deep,
      "method { breaker " + deep + " }",
      "{\"method\":" + std::string(100'000, '['),
      "method { name {} breaker { probes: 99999999999999999999 } }",
      "method { name {} breaker { probes: -99999999999999999999 } }",
      "method { name {} breaker { failure_rate: 1e999 } }",
      "method { name {} breaker { failure_rate: nan } }",
      "method { name {} breaker { failure_rate: -inf } }",
      "method { name {} timeout: \"99999999999999999999999h\" }",
      "method { name {} timeout: \"-1s\" }",
      "method { name {} breaker { mode: MAYBE } }",
      "method { name {} breaker { mode: 77 } }",
      "method { name {} retry { codes: 77 } }",
      "method { name {} retry { codes: OK } }",
      "{\"method\":[{\"name\":[{}],\"breaker\":{\"mode\":\"MAYBE\"}}]}",
      std::string(engine::kMaxPolicySize + 1, ' '),
      std::string(engine::kMaxPolicySize + 1, '\0'),
  };
  for (const std::string& text : texts) {
    const auto change = engine_->UpdatePolicy(text);
    EXPECT_EQ(change.status().code(), StatusCode::kInvalidArgument)
        << text.substr(0, 80);
  }
  EXPECT_EQ(engine_->policy().version, 1u);
  EXPECT_EQ(stats().refused, static_cast<int64_t>(texts.size()));
}

TEST_F(PolicyUpdateTest, HostileMessagesAreRefused) {
  std::vector<v1::PolicySet> sets(6);
  sets[1].add_method()->add_name()->set_service("\xc3\x28");
  sets[2].add_method()->add_name();
  sets[2].mutable_method(0)->set_timeout("\xff\x01s");
  sets[3].add_method()->add_name();
  sets[3].mutable_method(0)->mutable_breaker()->set_mode(
      static_cast<v1::BreakerPolicy::Mode>(-5));
  sets[4].add_method()->add_name();
  sets[4].mutable_method(0)->mutable_breaker()->set_failure_rate(
      std::numeric_limits<double>::quiet_NaN());
  sets[5].add_method()->add_name()->set_service(
      std::string(engine::kMaxPolicySize, 's'));
  for (const v1::PolicySet& set : sets) {
    const auto change = engine_->UpdatePolicy(set);
    EXPECT_EQ(change.status().code(), StatusCode::kInvalidArgument)
        << set.ShortDebugString().substr(0, 80);
  }
  EXPECT_EQ(engine_->UpdatePolicy(sets[5]).status().message(),
            "policy: is longer than 1048576 bytes; allowed: at most that");
  EXPECT_EQ(engine_->policy().version, 1u);
}

TEST_F(PolicyUpdateTest, OfRacingUpdatesOneWins) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    PolicyUpdate update;
    update.if_version = engine_->policy().version;
    std::atomic<int> ready{0};
    std::atomic<int> winners{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const std::string text = Timeout(2 + round * kThreads + t);
        ++ready;
        while (ready < kThreads) std::this_thread::yield();
        const auto change = engine_->UpdatePolicy(text, update);
        if (change.ok()) {
          EXPECT_EQ(change->version, *update.if_version + 1);
          ++winners;
        } else {
          EXPECT_EQ(change.status().code(), StatusCode::kAborted);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(winners, 1);
  }
  EXPECT_EQ(engine_->policy().version, 1u + kRounds);
  EXPECT_EQ(stats().applied, kRounds);
  EXPECT_EQ(stats().refused, kRounds * (kThreads - 1));
  // The events are in the order in which the policies came into force.
  uint64_t version = 1;
  for (const core::Event& e :
       engine_->core()->events().Since(0, 10'000).events) {
    EXPECT_EQ(e.from, absl::StrCat(version));
    if (e.to != e.from) ++version;
  }
  EXPECT_EQ(version, 1u + kRounds);
}

}  // namespace
}  // namespace firebreak
