// `fault { }` in a policy: it is refused unless the process allows faults.
// Tests its effects over every stub style.
#include <algorithm>

#include "firebreak/events.h"
#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr char kTwoFaults[] = R"pb(
  method {
    id: "pay"
    name { service: "a.B" }
    fault { codes: INTERNAL }
  }
  method {
    id: "rest"
    name {}
    fault { hang: true share: 0.5 }
  }
)pb";

absl::StatusOr<std::shared_ptr<Engine>> Allowing(
    const std::string& text, std::shared_ptr<Clock> clock = nullptr) {
  EngineOptions options;
  options.allow_faults = true;
  options.clock = std::move(clock);
  options.log_sink = nullptr;
  return Engine::FromText(text, options);
}

class PolicyEvents final : public EventListener {
 public:
  void OnEvent(const EngineEvent& event) override {
    if (event.kind != EngineEvent::Kind::kPolicy) return;
    std::lock_guard<std::mutex> lock(mu_);
    causes_.push_back(event.cause);
    changed_.notify_all();
  }
  std::vector<std::string> WaitFor(size_t n) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait_for(lock, seconds(10), [&] { return causes_.size() >= n; });
    return causes_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::string> causes_;
};

TEST(FaultPolicyAloneTest, IsRefusedWhereItIsNotAllowedAndSaidOnce) {
  const auto refused = Engine::FromText(kTwoFaults);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.status().message(),
            "fault: is set in pay, rest; not allowed in this process "
            "(EngineOptions::allow_faults)");

  EngineOptions options;
  options.log_sink = nullptr;
  auto engine = Engine::FromText("method { name {} }", options);
  ASSERT_TRUE(engine.ok());
  auto events = std::make_shared<PolicyEvents>();
  (*engine)->AddEventListener(events);
  EXPECT_FALSE((*engine)->SetPolicyText(kTwoFaults).ok());
  ASSERT_EQ(events->WaitFor(1).size(), 1U);
  EXPECT_THAT(events->WaitFor(1)[0], HasSubstr("refused: fault: is set in"));
  EXPECT_EQ((*engine)->policy().version, 1U);
  PolicyUpdate dry_run;
  dry_run.dry_run = true;
  EXPECT_FALSE((*engine)->UpdatePolicy(kTwoFaults, dry_run).ok());
  // A `fault` that injects nothing is allowed.
  EXPECT_TRUE((*engine)
                  ->SetPolicyText("method { name {} fault { enabled: false "
                                  "hang: true } }")
                  .ok());
  EXPECT_TRUE((*engine)
                  ->SetPolicyText("method { name {} fault { hang: true "
                                  "share: 0 } }")
                  .ok());
}

TEST(FaultPolicyAloneTest, TheLintSaysThatItIsThere) {
  auto engine = Allowing(
      "method { name {} timeout: \"1s\" fault { latency: \"1ms\" share: 0.25 "
      "} }");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const std::vector<LintFinding> findings = (*engine)->Lint();
  EXPECT_TRUE(std::any_of(
      findings.begin(), findings.end(), [](const LintFinding& finding) {
        return finding.problem == "injects faults into 25% of its attempts";
      }));
}

class FaultPolicyTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  FaultPolicyTest() { server_.Always(kUnary, EchoOf("ok")); }

  std::shared_ptr<grpc::Channel> ChannelWith(const std::string& entry) {
    auto engine =
        Allowing(absl::StrCat("method { name {} ", entry, " }"), clock_);
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *engine;
    return engine_->CreateChannel("echo", server_.target(),
                                  grpc::InsecureChannelCredentials());
  }

  const std::shared_ptr<VirtualClock> clock_ = std::make_shared<VirtualClock>();
  ScriptedServer server_;
  std::shared_ptr<Engine> engine_;
};

TEST_P(FaultPolicyTest, FailsWithOneOfItsCodes) {
  const auto channel =
      ChannelWith("fault { share: 1 codes: INTERNAL codes: ABORTED }");
  std::map<grpc::StatusCode, int> codes;
  for (int i = 0; i < 40; ++i) ++codes[Pending(GetParam(), channel).Code()];
  EXPECT_EQ(codes.size(), 2U);
  EXPECT_GT(codes[grpc::StatusCode::INTERNAL], 0);
  EXPECT_GT(codes[grpc::StatusCode::ABORTED], 0);
  EXPECT_EQ(server_.attempts(kUnary), 0);
  // A new policy applies to later calls.
  ASSERT_TRUE(engine_->SetPolicyText("method { name {} }").ok());
  EXPECT_TRUE(Pending(GetParam(), channel).Wait().ok());
}

TEST_P(FaultPolicyTest, HangsAndIsLateByTheClock) {
  const auto channel = ChannelWith(
      "timeout: \"5s\" fault { share: 1 hang: true codes: ABORTED }");
  Pending hangs(GetParam(), channel);
  ASSERT_TRUE(clock_->WaitForTimer(seconds(5)));
  clock_->Advance(seconds(5));
  EXPECT_EQ(hangs.Code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ASSERT_TRUE(engine_
                  ->SetPolicyText("method { name {} fault { share: 1 latency: "
                                  "\"3s\" } }")
                  .ok());
  Pending late(GetParam(), channel);
  ASSERT_TRUE(clock_->WaitForTimer(seconds(3)));
  EXPECT_EQ(server_.attempts(kUnary), 0);
  clock_->Advance(seconds(3));
  EXPECT_TRUE(late.Wait().ok());
}

TEST_P(FaultPolicyTest, LosesReplies) {
  const auto channel = ChannelWith("fault { share: 1 drop_reply: true }");
  EXPECT_EQ(Pending(GetParam(), channel).Code(), kUnavailable);
  EXPECT_EQ(server_.attempts(kUnary), 1);
}

INSTANTIATE_TEST_SUITE_P(Styles, FaultPolicyTest, AllStyles(), StyleName);

}  // namespace
}  // namespace firebreak::testing
