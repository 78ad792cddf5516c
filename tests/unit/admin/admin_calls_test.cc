// Health and alerts are about calls: outages that no breaker sees, and breakers
// that are still open although the outage may be over. In virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "src/admin/health/alerts.h"
#include "src/admin/health/health_view.h"
#include "src/admin/health/rates.h"
#include "src/admin/views/method_view.h"
#include "src/engine/call_health.h"
#include "src/engine/recent_counts.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using core::HealthLevel;

// One method, whose counters are read every five seconds of a virtual clock.
class AdminCallsTest : public ::testing::Test {
 protected:
  explicit AdminCallsTest(const char* method = kCreate,
                          const char* channel = "order") {
    runtime_ = f_.Method(channel, "t:1", method)->runtime;
    rates_ = admin::Rates::Create(f_.core());
    rates_->Advance(now_);
  }

  core::MethodStats& stats() { return runtime_->stats; }
  core::Breaker* breaker() { return runtime_->breakers().front(); }

  void Pass(core::Duration d) {
    for (const core::Time end = now_ + d; now_ < end;) {
      now_ = std::min(end, now_ + admin::Rates::kStep);
      rates_->Advance(now_);
    }
  }
  void Ends(absl::StatusCode code, core::Attribution attribution, int times,
            core::Duration took = milliseconds(5)) {
    for (int i = 0; i < times; ++i) {
      stats().OnCallStarted();
      stats().OnAttempt(core::AttemptKind::kFirst);
      stats().OnAttemptEnd(attribution);
      stats().OnCallEnded(code == absl::StatusCode::kOk
                              ? core::CallEnd::kSuccess
                              : core::CallEnd::kFailure,
                          code, took);
    }
  }
  void Succeed(int times, core::Duration took = milliseconds(5)) {
    Ends(absl::StatusCode::kOk, core::Attribution::kSuccess, times, took);
  }
  void AnswerWith(absl::StatusCode code, int times) {
    Ends(code, core::Attribution::kAnsweredWithError, times);
  }
  // The same for `count` seconds, and also for the latency model.
  void SucceedFor(int count, int times_a_second, core::Duration took) {
    for (int s = 0; s < count; ++s) {
      Succeed(times_a_second, took);
      runtime_->latency.Record(took, now_,
                               static_cast<uint32_t>(times_a_second));
      now_ += seconds(1);
      rates_->Advance(now_);
    }
  }
  // Starts calls that never end.
  void Hang(int times) {
    for (int i = 0; i < times; ++i) {
      stats().OnCallStarted();
      stats().OnAttempt(core::AttemptKind::kFirst);
      hung_.push_back(stats().ages.Begin(now_));
    }
  }
  void Settle(core::Verdict verdict, int times) {
    for (int i = 0; i < times; ++i) {
      breaker()
          ->Admit(now_, core::kInfiniteFuture)
          .permit.Settle(verdict, now_);
    }
  }

  admin::Selected Mine() const { return {runtime_, runtime_->breakers()}; }
  core::Health Health() const {
    return admin::HealthOf(Mine(), rates_.get(), now_).health;
  }
  std::vector<v1::Alert> Found() const {
    return admin::FindAlerts({Mine()}, AlertLimits(), *rates_, now_);
  }
  std::vector<std::string> Alerts() const {
    std::vector<std::string> out;
    for (const v1::Alert& each : Found()) {
      out.push_back(absl::StrCat(
          v1::AlertSeverity_Name(each.severity()).substr(15), " ",
          v1::AlertKind_Name(each.kind()).substr(11), ": ", each.cause()));
    }
    return out;
  }
  // Returns how long ago the alert began, in seconds; -1 if it has no time.
  int64_t AgeOf(v1::AlertKind kind) const {
    for (const v1::Alert& each : Found()) {
      if (each.kind() != kind || !each.has_since()) continue;
      const engine::WallClock clock;
      return std::chrono::duration_cast<seconds>(
                 clock.At(now_) -
                 std::chrono::system_clock::time_point(
                     seconds(each.since().seconds()) +
                     milliseconds(each.since().nanos() / 1'000'000)) +
                 milliseconds(500))
          .count();
    }
    return -1;
  }

  AdminFixture f_;
  std::shared_ptr<engine::MethodRuntime> runtime_;
  std::shared_ptr<admin::Rates> rates_;
  // The start of a half minute, in which a latency model has no baseline.
  core::Time now_ = [] {
    const core::Duration now = engine::Now().time_since_epoch();
    return core::Time(now - now % seconds(30) + seconds(30));
  }();
  std::vector<core::CallAges::Call> hung_;
};

TEST(ErrorsOfTest, CodesThatThePolicyIgnoresAreNoErrors) {
  engine::RecentCounts::Counts counts;
  counts.codes[0] = 5;
  const auto code = absl::StatusCode::kPermissionDenied;
  counts.codes[static_cast<size_t>(code)] = 7;
  core::MethodOptions options;
  engine::CallErrors errors = engine::ErrorsOf(counts, options);
  EXPECT_THAT(
      (std::vector<int64_t>{errors.calls, errors.errors, errors.not_ok}),
      ElementsAre(12, 7, 7));
  options.breaker.emplace().ignored_codes.Add(code);
  errors = engine::ErrorsOf(counts, options);
  EXPECT_THAT(
      (std::vector<int64_t>{errors.calls, errors.errors, errors.not_ok}),
      ElementsAre(5, 0, 0));
  // Codes that the policy counts as failures are errors, whatever they mean.
  const auto not_found = absl::StatusCode::kNotFound;
  counts.codes[static_cast<size_t>(not_found)] = 3;
  EXPECT_EQ(engine::ErrorsOf(counts, options).errors, 0);
  options.breaker->failure_codes.Add(not_found);
  EXPECT_EQ(engine::ErrorsOf(counts, options).errors, 3);
}

class AdminBreakerCallsTest : public AdminCallsTest {
 protected:
  AdminBreakerCallsTest() : AdminCallsTest(kCharge, "payment") {}
};

TEST_F(AdminCallsTest, CallersThatAllHangAreSeenWithinTenSeconds) {
  for (int i = 0; i < 12; ++i) {
    Succeed(500);
    Pass(seconds(5));
  }
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  Hang(20);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  EXPECT_DOUBLE_EQ(Health().hanging_share, 1);
  Pass(seconds(25));
  EXPECT_THAT(Alerts(), ElementsAre("CRITICAL CALLS_HANG: 20 calls in flight "
                                    "for over 5s, the oldest for 35s; 0 ended "
                                    "in the last seconds"));
  EXPECT_EQ(AgeOf(v1::ALERT_KIND_CALLS_HANG), 35);
  const v1::Method view = admin::MethodView(Mine(), now_, rates_.get());
  EXPECT_EQ(view.calls().in_flight(), 20);
  EXPECT_EQ(view.calls().hanging(), 20);
  EXPECT_TRUE(view.calls().has_oldest_in_flight());
  EXPECT_EQ(view.health().hanging_share(), 1);
  hung_.clear();
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(AdminCallsTest, AServerThatIsFarSlowerIsSeenWithinTenSeconds) {
  SucceedFor(60, 50, milliseconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
  // It answers so few calls that most answers of the last 30 s are older ones.
  SucceedFor(10, 9, milliseconds(1000));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_THAT(Alerts(), ElementsAre(AllOf(
                            HasSubstr("SLOWER_THAN_USUAL: the median of the "
                                      "last seconds is 1.01s"),
                            HasSubstr("usually 4930us"))));
}

TEST_F(AdminCallsTest, OfAQuietMethodAHalfMinuteTells) {
  SucceedFor(60, 50, milliseconds(5));
  Pass(seconds(40));
  SucceedFor(5, 1, milliseconds(1000));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy) << "five calls";
  SucceedFor(23, 1, milliseconds(1000));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
}

TEST_F(AdminCallsTest, BeforeThereIsABaselineAHundredCallsAreOne) {
  SucceedFor(10, 5, milliseconds(5));
  SucceedFor(10, 4, milliseconds(1000));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy) << "90 calls";
  SucceedFor(1, 200, milliseconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  SucceedFor(7, 16, milliseconds(1000));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
}

TEST_F(AdminCallsTest, SomewhatSlowerIsNoDoubt) {
  SucceedFor(60, 50, milliseconds(50));
  SucceedFor(15, 20, milliseconds(450));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy) << "nine times";
}

TEST_F(AdminCallsTest, FastAnswersMayBecomeManyTimesSlower) {
  SucceedFor(60, 50, milliseconds(1));
  SucceedFor(15, 50, milliseconds(45));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy) << "nobody waits for it";
}

TEST_F(AdminCallsTest, ASecondOfSlowCallsIsNoOutage) {
  SucceedFor(60, 50, milliseconds(5));
  SucceedFor(1, 50, milliseconds(1000));
  SucceedFor(9, 50, milliseconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
}

TEST_F(AdminCallsTest, WhereNotAllThatHangAreKnownThereAreAtLeastSoMany) {
  Hang(1000);
  EXPECT_FALSE(
      admin::MethodView(Mine(), now_, nullptr).calls().hanging_is_at_least())
      << "none hangs yet";
  Pass(seconds(35));
  const v1::Method view = admin::MethodView(Mine(), now_, rates_.get());
  EXPECT_EQ(view.calls().hanging(), 2 * int64_t{core::CallAges::kSlots});
  EXPECT_TRUE(view.calls().hanging_is_at_least());
  EXPECT_THAT(Alerts(),
              ElementsAre(HasSubstr("CALLS_HANG: at least 64 calls")));
  hung_.resize(20);
  EXPECT_FALSE(
      admin::MethodView(Mine(), now_, nullptr).calls().hanging_is_at_least());
}

TEST_F(AdminCallsTest, TheFirstCallsOfAllAreADoubtForHalfAMinute) {
  Hang(20);
  Pass(seconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  Pass(seconds(24));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  Pass(seconds(1));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
}

TEST_F(AdminCallsTest, CallsThatTakeLongEachTimeDoNotHang) {
  for (int i = 0; i < 20; ++i) Succeed(1, seconds(20));
  Hang(20);
  Pass(seconds(40));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
  Pass(seconds(25));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
}

TEST_F(AdminCallsTest, WhereNothingIsUsualYetThereIsADoubt) {
  Hang(20);
  Pass(seconds(9));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  Pass(seconds(2));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_THAT(Alerts(), ElementsAre(HasSubstr("WARNING CALLS_HANG")));
  Pass(seconds(19));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
}

TEST_F(AdminCallsTest, OneLeakedCallAmongManyIsNoOutage) {
  Hang(1);
  for (int i = 0; i < 60; ++i) {
    Succeed(500);
    Pass(seconds(5));
  }
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(AdminCallsTest, ErrorsThatNoBreakerCounts) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnimplemented,
        absl::StatusCode::kResourceExhausted}) {
    Pass(seconds(70));
    Succeed(1000);
    Pass(seconds(40));
    EXPECT_EQ(Health().level, HealthLevel::kHealthy);
    AnswerWith(code, 50);
    Pass(seconds(5));
    AnswerWith(code, 50);
    Pass(seconds(5));
    EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
    EXPECT_THAT(Alerts(), ElementsAre(absl::StrCat(
                              "CRITICAL CALLS_FAIL: 100 of 100 calls of the "
                              "last 10s were not OK: ",
                              absl::StatusCodeToString(code), " 100")));
    EXPECT_EQ(AgeOf(v1::ALERT_KIND_CALLS_FAIL), 10);
    const v1::Method view = admin::MethodView(Mine(), now_, rates_.get());
    EXPECT_EQ(view.recent().now().answered(), 100);
    EXPECT_EQ(view.recent().now().not_ok(), 100);
    EXPECT_EQ(view.recent().now().errors(), 100);
    EXPECT_DOUBLE_EQ(view.recent().now().calls_per_second(), 10);
    ASSERT_EQ(view.recent().now().codes_size(), 1);
    EXPECT_EQ(view.recent().now().codes(0).code(),
              static_cast<v1::Code>(static_cast<int>(code)));
  }
}

TEST_F(AdminCallsTest, AnIncidentsStartOutlivesTheMinute) {
  for (int i = 0; i < 60; ++i) {
    AnswerWith(absl::StatusCode::kPermissionDenied, 20);
    Pass(seconds(5));
  }
  EXPECT_EQ(AgeOf(v1::ALERT_KIND_CALLS_FAIL), 300);
  Succeed(100);
  Pass(seconds(5));
  AnswerWith(absl::StatusCode::kPermissionDenied, 100);
  Pass(seconds(5));
  EXPECT_EQ(AgeOf(v1::ALERT_KIND_CALLS_FAIL), 5);
}

TEST_F(AdminCallsTest, AnswersAreNoOutageUnlessThereAreNoOthers) {
  AnswerWith(absl::StatusCode::kNotFound, 95);
  Succeed(5);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
  Pass(seconds(70));
  AnswerWith(absl::StatusCode::kInvalidArgument, 100);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_THAT(Alerts(), ElementsAre(AllOf(HasSubstr("WARNING CALLS_FAIL"),
                                          HasSubstr("INVALID_ARGUMENT 100"))));
}

TEST_F(AdminCallsTest, WhatThisProcessDoesIsNoFaultOfTheServers) {
  Succeed(20);
  Ends(absl::StatusCode::kDeadlineExceeded,
       core::Attribution::kDeadlineTooShort, 60);
  Ends(absl::StatusCode::kResourceExhausted, core::Attribution::kLocalError,
       20);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_DOUBLE_EQ(Health().error_rate, 0);
}

TEST_F(AdminCallsTest, AnOutageThatIsOverIsNoneAfterTenSeconds) {
  for (int i = 0; i < 12; ++i) {
    AnswerWith(absl::StatusCode::kUnimplemented, 100);
    Pass(seconds(5));
  }
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  for (int i = 0; i < 3; ++i) {
    Succeed(100);
    Pass(seconds(5));
  }
  EXPECT_EQ(Health().level, HealthLevel::kHealthy);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(AdminCallsTest, AnswersThatTakeManyTimesTheUsual) {
  for (int i = 0; i < 12; ++i) {
    Succeed(100);
    runtime_->latency.Record(milliseconds(5), now_, 100);
    Pass(seconds(5));
  }
  EXPECT_THAT(Alerts(), IsEmpty());
  for (int i = 0; i < 6; ++i) {
    Succeed(10, seconds(1));
    runtime_->latency.Record(seconds(1), now_, 10);
    Pass(seconds(5));
  }
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_THAT(Alerts(),
              ElementsAre(AllOf(HasSubstr("WARNING SLOWER_THAN_USUAL"),
                                HasSubstr("usually "))));
}

TEST_F(AdminCallsTest, RetriesNotMadeAreNeverAllThereIsToSay) {
  Succeed(90);
  Ends(absl::StatusCode::kUnavailable, core::Attribution::kServerFailure, 10);
  EXPECT_THAT(Alerts(), IsEmpty()) << "a tenth is below every limit";
  stats().OnStop(core::Reason::kBudgetExhausted);
  Pass(seconds(10));
  EXPECT_THAT(Alerts(), ElementsAre(HasSubstr("WARNING RETRIES_NOT_MADE"),
                                    AllOf(HasSubstr("WARNING CALLS_FAIL"),
                                          HasSubstr("10 of 100 calls"),
                                          HasSubstr("UNAVAILABLE 10"))));
}

TEST_F(AdminBreakerCallsTest, AForcedBreakerIsJudgedByItsCalls) {
  Settle(core::Verdict::kSuccess, 50);
  breaker()->ForceClosed(absl::nullopt, now_);
  Ends(absl::StatusCode::kUnavailable, core::Attribution::kTransportFailure,
       136);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  EXPECT_THAT(Alerts(),
              Contains("WARNING OVERRIDE_WITHOUT_END: forced_closed: by an "
                       "operator, until cleared"));
  EXPECT_THAT(Alerts(), Contains(AllOf(HasSubstr("CRITICAL CALLS_FAIL"),
                                       HasSubstr("136 of 136"))));
  EXPECT_EQ(AgeOf(v1::ALERT_KIND_OVERRIDE_WITHOUT_END), 10);
  breaker()->ForceClosed(std::chrono::minutes(10), now_);
  EXPECT_THAT(Alerts(), Not(Contains(HasSubstr("OVERRIDE_WITHOUT_END"))));
}

TEST_F(AdminBreakerCallsTest, WhatRetriesHideIsAFailureRateNoLess) {
  breaker()->ForceClosed(absl::nullopt, now_);
  Succeed(60);
  for (int i = 0; i < 40; ++i) {
    stats().OnAttemptEnd(core::Attribution::kServerFailure);
  }
  Pass(seconds(10));
  EXPECT_DOUBLE_EQ(Health().failure_rate, 0.4);
  EXPECT_EQ(Health().error_rate, 0);
}

TEST_F(AdminBreakerCallsTest, CallsThatABreakerRefusedHaveFailed) {
  Succeed(50);
  for (int i = 0; i < 50; ++i) {
    stats().OnCallStarted();
    stats().OnRejected(core::Reason::kBreakerOpen);
  }
  Pass(seconds(10));
  EXPECT_DOUBLE_EQ(Health().error_rate, 0.5);
}

TEST_F(AdminBreakerCallsTest, OneFailedCallOfAQuietMethod) {
  Settle(core::Verdict::kFailure, 1);
  Ends(absl::StatusCode::kUnavailable, core::Attribution::kServerFailure, 1);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(AdminBreakerCallsTest, WhereNobodyCallsAnOutageIsOnlyADoubt) {
  const core::Time began = now_;
  Ends(absl::StatusCode::kUnavailable, core::Attribution::kServerFailure, 40);
  Settle(core::Verdict::kFailure, 2);
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  EXPECT_THAT(Alerts(), Contains(HasSubstr("CRITICAL BREAKER_OPEN: open: ")));
  Pass(seconds(9));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy) << "no probe is due yet";
  Pass(seconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  EXPECT_TRUE(Health().waits_for_call);
  EXPECT_THAT(Alerts(),
              Contains(AllOf(HasSubstr("WARNING BREAKER_OPEN: open: "),
                             HasSubstr("it waits for a call"))));
  // A call fails, so it has been the same outage all the time.
  Settle(core::Verdict::kFailure, 1);
  stats().OnCallStarted();
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  EXPECT_EQ(AgeOf(v1::ALERT_KIND_BREAKER_OPEN),
            std::chrono::duration_cast<seconds>(now_ - began).count());
}

TEST_F(AdminBreakerCallsTest, NineSecondsWithoutACallAreIdle) {
  Settle(core::Verdict::kFailure, 2);
  Pass(seconds(15));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
  stats().OnCallStarted();
  Pass(seconds(5));
  EXPECT_EQ(Health().level, HealthLevel::kUnhealthy);
  Pass(seconds(10));
  EXPECT_EQ(Health().level, HealthLevel::kDegraded);
}

TEST_F(AdminBreakerCallsTest, SeverityAndStartStayWhileProbesFail) {
  Settle(core::Verdict::kFailure, 2);
  for (int i = 0; i < 5; ++i) {
    Pass(seconds(80));
    stats().OnCallStarted();
    core::Permit probe = breaker()->Admit(now_, core::kInfiniteFuture).permit;
    ASSERT_TRUE(probe.is_probe());
    EXPECT_THAT(Alerts(),
                ElementsAre(HasSubstr("CRITICAL BREAKER_OPEN: half")));
    EXPECT_EQ(AgeOf(v1::ALERT_KIND_BREAKER_OPEN), 80 * (i + 1));
    probe.Settle(core::Verdict::kFailure, now_);
    EXPECT_THAT(Alerts(),
                ElementsAre(HasSubstr("CRITICAL BREAKER_OPEN: open")));
    EXPECT_EQ(AgeOf(v1::ALERT_KIND_BREAKER_OPEN), 80 * (i + 1));
  }
}

TEST(AdminPolicyAlertTest, ARefusedPolicy) {
  AdminFixture f;
  const auto alerts = [&](const std::string& channel) {
    v1::ListAlertsRequest request;
    request.mutable_selector()->set_channel(channel);
    v1::ListAlertsResponse response;
    EXPECT_TRUE(f.Call(&v1::Admin::Stub::ListAlerts, request, &response).ok());
    return response;
  };
  EXPECT_EQ(alerts("").alerts_size(), 0);
  f.core()->BindChannel("payment", {""});
  EXPECT_FALSE(f.core()
                   ->policies()
                   ->UpdatePolicy(absl::InvalidArgumentError("no good"), {})
                   .ok());
  ASSERT_EQ(alerts("").alerts_size(), 1);
  EXPECT_EQ(alerts("").alerts(0).kind(), v1::ALERT_KIND_POLICY_REFUSED);
  EXPECT_THAT(alerts("").alerts(0).cause(),
              HasSubstr("version 1 stays in force"));
  EXPECT_TRUE(alerts("").alerts(0).has_since());
  EXPECT_EQ(alerts("payment").alerts_size(), 0);
}

}  // namespace
}  // namespace firebreak::testing
