// The admin service and the policy: what it shows, accepts and refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

class AdminPolicyTest : public ::testing::Test {
 protected:
  v1::GetPolicyResponse Get() {
    v1::GetPolicyResponse response;
    EXPECT_TRUE(f_.Call(&Stub::GetPolicy, {}, &response).ok());
    return response;
  }
  grpc::Status Apply(const v1::ApplyPolicyRequest& request) {
    response_.Clear();
    return f_.Call(&Stub::ApplyPolicy, request, &response_);
  }
  static v1::ApplyPolicyRequest Text(const std::string& text) {
    v1::ApplyPolicyRequest request;
    request.set_text(text);
    return request;
  }
  // Returns the policy in force with another limit of payment's breaker.
  v1::ApplyPolicyRequest WithLimit(int failures) {
    v1::ApplyPolicyRequest request;
    *request.mutable_policy() = Get().policy();
    request.mutable_policy()
        ->mutable_method(0)
        ->mutable_breaker()
        ->set_consecutive_failures(failures);
    return request;
  }
  // Events of that kind, oldest first.
  std::vector<core::Event> Events(core::Event::Kind kind) {
    std::vector<core::Event> events;
    for (core::Event& each : f_.core()->events().Since(0, 1000).events) {
      if (each.kind == kind) events.push_back(std::move(each));
    }
    return events;
  }

  AdminFixture f_;
  v1::ApplyPolicyResponse response_;
};

TEST_F(AdminPolicyTest, TellsThePolicyInForce) {
  const v1::GetPolicyResponse got = Get();
  EXPECT_EQ(got.version(), 1u);
  EXPECT_EQ(got.policy().method_size(), 3);
  EXPECT_EQ(got.policy().method(0).id(), "payment");
  EXPECT_TRUE(got.has_since());
  // The text is the same policy, so applying it changes nothing.
  ASSERT_TRUE(Apply(Text(got.text())).ok());
  EXPECT_FALSE(response_.changed());
  EXPECT_EQ(response_.version(), 1u);
  EXPECT_THAT(response_.differences(), IsEmpty());
}

TEST_F(AdminPolicyTest, TakesAnotherAndTellsTheDifference) {
  core::Breaker* const breaker = f_.Bind("payment", "", kCharge);
  ASSERT_TRUE(Apply(WithLimit(3)).ok());
  EXPECT_TRUE(response_.changed());
  EXPECT_EQ(response_.version(), 2u);
  ASSERT_THAT(response_.differences(), SizeIs(1));
  EXPECT_THAT(
      response_.differences(0).path(),
      AllOf(HasSubstr("payment"), HasSubstr("breaker.consecutive_failures")));
  EXPECT_EQ(response_.differences(0).before(), "2");
  EXPECT_EQ(response_.differences(0).after(), "3");
  EXPECT_EQ(Get().version(), 2u);
  Trip(breaker);  // two failures
  EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
            core::BreakerState::kClosed);
  const auto audit = Events(core::Event::Kind::kAudit);
  ASSERT_THAT(audit, SizeIs(1));
  EXPECT_EQ(audit[0].action, "ApplyPolicy");
  EXPECT_THAT(audit[0].actor, HasSubstr("unix socket"));
  EXPECT_THAT(audit[0].cause, AllOf(HasSubstr("version 1 -> 2: "),
                                    HasSubstr("consecutive_failures: 2 -> 3")));
  EXPECT_THAT(Get().source(), HasSubstr("admin"));
}

TEST_F(AdminPolicyTest, ADryRunChangesNothing) {
  v1::ApplyPolicyRequest request = WithLimit(3);
  request.set_dry_run(true);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_TRUE(response_.changed());
  EXPECT_EQ(response_.version(), 1u);
  EXPECT_THAT(response_.differences(), SizeIs(1));
  EXPECT_EQ(Get().version(), 1u);
  EXPECT_EQ(Get().policy().method(0).breaker().consecutive_failures(), 2);
  EXPECT_THAT(Events(core::Event::Kind::kAudit), IsEmpty());
}

TEST_F(AdminPolicyTest, ComparesAndSets) {
  v1::ApplyPolicyRequest request = WithLimit(3);
  request.set_if_version(7);
  grpc::Status status = Apply(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("7"), HasSubstr("1")));
  EXPECT_EQ(Get().version(), 1u);
  request.set_if_version(1);
  EXPECT_TRUE(Apply(request).ok());
  EXPECT_EQ(Get().version(), 2u);
  // A dry run compares too.
  request.set_dry_run(true);
  EXPECT_EQ(Apply(request).error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(AdminPolicyTest, OfThoseWhoRaceOneWins) {
  constexpr int kRounds = 20;
  constexpr int kThreads = 4;
  for (uint64_t round = 1; round <= kRounds; ++round) {
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      v1::ApplyPolicyRequest request =
          WithLimit(static_cast<int>(round) * 10 + i);
      request.set_if_version(round);
      threads.emplace_back([this, request, &won, &lost] {
        v1::ApplyPolicyResponse response;
        const grpc::Status status =
            f_.Call(&Stub::ApplyPolicy, request, &response);
        if (status.ok()) ++won;
        if (status.error_code() == grpc::StatusCode::ABORTED) ++lost;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1) << round;
    EXPECT_EQ(lost, kThreads - 1) << round;
    EXPECT_EQ(Get().version(), round + 1);
  }
}

TEST_F(AdminPolicyTest, RefusesWhatIsWrongAndKeepsTheOld) {
  const std::string deep(20'000, '{');
  for (const std::string& bad :
       {std::string("method { breaker { failure_rate: 1.5 } }"),
        std::string("method {"), std::string("nonsense"), deep,
        "[" + std::string(20'000, '['), "{\"method\":" + deep,
        std::string("method { breaker { mode: 99 } }"),
        std::string("method { breaker { mode: NONSENSE } }"),
        std::string("method { retry { max_attempts: 99999999999999 } }"),
        std::string(1 << 21, '#')}) {
    const grpc::Status status = Apply(Text(bad));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << bad.substr(0, 60) << ": " << status.error_message();
    EXPECT_THAT(status.error_message(), Not(IsEmpty()));
  }
  v1::ApplyPolicyRequest request;
  EXPECT_EQ(Apply(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
      << "neither policy nor text";
  // A newer client may send this value.
  request = WithLimit(3);
  request.mutable_policy()->mutable_method(0)->mutable_breaker()->set_mode(
      static_cast<v1::BreakerPolicy::Mode>(99));
  EXPECT_EQ(Apply(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  // Over gRPC's own limit for a message.
  EXPECT_EQ(Apply(Text(std::string(5 << 20, '#'))).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Get().version(), 1u);
}

TEST_F(AdminPolicyTest, EveryFaultIsNamed) {
  const grpc::Status status =
      Apply(Text("method { name { service: \"a.B\" }\n"
                 "  breaker { failure_rate: 1.5 }\n"
                 "  retry { max_attempts: 0 } }"));
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("breaker.failure_rate: is 1.5"),
                    HasSubstr("retry.max_attempts: is 0")));
}

TEST_F(AdminPolicyTest, OfManyFaultsAreToldAsManyAsAStatusHolds) {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    absl::StrAppend(&text, "method { breaker { failure_rate: 7 } }\n");
  }
  grpc::Status status = Apply(Text(text));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("method[0].breaker.failure_rate: is 7"),
                    HasSubstr("\nand "), HasSubstr(" lines more")));
  // One line that is longer than that, and not ASCII.
  text = "method { timeout: \"";
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&text, "\xc3\xa9");
  status = Apply(Text(text + "\" }"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("timeout"));
}

TEST_F(AdminPolicyTest, OfManyFindingsAreTold500) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    absl::StrAppend(&text, "method{name{service:\"a.S", i, "\"}hedging{}}\n");
  }
  ASSERT_TRUE(Apply(Text(text)).ok());
  ASSERT_THAT(response_.findings(), SizeIs(501));
  EXPECT_EQ(response_.findings(500).problem(), "has 19500 more findings");
  EXPECT_THAT(Get().findings(), SizeIs(501));
}

TEST_F(AdminPolicyTest, FindsWhatIsHardlyMeant) {
  // It hedges, and nothing says that the method may run twice.
  ASSERT_TRUE(Apply(Text("method { name { service: \"a.B\" } id: \"new\"\n"
                         "  hedging { delay: \"20ms\" } }"))
                  .ok());
  ASSERT_THAT(response_.findings(), Not(IsEmpty()));
  EXPECT_THAT(response_.findings(0).where(), HasSubstr("a.B"));
  EXPECT_THAT(response_.findings(0).fix(), Not(IsEmpty()));
  EXPECT_THAT(Get().findings(), Not(IsEmpty()));
}

TEST(AdminPolicyAccessTest, AChangeNeedsAYesAndADryRunDoesNot) {
  AdminFixture f({}, "127.0.0.1:0");
  v1::ApplyPolicyRequest request;
  request.set_text("method { name {} }");
  v1::ApplyPolicyResponse response;
  EXPECT_EQ(f.Call(&Stub::ApplyPolicy, request, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  v1::GetPolicyResponse got;
  ASSERT_TRUE(f.Call(&Stub::GetPolicy, {}, &got).ok());
  EXPECT_EQ(got.version(), 1u);
  request.set_dry_run(true);
  EXPECT_TRUE(f.Call(&Stub::ApplyPolicy, request, &response).ok());
  const auto events = f.core()->events().Since(0, 10).events;
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_TRUE(events[0].refused);
  EXPECT_EQ(events[0].action, "ApplyPolicy");
}

TEST(AdminPolicyAccessTest, ReadsMayBeRefusedToo) {
  AdminOptions options;
  options.authorize_reads = true;
  options.authorizer = [](AdminCall*) {
    return absl::PermissionDeniedError("nobody");
  };
  AdminFixture f(options);
  v1::GetPolicyResponse got;
  EXPECT_EQ(f.Call(&Stub::GetPolicy, {}, &got).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  v1::ApplyPolicyRequest request;
  request.set_text("method { name {} }");
  request.set_dry_run(true);
  v1::ApplyPolicyResponse response;
  EXPECT_EQ(f.Call(&Stub::ApplyPolicy, request, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace firebreak::testing
