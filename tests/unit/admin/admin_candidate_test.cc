// The admin service and the candidate policy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/candidate_calls.h"

namespace firebreak::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Stub = v1::Admin::Stub;

constexpr char kCandidate[] =
    "method { name {} timeout: \"100ms\" breaker { consecutive_failures: 1 } } "
    "method { name { service: \"p.New\" method: \"Unheard\" } timeout: \"1s\" "
    "}";

class AdminCandidateTest : public ::testing::Test {
 protected:
  explicit AdminCandidateTest(AdminOptions options = {}) : f_(options) {}

  grpc::Status Set(const std::string& text, bool dry_run = false) {
    v1::SetCandidateRequest request;
    request.set_text(text);
    request.set_dry_run(dry_run);
    set_.Clear();
    return f_.Call(&Stub::SetCandidate, request, &set_);
  }
  v1::CompareCandidateResponse Compare(const std::string& method = "") {
    v1::CompareCandidateRequest request;
    request.mutable_selector()->set_method(method);
    v1::CompareCandidateResponse response;
    EXPECT_TRUE(f_.Call(&Stub::CompareCandidate, request, &response).ok());
    return response;
  }
  // A call that took so long, as its interceptor tells it.
  void Call(core::Duration took, absl::StatusCode code) {
    CallUnderCandidate(&f_, took, code);
  }
  std::vector<core::Event> Audit() {
    std::vector<core::Event> events;
    for (core::Event& each : f_.core()->events().Since(0, 1000).events) {
      if (each.kind == core::Event::Kind::kAudit) {
        events.push_back(std::move(each));
      }
    }
    return events;
  }

  AdminFixture f_;
  v1::SetCandidateResponse set_;
};

TEST_F(AdminCandidateTest, WithoutOneThereIsNothingToCompare) {
  f_.Bind("payment", "", kCharge);
  const v1::CompareCandidateResponse got = Compare();
  EXPECT_FALSE(got.has_candidate());
  EXPECT_THAT(got.methods(), IsEmpty());
  v1::ClearCandidateResponse cleared;
  EXPECT_EQ(f_.Call(&Stub::ClearCandidate, {}, &cleared).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::PromoteCandidateResponse promoted;
  EXPECT_EQ(f_.Call(&Stub::PromoteCandidate, {}, &promoted).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::GetMethodResponse method;
  ASSERT_TRUE(f_.Get("Charge", &method).ok());
  EXPECT_FALSE(method.method().has_candidate());
}

TEST_F(AdminCandidateTest, TellsWhatItWouldHaveDone) {
  ASSERT_TRUE(Set(kCandidate).ok());
  EXPECT_EQ(set_.candidate().id(), 1u);
  EXPECT_EQ(set_.candidate().live_version(), 1u);
  EXPECT_TRUE(set_.promoted().changed());
  EXPECT_EQ(set_.promoted().version(), 1u);
  Call(std::chrono::milliseconds(5), absl::StatusCode::kOk);
  Call(std::chrono::milliseconds(150), absl::StatusCode::kOk);
  Call(std::chrono::milliseconds(150), absl::StatusCode::kOk);
  const v1::CompareCandidateResponse got = Compare();
  EXPECT_EQ(got.candidate().id(), 1u);
  EXPECT_FALSE(got.candidate().live_has_changed());
  ASSERT_EQ(got.methods_size(), 1);
  const v1::CandidateMethod& method = got.methods(0);
  EXPECT_EQ(method.channel(), "payment");
  EXPECT_EQ(method.method(), kCharge);
  EXPECT_TRUE(method.has_entry());
  EXPECT_EQ(method.calls(), 3);
  EXPECT_EQ(method.succeeded(), 3);
  // The first late one has opened its breaker.
  EXPECT_EQ(method.would_time_out().succeeded(), 1);
  EXPECT_EQ(method.would_refuse().succeeded(), 1);
  ASSERT_EQ(method.refusals_size(), 1);
  EXPECT_EQ(method.refusals(0).name(), "breaker_open");
  ASSERT_EQ(method.breakers_size(), 1);
  EXPECT_EQ(method.breakers(0).state(), v1::BREAKER_STATE_OPEN);
  EXPECT_THAT(got.not_seen(), ElementsAre("/p.New/Unheard"));
  v1::GetMethodResponse one;
  ASSERT_TRUE(f_.Get("Charge", &one).ok());
  EXPECT_EQ(one.method().candidate().calls(), 3);
  EXPECT_EQ(one.method().breakers(0).state(), v1::BREAKER_STATE_CLOSED);
}

TEST_F(AdminCandidateTest, PagesAndSelectors) {
  ASSERT_TRUE(Set(kCandidate).ok());
  f_.Bind("payment", "", kCharge);
  f_.Bind("payment", "", kRefund);
  EXPECT_EQ(Compare("Refund").methods_size(), 1);
  EXPECT_EQ(Compare("Nobody").methods_size(), 0);
  v1::CompareCandidateRequest request;
  request.set_page_size(1);
  v1::CompareCandidateResponse page;
  ASSERT_TRUE(f_.Call(&Stub::CompareCandidate, request, &page).ok());
  EXPECT_EQ(page.methods(0).method(), kCharge);
  request.set_page_token(page.next_page_token());
  page.Clear();
  ASSERT_TRUE(f_.Call(&Stub::CompareCandidate, request, &page).ok());
  EXPECT_EQ(page.methods(0).method(), kRefund);
  EXPECT_EQ(page.next_page_token(), "");
  request.set_page_token("garbage");
  EXPECT_EQ(f_.Call(&Stub::CompareCandidate, request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.Clear();
  request.mutable_selector()->set_channel("nobody");
  EXPECT_EQ(f_.Call(&Stub::CompareCandidate, request, &page).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminCandidateTest, NotSeenAreThoseThatTheSelectorNames) {
  v1::ApplyPolicyRequest live;
  live.set_text(
      "method { name { channel: \"payment\" service: \"p.A\" method: \"M\" } } "
      "method { name { channel: \"payment\" service: \"p.B\" } }");
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(f_.Call(&Stub::ApplyPolicy, live, &applied).ok());
  ASSERT_TRUE(Set("method { name { service: \"p.A\" method: \"M\" } "
                  "         name { service: \"p.B\" method: \"M\" } "
                  "         name { service: \"p.New\" method: \"One\" } "
                  "         name { service: \"p.New\" method: \"Two\" } }")
                  .ok());
  // Calls of "payment" are seen.
  EXPECT_THAT(Compare().not_seen(), ElementsAre("/p.New/One", "/p.New/Two"));
  EXPECT_THAT(Compare("Two").not_seen(), ElementsAre("/p.New/Two"));
  EXPECT_THAT(Compare("Nobody").not_seen(), IsEmpty());
  f_.Bind("payment", "", "/p.A/M");
  f_.Bind("payment", "", "/p.B/M");
  v1::CompareCandidateRequest request;
  request.set_page_size(1);
  v1::CompareCandidateResponse page;
  ASSERT_TRUE(f_.Call(&Stub::CompareCandidate, request, &page).ok());
  EXPECT_EQ(page.not_seen_size(), 2);
  request.set_page_token(page.next_page_token());
  ASSERT_NE(request.page_token(), "");
  page.Clear();
  ASSERT_TRUE(f_.Call(&Stub::CompareCandidate, request, &page).ok());
  EXPECT_THAT(page.not_seen(), IsEmpty());
}

TEST_F(AdminCandidateTest, ShowsBothTimeouts) {
  ASSERT_TRUE(Set("method { name {} timeout: \"250ms\" }").ok());
  f_.Bind("payment", "", kCharge);
  f_.Bind("payment", "", kCreate);
  const v1::CompareCandidateResponse got = Compare();
  ASSERT_EQ(got.methods_size(), 2);
  EXPECT_FALSE(got.methods(0).has_live_timeout()) << "of CreateOrder";
  EXPECT_EQ(got.methods(1).timeout().nanos(), 250000000);
  EXPECT_EQ(got.methods(1).live_timeout().seconds(), 2);
}

TEST_F(AdminCandidateTest, WhatDoesNotCompileIsRefused) {
  for (const std::string& text :
       {std::string("garbage"), std::string("{\"method\": 7}"),
        std::string("method { name {} timeout: \"-1s\" }"), std::string()}) {
    EXPECT_EQ(Set(text).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << text;
    EXPECT_FALSE(Compare().has_candidate());
  }
  EXPECT_THAT(Set("method { name {} timeout: \"2h\" }").error_message(),
              HasSubstr("timeout: is 7200s; allowed [0s, 3600s]"));
  v1::SetCandidateRequest nothing;
  EXPECT_THAT(f_.Call(&Stub::SetCandidate, nothing, &set_).error_message(),
              HasSubstr("new_policy: is not set"));
}

TEST_F(AdminCandidateTest, ADryRunChangesNothing) {
  ASSERT_TRUE(Set(kCandidate, /*dry_run=*/true).ok());
  EXPECT_TRUE(set_.promoted().changed());
  EXPECT_FALSE(set_.has_candidate());
  EXPECT_FALSE(Compare().has_candidate());
  EXPECT_THAT(Audit(), IsEmpty());
}

TEST_F(AdminCandidateTest, PromoteAppliesAndAllIsInTheAudit) {
  ASSERT_TRUE(Set(kCandidate).ok());
  v1::PromoteCandidateRequest request;
  request.set_reason("ticket 7");
  request.set_if_candidate(9);
  v1::PromoteCandidateResponse promoted;
  EXPECT_EQ(f_.Call(&Stub::PromoteCandidate, request, &promoted).error_code(),
            grpc::StatusCode::ABORTED);
  request.set_if_candidate(1);
  ASSERT_TRUE(f_.Call(&Stub::PromoteCandidate, request, &promoted).ok());
  EXPECT_EQ(promoted.applied().version(), 2u);
  EXPECT_TRUE(promoted.applied().changed());
  EXPECT_FALSE(Compare().has_candidate());
  ASSERT_TRUE(Set(kCandidate).ok());
  v1::ClearCandidateResponse cleared;
  ASSERT_TRUE(f_.Call(&Stub::ClearCandidate, {}, &cleared).ok());
  EXPECT_EQ(cleared.candidate().id(), 2u);
  std::vector<std::string> actions;
  for (const core::Event& each : Audit()) actions.push_back(each.action);
  EXPECT_THAT(actions, ElementsAre("SetCandidate",
                                   "PromoteCandidate (reason: \"ticket 7\")",
                                   "SetCandidate", "ClearCandidate"));
}

TEST_F(AdminCandidateTest, TheCandidateOfSomebodyElseStays) {
  ASSERT_TRUE(Set(kCandidate).ok());
  v1::SetCandidateRequest another;
  another.set_text(kCandidate);
  another.set_if_candidate(7);
  EXPECT_EQ(f_.Call(&Stub::SetCandidate, another, &set_).error_code(),
            grpc::StatusCode::ABORTED);
  v1::ClearCandidateRequest clear;
  clear.set_if_candidate(7);
  v1::ClearCandidateResponse cleared;
  const grpc::Status status = f_.Call(&Stub::ClearCandidate, clear, &cleared);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(),
            "candidate 1 is there, not 7 (if_candidate): look at it and try "
            "again");
  EXPECT_EQ(Compare().candidate().id(), 1u);
  another.set_if_candidate(1);
  EXPECT_TRUE(f_.Call(&Stub::SetCandidate, another, &set_).ok());
  EXPECT_EQ(set_.candidate().id(), 2u);
}

TEST_F(AdminCandidateTest, AnotherLivePolicyNeedsForce) {
  ASSERT_TRUE(Set(kCandidate).ok());
  v1::ApplyPolicyRequest other;
  other.set_text("method { name {} timeout: \"5s\" }");
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(f_.Call(&Stub::ApplyPolicy, other, &applied).ok());
  EXPECT_TRUE(Compare().candidate().live_has_changed());
  v1::PromoteCandidateRequest request;
  v1::PromoteCandidateResponse promoted;
  EXPECT_EQ(f_.Call(&Stub::PromoteCandidate, request, &promoted).error_code(),
            grpc::StatusCode::ABORTED);
  request.set_force(true);
  EXPECT_TRUE(f_.Call(&Stub::PromoteCandidate, request, &promoted).ok());
  EXPECT_EQ(promoted.applied().version(), 3u);
}

AdminOptions Nobody() {
  AdminOptions options;
  options.authorizer = [](AdminCall*) {
    return absl::PermissionDeniedError("no");
  };
  return options;
}

class NobodyMayTest : public AdminCandidateTest {
 protected:
  NobodyMayTest() : AdminCandidateTest(Nobody()) {}
};

TEST_F(NobodyMayTest, ChangesNeedTheConsentOfTheAuthorizer) {
  constexpr auto kDenied = grpc::StatusCode::PERMISSION_DENIED;
  EXPECT_EQ(Set(kCandidate).error_code(), kDenied);
  v1::ClearCandidateResponse cleared;
  EXPECT_EQ(f_.Call(&Stub::ClearCandidate, {}, &cleared).error_code(), kDenied);
  v1::PromoteCandidateResponse promoted;
  EXPECT_EQ(f_.Call(&Stub::PromoteCandidate, {}, &promoted).error_code(),
            kDenied);
  // Reads are anybody's.
  EXPECT_TRUE(Set(kCandidate, /*dry_run=*/true).ok());
  EXPECT_FALSE(Compare().has_candidate());
}

AdminOptions NobodyMayApply() {
  AdminOptions options;
  options.authorizer = [](AdminCall* call) {
    return call->rpc == "ApplyPolicy" ? absl::PermissionDeniedError("not you")
                                      : absl::OkStatus();
  };
  return options;
}

class NobodyMayApplyTest : public AdminCandidateTest {
 protected:
  NobodyMayApplyTest() : AdminCandidateTest(NobodyMayApply()) {}
};

TEST_F(NobodyMayApplyTest, ToPromoteIsToApply) {
  ASSERT_TRUE(Set(kCandidate).ok());
  v1::PromoteCandidateResponse promoted;
  EXPECT_EQ(f_.Call(&Stub::PromoteCandidate, {}, &promoted).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(Compare().has_candidate());
  EXPECT_EQ(f_.core()->policies()->in_force().version, 1u);
  const std::vector<core::Event> audit = Audit();
  ASSERT_EQ(audit.size(), 2u);
  EXPECT_TRUE(audit[1].refused);
  EXPECT_EQ(audit[1].action, "PromoteCandidate");
}

}  // namespace
}  // namespace firebreak::testing
