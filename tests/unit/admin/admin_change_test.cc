// Changes that the admin service makes, and changes that it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

TEST(AdminOverrideTest, HoldsOpenUntilCleared) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  v1::SetOverrideResponse set;
  ASSERT_TRUE(f.Call(&Stub::SetOverride,
                     Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &set)
                  .ok());
  ASSERT_THAT(set.breakers(), SizeIs(1));
  EXPECT_EQ(set.breakers(0).state(), v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_EQ(set.breakers(0).method(), kCharge);
  EXPECT_FALSE(set.breakers(0).has_override_end());
  const core::Time far = engine::Now() + std::chrono::hours(24 * 365);
  EXPECT_EQ(breaker->Admit(far, core::kInfiniteFuture).refusal.reason,
            core::Reason::kForcedOpen);

  v1::ClearOverrideRequest request;
  request.mutable_selector()->set_method("Charge");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  ASSERT_THAT(cleared.breakers(), SizeIs(1));
  EXPECT_EQ(cleared.breakers(0).state(), v1::BREAKER_STATE_HALF_OPEN);
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  EXPECT_THAT(cleared.breakers(), IsEmpty());  // nothing to clear
}

TEST(AdminOverrideTest, AStarNamesWhatMethodsOfAChannelShare) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  const auto force = [&](const std::string& channel,
                         v1::SetOverrideResponse* response) {
    v1::SetOverrideRequest request =
        Override("*", v1::BREAKER_STATE_FORCED_OPEN);
    request.mutable_selector()->set_channel(channel);
    return f.Call(&Stub::SetOverride, request, response);
  };
  v1::SetOverrideResponse set;
  EXPECT_EQ(force("", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  core::Breaker* const shared = f.Bind("catalog", "a:1", kFind);
  ASSERT_EQ(f.Bind("catalog", "a:1", kList), shared);
  EXPECT_EQ(force("payment", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(force("none", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(force("catalog", &set).ok());
  ASSERT_THAT(set.breakers(), SizeIs(1));
  EXPECT_EQ(set.breakers(0).method(), "*");
  EXPECT_EQ(shared->Snapshot(engine::Now()).state,
            core::BreakerState::kForcedOpen);

  v1::ClearOverrideRequest request;
  request.mutable_selector()->set_method("*");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  EXPECT_THAT(cleared.breakers(), SizeIs(1));
  // "*" is not a method that can be shown.
  v1::GetMethodResponse got;
  EXPECT_EQ(f.Get("*", &got).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(AdminOverrideTest, AMethodDoesNotStandForAllThatShareItsBreaker) {
  AdminFixture f;
  core::Breaker* const shared = f.Bind("catalog", "a:1", kFind);
  ASSERT_EQ(f.Bind("catalog", "a:1", kList), shared);
  const uint64_t epoch = shared->Snapshot(engine::Now()).epoch;
  v1::SetOverrideResponse set;
  v1::ClearOverrideRequest clear;
  clear.mutable_selector()->set_method("Find");
  v1::ClearOverrideResponse cleared;
  v1::ResetMethodRequest reset;
  reset.mutable_selector()->set_method("Find");
  v1::ResetMethodResponse was_reset;
  for (const grpc::Status& status :
       {f.Call(&Stub::SetOverride,
               Override("Find", v1::BREAKER_STATE_FORCED_OPEN), &set),
        f.Call(&Stub::ClearOverride, clear, &cleared),
        f.Call(&Stub::ResetMethod, reset, &was_reset)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(status.error_message(),
              absl::StrCat(kFind,
                           " shares its breaker with all of the channel "
                           "\"catalog\" (scope: CHANNEL); use the method \"*\" "
                           "to change that"));
  }
  EXPECT_EQ(shared->Snapshot(engine::Now()).epoch, epoch);
}

TEST(AdminOverrideTest, ExpiresByItself) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Trip(breaker);
  v1::SetOverrideRequest request =
      Override("Charge", v1::BREAKER_STATE_FORCED_CLOSED);
  request.mutable_duration()->set_seconds(30);
  request.mutable_duration()->set_nanos(500'000'000);
  v1::SetOverrideResponse set;
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &set).ok());
  EXPECT_EQ(set.breakers(0).state(), v1::BREAKER_STATE_FORCED_CLOSED);
  EXPECT_TRUE(set.breakers(0).has_override_end());

  v1::GetMethodResponse response;
  breaker->Tick(engine::Now() + std::chrono::seconds(29));
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().breakers(0).state(),
            v1::BREAKER_STATE_FORCED_CLOSED);
  breaker->Tick(engine::Now() + std::chrono::seconds(31));
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().breakers(0).state(), v1::BREAKER_STATE_CLOSED);
}

TEST(AdminOverrideTest, OfAllThatFit) {
  AdminFixture f;
  f.Bind("payment", "a:1", kCharge);
  f.Bind("payment", "b:1", kCharge);
  f.Bind("pay2", "b:1", kCharge);
  f.Bind("payment", "a:1", kRefund);
  v1::SetOverrideRequest request =
      Override(kCharge, v1::BREAKER_STATE_FORCED_OPEN);
  v1::SetOverrideResponse response;
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(3));
  request.mutable_selector()->set_target("b:1");
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(2));
  request.mutable_selector()->set_channel("payment");
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(1));
}

TEST(AdminOverrideTest, WorksWithoutABreakerInThePolicy) {
  AdminFixture f;
  f.Bind("order", "", kCreate);
  v1::SetOverrideResponse response;
  ASSERT_TRUE(f.Call(&Stub::SetOverride,
                     Override("CreateOrder", v1::BREAKER_STATE_FORCED_OPEN),
                     &response)
                  .ok());
  EXPECT_EQ(response.breakers(0).state(), v1::BREAKER_STATE_FORCED_OPEN);
}

TEST(AdminOverrideTest, OtherStatesAreRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  v1::SetOverrideResponse response;
  struct Case {
    int state;
    const char* shown;
  };
  for (const Case& c :
       {Case{0, "BREAKER_STATE_UNSPECIFIED"}, Case{2, "BREAKER_STATE_CLOSED"},
        Case{3, "BREAKER_STATE_OPEN"}, Case{99, "99"}, Case{-1, "-1"}}) {
    const grpc::Status status = f.Call(
        &Stub::SetOverride,
        Override("Charge", static_cast<v1::BreakerState>(c.state)), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(),
              std::string("state: is ") + c.shown +
                  "; allowed BREAKER_STATE_FORCED_OPEN or "
                  "BREAKER_STATE_FORCED_CLOSED");
  }
}

TEST(AdminOverrideTest, DurationsOutOfRangeAreRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  constexpr int64_t kMonth = int64_t{30} * 24 * 3600;
  struct Case {
    int64_t seconds;
    int32_t nanos;
    const char* shown;
  };
  for (const Case& c :
       {Case{0, 0, "is 0s;"}, Case{-5, 0, "is -5s;"},
        Case{0, -1, "is 0s and -1ns;"}, Case{kMonth, 1, "is 2592000s and 1ns;"},
        Case{kMonth + 1, 0, "is 2592001s;"},
        Case{INT64_MAX, 0, "is 9223372036854775807s;"},
        Case{INT64_MIN, INT32_MIN, "is -9223372036854775808s"},
        Case{INT64_MAX, INT32_MAX, "is 9223372036854775807s"},
        Case{5, -5, "is 5s and -5ns;"},
        Case{5, 1'000'000'000, "is 5s and 1000000000ns;"}}) {
    v1::SetOverrideRequest request =
        Override("Charge", v1::BREAKER_STATE_FORCED_OPEN);
    request.mutable_duration()->set_seconds(c.seconds);
    request.mutable_duration()->set_nanos(c.nanos);
    v1::SetOverrideResponse response;
    const grpc::Status status = f.Call(&Stub::SetOverride, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("duration: "), HasSubstr(c.shown),
                      HasSubstr("allowed (0, 30 days]")));
  }
  v1::SetOverrideRequest longest =
      Override("Charge", v1::BREAKER_STATE_FORCED_OPEN);
  longest.mutable_duration()->set_seconds(kMonth);
  v1::SetOverrideResponse response;
  EXPECT_TRUE(f.Call(&Stub::SetOverride, longest, &response).ok());
}

TEST(AdminOverrideTest, EveryFaultIsNamedAndNothingIsDone) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  v1::SetOverrideRequest request = Override("Charge", v1::BREAKER_STATE_OPEN);
  request.mutable_duration();
  v1::SetOverrideResponse response;
  const grpc::Status status = f.Call(&Stub::SetOverride, request, &response);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("state: "), HasSubstr("duration: ")));
  EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
            core::BreakerState::kClosed);
}

TEST(AdminOverrideTest, AMethodKnownFromAFallbackOnlyHasNoBreaker) {
  AdminFixture f;
  ASSERT_TRUE(f.core()->SetFallback("payment", kCharge, nullptr).ok());
  v1::SetOverrideResponse response;
  const grpc::Status status =
      f.Call(&Stub::SetOverride,
             Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(kCharge));
}

TEST(AdminResetTest, ClosesAndKeepsCounters) {
  AdminFixture f;
  auto method = f.Method("payment", "", kCharge);
  method->runtime->stats.OnCallStarted();
  Trip(method->targets.front());
  v1::ResetMethodRequest request;
  request.mutable_selector()->set_method("Charge");
  v1::ResetMethodResponse reset;
  ASSERT_TRUE(f.Call(&Stub::ResetMethod, request, &reset).ok());
  ASSERT_THAT(reset.breakers(), SizeIs(1));
  EXPECT_EQ(reset.breakers(0).state(), v1::BREAKER_STATE_CLOSED);
  EXPECT_EQ(reset.breakers(0).window_calls(), 0);
  EXPECT_EQ(reset.breakers(0).times_opened(), 1);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().calls().started(), 1);
}

}  // namespace
}  // namespace firebreak::testing
