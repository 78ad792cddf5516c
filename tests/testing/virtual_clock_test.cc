// Tests what happens when a test moves the clock, over every stub style.
#include "firebreak/testing/virtual_clock.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kBreaker[] = R"pb(
  breaker {
    consecutive_failures: 2
    failure_rate: 0
    confidence: 0
    open_duration: "10s"
    open_jitter: 0
    probes: 1
    probe_timeout: "5s"
    ramp { duration: "0s" }
  })pb";

class VirtualClockTest : public ::testing::TestWithParam<StubStyle> {};

TEST_P(VirtualClockTest, ABreakerOpensProbesAndClosesWhenTheTestSaysSo) {
  Rig rig(kBreaker);
  rig.server.Script(kUnary,
                    {Reply::Fail(kUnavailable), Reply::Fail(kUnavailable)});
  EXPECT_EQ(Pending(GetParam(), rig.channel()).Code(), kUnavailable);
  EXPECT_THAT(rig.breaker(), BreakerIs("closed"));
  EXPECT_EQ(Pending(GetParam(), rig.channel()).Code(), kUnavailable);
  EXPECT_THAT(rig.breaker(), BreakerIs("open"));

  rig.clock->Advance(seconds(10) - milliseconds(1));
  Pending refused(GetParam(), rig.channel());
  EXPECT_EQ(refused.Code(), kUnavailable);
  EXPECT_THAT(refused.context(), WasRefusedBy("breaker"));
  EXPECT_EQ(rig.server.attempts(kUnary), 2);

  rig.clock->Advance(milliseconds(1));
  EXPECT_TRUE(Pending(GetParam(), rig.channel()).Wait().ok());
  EXPECT_THAT(rig.breaker(), BreakerIs("closed"));
  EXPECT_EQ(rig.server.attempts(kUnary), 3);
}

TEST_P(VirtualClockTest, TheLeaseOfAProbeThatHangsEnds) {
  Rig rig(kBreaker);
  rig.server.Script(kUnary, {Reply::Fail(kUnavailable),
                             Reply::Fail(kUnavailable), Reply::Hang()});
  Pending(GetParam(), rig.channel()).Wait();
  Pending(GetParam(), rig.channel()).Wait();
  rig.clock->Advance(seconds(10));
  Pending probe(GetParam(), rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  EXPECT_THAT(rig.breaker(), BreakerIs("half_open"));
  rig.clock->Advance(seconds(5) - milliseconds(1));
  EXPECT_THAT(rig.breaker(), BreakerIs("half_open"));
  rig.clock->Advance(milliseconds(1));
  EXPECT_THAT(rig.breaker(), BreakerIs("open"));
  rig.server.Release(EchoOf("late"));
  EXPECT_TRUE(probe.Wait().ok());
}

TEST_P(VirtualClockTest, ABackoffWaitsForTheClock) {
  Rig rig(R"pb(
    timeout: "30s"
    idempotent: true
    retry {
      max_attempts: 3
      backoff { initial: "2s" max: "9s" multiplier: 2 jitter: NONE }
    })pb");
  rig.server.Script(kUnary,
                    {Reply::Fail(kUnavailable), Reply::Fail(kUnavailable)});
  Pending call(GetParam(), rig.channel());
  ASSERT_TRUE(rig.clock->WaitForTimer(seconds(2)));
  EXPECT_EQ(rig.server.attempts(kUnary), 1);
  rig.clock->Advance(seconds(2) - milliseconds(1));
  EXPECT_EQ(rig.server.attempts(kUnary), 1);
  rig.clock->Advance(milliseconds(1));
  ASSERT_TRUE(rig.server.WaitForAttempts(kUnary, 2));
  ASSERT_TRUE(
      rig.clock->AdvanceUntil([&] { return call.has_ended(); }, seconds(5)));
  EXPECT_TRUE(call.Wait().ok()) << call.Wait().error_message();
  EXPECT_THAT(call.Report(), AttemptsWere("first UNAVAILABLE",
                                          "retry UNAVAILABLE", "retry OK"));
  EXPECT_EQ(rig.clock->elapsed(), seconds(6));
}

TEST_P(VirtualClockTest, AHedgeStartsWhenItsDelayIsOver) {
  Rig rig(R"pb(
    timeout: "30s"
    idempotent: true
    hedging { max_attempts: 2 delay: "3s" })pb");
  rig.server.Script(kUnary, {Reply::Hang()});
  Pending call(GetParam(), rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  rig.clock->Advance(seconds(3) - milliseconds(1));
  EXPECT_EQ(rig.server.attempts(kUnary), 1);
  rig.clock->Advance(milliseconds(1));
  EXPECT_TRUE(call.Wait().ok());
  EXPECT_THAT(call.Report(), AttemptsWere("first CANCELLED", "hedge OK"));
}

TEST_P(VirtualClockTest, AnAttemptThatHangsIsTimedOutAndRetried) {
  Rig rig(R"pb(
    timeout: "30s"
    idempotent: true
    retry {
      max_attempts: 2
      attempt_timeout: "4s"
      codes: DEADLINE_EXCEEDED
      backoff { initial: "1ms" jitter: NONE }
    })pb");
  rig.server.Script(kUnary, {Reply::Hang()});
  Pending call(GetParam(), rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  rig.clock->Advance(seconds(4) - milliseconds(1));
  EXPECT_FALSE(call.has_ended());
  rig.clock->Advance(milliseconds(1));
  ASSERT_TRUE(rig.clock->AdvanceUntil([&] { return call.has_ended(); },
                                      milliseconds(10)));
  EXPECT_TRUE(call.Wait().ok()) << call.Wait().error_message();
  EXPECT_THAT(call.Report(),
              AttemptsWere("first DEADLINE_EXCEEDED", "retry OK"));
}

TEST_P(VirtualClockTest, ATimeoutEndsACallThatHangs) {
  Rig rig(R"pb(timeout: "7s")pb");
  rig.server.Script(kUnary, {Reply::Hang()});
  Pending call(GetParam(), rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  rig.clock->Advance(seconds(7) - milliseconds(1));
  EXPECT_FALSE(call.has_ended());
  rig.clock->Advance(milliseconds(1));
  EXPECT_EQ(call.Code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_P(VirtualClockTest, AQueuedCallWaitsByTheClock) {
  Rig rig(R"pb(
    bulkhead { max_concurrent: 1 max_queue: 1 max_wait: "9s" })pb");
  rig.server.Script(kUnary, {Reply::Hang()});
  Pending inside(GetParam(), rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  Pending waits(GetParam(), rig.channel());
  ASSERT_TRUE(rig.clock->WaitForTimer(seconds(9)));
  rig.clock->Advance(seconds(9) - milliseconds(1));
  EXPECT_FALSE(waits.has_ended());
  rig.clock->Advance(milliseconds(1));
  EXPECT_EQ(waits.Code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(waits.context(), WasRefusedBy("bulkhead"));
  rig.server.Release(EchoOf("now"));
  EXPECT_TRUE(inside.Wait().ok());
}

INSTANTIATE_TEST_SUITE_P(Styles, VirtualClockTest, AllStyles(), StyleName);

TEST(VirtualClockAloneTest, StandsStillAndDoesNotRunBackwards) {
  VirtualClock clock;
  const Clock::Time before = clock.Now();
  EXPECT_EQ(clock.Now(), before);
  EXPECT_TRUE(clock.Advance(seconds(3)));
  EXPECT_EQ(clock.elapsed(), seconds(3));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(clock.Advance(-seconds(1)));
  EXPECT_FALSE(clock.Advance(std::chrono::nanoseconds::min()));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("does not run backwards"));
  EXPECT_EQ(clock.elapsed(), seconds(3));
  EXPECT_TRUE(clock.Advance(std::chrono::nanoseconds::max()));
  EXPECT_TRUE(clock.Advance(std::chrono::nanoseconds::max()));
  EXPECT_EQ(clock.Now(), Clock::Time::max());
}

TEST(VirtualClockAloneTest, TwoEnginesGoByOneClock) {
  Rig a(kBreaker);
  std::shared_ptr<Engine> second = EngineOn(a.clock, kBreaker);
  const auto b = second->CreateChannel("echo", a.server.target(),
                                       grpc::InsecureChannelCredentials());
  a.server.Script(kUnary,
                  {Reply::Fail(kUnavailable), Reply::Fail(kUnavailable),
                   Reply::Fail(kUnavailable), Reply::Fail(kUnavailable)});
  for (int i = 0; i < 2; ++i) {
    Pending(StubStyle::kSync, a.channel()).Wait();
    Pending(StubStyle::kSync, b).Wait();
  }
  EXPECT_THAT(a.breaker(), BreakerIs("open"));
  EXPECT_THAT(BreakerOf(*second, "echo", kUnary), BreakerIs("open"));
  a.clock->Advance(seconds(10));
  EXPECT_TRUE(Pending(StubStyle::kSync, a.channel()).Wait().ok());
  EXPECT_TRUE(Pending(StubStyle::kSync, b).Wait().ok());
  EXPECT_THAT(a.breaker(), BreakerIs("closed"));
  EXPECT_THAT(BreakerOf(*second, "echo", kUnary), BreakerIs("closed"));
}

// A clock of this test, which violates the contract of clock.h.
class WildClock final : public Clock {
 public:
  Time Now() const override { return Time(Time::duration(now_.load())); }
  void Add(User* user) override {
    std::lock_guard<std::mutex> lock(mu_);
    users_.push_back(user);
  }
  void Remove(User* user) override {
    std::lock_guard<std::mutex> lock(mu_);
    users_.erase(std::find(users_.begin(), users_.end(), user));
  }
  void Move(std::chrono::nanoseconds by) {
    now_ += by.count();
    std::lock_guard<std::mutex> lock(mu_);
    for (User* const user : users_) user->OnTimeChange();
  }

 private:
  std::atomic<Time::rep> now_{Time::duration(hours(1000)).count()};
  std::mutex mu_;
  std::vector<User*> users_;
};

TEST(VirtualClockAloneTest, AClockOfAnothersThatRunsBackwardsLosesNoCall) {
  auto clock = std::make_shared<WildClock>();
  std::shared_ptr<Engine> engine = EngineOn(
      clock, absl::StrCat(kBreaker, "idempotent: true timeout: \"30s\""));
  ScriptedServer server;
  server.Always(kUnary, EchoOf("ok"));
  const auto channel = engine->CreateChannel(
      "echo", server.target(), grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Pending(StubStyle::kSync, channel).Wait().ok());
  clock->Move(-hours(1));
  EXPECT_TRUE(Pending(StubStyle::kSync, channel).Wait().ok());
  server.Script(kUnary, {Reply::Fail(kUnavailable), Reply::Fail(kUnavailable)});
  EXPECT_EQ(Pending(StubStyle::kSync, channel).Code(), kUnavailable);
  EXPECT_EQ(Pending(StubStyle::kSync, channel).Code(), kUnavailable);
  EXPECT_THAT(BreakerOf(*engine, "echo", kUnary), BreakerIs("open"));
  clock->Move(-hours(1));
  Pending refused(StubStyle::kSync, channel);
  EXPECT_THAT((refused.Wait(), refused.context()), WasRefusedBy("breaker"));
  clock->Move(hours(3));
  EXPECT_TRUE(Pending(StubStyle::kSync, channel).Wait().ok());
  EXPECT_THAT(BreakerOf(*engine, "echo", kUnary), BreakerIs("closed"));
}

TEST(VirtualClockAloneTest, AnEngineMayEndWhileTheClockMoves) {
  auto clock = std::make_shared<VirtualClock>();
  std::atomic<bool> stop{false};
  auto mover = std::async(std::launch::async, [&] {
    while (!stop) clock->Advance(milliseconds(100));
  });
  for (int i = 0; i < 20; ++i) {
    std::shared_ptr<Engine> engine = EngineOn(clock, kBreaker);
    const auto channel = engine->CreateChannel(
        "echo", "127.0.0.1:1", grpc::InsecureChannelCredentials());
    Pending(StubStyle::kSync, channel).Wait();
  }
  stop = true;
  mover.wait();
}

TEST(VirtualClockAloneTest, WithoutATimerThereIsNothingToWaitFor) {
  VirtualClock clock;
  EXPECT_TRUE(clock.Advance(hours(1)));
  EXPECT_TRUE(clock.AdvanceUntil([] { return true; }, hours(1)));
}

}  // namespace
}  // namespace firebreak::testing
