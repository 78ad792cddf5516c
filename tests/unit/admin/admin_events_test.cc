// WatchEvents: earlier events, new events, missed events, and the end of a
// stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/admin/streams/event_streams.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Watch : public StreamReader<v1::WatchEventsResponse> {
 public:
  Watch(AdminFixture* f, const v1::WatchEventsRequest& request)
      : StreamReader(std::chrono::seconds(30),
                     [&](grpc::ClientContext* context) {
                       return f->stub()->WatchEvents(context, request);
                     }) {}

  // Reads until `count` events have come, in any number of responses.
  std::vector<v1::Event> ReadEvents(size_t count) {
    std::vector<v1::Event> events;
    while (events.size() < count && Read()) {
      events.insert(events.end(), response().events().begin(),
                    response().events().end());
    }
    return events;
  }
};

v1::WatchEventsRequest Kept() {
  v1::WatchEventsRequest request;
  request.set_stop_at_newest(true);
  return request;
}

TEST(AdminEventsTest, KeptOnesInOrder) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "a:1", kCharge);
  Trip(breaker);
  breaker->ForceClosed(std::chrono::seconds(30), engine::Now());
  breaker->ClearOverride(engine::Now());
  breaker->Reset(engine::Now());
  Watch watch(&f, Kept());
  ASSERT_TRUE(watch.Read());
  const v1::WatchEventsResponse& response = watch.response();
  EXPECT_EQ(response.missed(), 0);
  EXPECT_EQ(response.last_sequence(), 4);
  ASSERT_THAT(response.events(), SizeIs(4));
  const v1::Event& trip = response.events(0);
  EXPECT_EQ(trip.sequence(), 1);
  EXPECT_EQ(trip.kind(), v1::EVENT_KIND_TRANSITION);
  EXPECT_EQ(trip.channel(), "payment");
  EXPECT_EQ(trip.target(), "a:1");
  EXPECT_EQ(trip.method(), kCharge);
  EXPECT_EQ(trip.from(), v1::BREAKER_STATE_CLOSED);
  EXPECT_EQ(trip.to(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(trip.cause(), "2 failures in a row (limit 2)");
  EXPECT_GT(trip.time().seconds(), 1'600'000'000);
  EXPECT_EQ(response.events(1).kind(), v1::EVENT_KIND_OVERRIDE_SET);
  EXPECT_EQ(response.events(1).to(), v1::BREAKER_STATE_FORCED_CLOSED);
  EXPECT_EQ(response.events(2).kind(), v1::EVENT_KIND_OVERRIDE_ENDED);
  EXPECT_EQ(response.events(3).kind(), v1::EVENT_KIND_RESET);
  EXPECT_FALSE(watch.Read());
  EXPECT_TRUE(watch.Finish().ok());
}

TEST(AdminEventsTest, TimesOfOneResponseAreByOneReadingOfTheClocks) {
  const engine::WallClock clock;
  const core::Time t = engine::Now();
  const auto wall = clock.At(t);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(clock.At(t), wall);
  EXPECT_EQ(clock.At(t + std::chrono::milliseconds(1)) - wall,
            std::chrono::milliseconds(1));
}

TEST(AdminEventsTest, OfASharedBreakerAreThoseOfEachOfItsMethods) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  Trip(f.Bind("catalog", "a:1", kFind));
  f.Bind("other", "a:1", kList);
  const auto events_for = [&](const std::string& channel,
                              const std::string& method) {
    v1::WatchEventsRequest request = Kept();
    request.mutable_selector()->set_channel(channel);
    request.mutable_selector()->set_method(method);
    Watch watch(&f, request);
    EXPECT_TRUE(watch.Read());
    return watch.response().events_size();
  };
  EXPECT_EQ(events_for("", "Find"), 1);
  EXPECT_EQ(events_for("catalog", kFind), 1);
  EXPECT_EQ(events_for("", "*"), 1);
  EXPECT_EQ(events_for("", "List"), 0);  // of another channel
  EXPECT_EQ(events_for("other", ""), 0);
  EXPECT_EQ(events_for("", "Charge"), 0);
}

TEST(AdminEventsTest, NoneAtAllIsAnAnswerToo) {
  AdminFixture f;
  Watch watch(&f, Kept());
  ASSERT_TRUE(watch.Read());
  EXPECT_THAT(watch.response().events(), IsEmpty());
  EXPECT_TRUE(watch.Finish().ok());
}

TEST(AdminEventsTest, MoreThanOneResponseHolds) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  for (int i = 0; i < 250; ++i) breaker->Reset(engine::Now());
  Watch watch(&f, Kept());
  const std::vector<v1::Event> events = watch.ReadEvents(250);
  ASSERT_THAT(events, SizeIs(250));
  for (int i = 0; i < 250; ++i) EXPECT_EQ(events[i].sequence(), i + 1);
  EXPECT_TRUE(watch.Finish().ok());
}

TEST(AdminEventsTest, LiveOnesAsTheyHappen) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  breaker->Reset(engine::Now());  // an earlier event, which is not sent
  Watch watch(&f, {});
  ASSERT_TRUE(watch.Read());
  EXPECT_THAT(watch.response().events(), IsEmpty());
  EXPECT_EQ(watch.response().last_sequence(), 1);
  for (int i = 2; i < 5; ++i) {
    breaker->Reset(engine::Now());
    const std::vector<v1::Event> events = watch.ReadEvents(1);
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_EQ(events[0].sequence(), i);
  }
  watch.Cancel();
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(AdminEventsTest, ReplayGoesOnLive) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  breaker->Reset(engine::Now());
  v1::WatchEventsRequest request;
  request.set_replay(true);
  Watch watch(&f, request);
  EXPECT_THAT(watch.ReadEvents(1), SizeIs(1));
  breaker->Reset(engine::Now());
  const std::vector<v1::Event> events = watch.ReadEvents(1);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].sequence(), 2);
}

TEST(AdminEventsTest, GoesOnFromANumber) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  for (int i = 0; i < 5; ++i) breaker->Reset(engine::Now());
  v1::WatchEventsRequest request = Kept();
  request.set_after_sequence(3);
  Watch watch(&f, request);
  const std::vector<v1::Event> events = watch.ReadEvents(2);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].sequence(), 4);
  EXPECT_TRUE(watch.Finish().ok());
}

TEST(AdminEventsTest, TellsHowManyWereOverwritten) {
  EngineOptions options;
  options.event_log_size = 4;
  AdminFixture f({}, NewSocketAddress(), options);
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  for (int i = 0; i < 10; ++i) breaker->Reset(engine::Now());
  v1::WatchEventsRequest request = Kept();
  request.set_after_sequence(1);
  Watch watch(&f, request);
  ASSERT_TRUE(watch.Read());
  EXPECT_EQ(watch.response().missed(), 5);  // 2 to 6
  ASSERT_THAT(watch.response().events(), SizeIs(4));
  EXPECT_EQ(watch.response().events(0).sequence(), 7);
  EXPECT_TRUE(watch.Finish().ok());
}

TEST(AdminEventsTest, ASlowReaderMissesSomeAndHoldsUpNobody) {
  EngineOptions options;
  options.event_log_size = 4;
  AdminFixture f({}, NewSocketAddress(), options);
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Watch watch(&f, {});
  ASSERT_TRUE(watch.Read());
  // Far faster than the stream reads the log.
  for (int i = 0; i < 10'000; ++i) breaker->Reset(engine::Now());
  int64_t seen = 0;
  int64_t missed = 0;
  while (watch.response().last_sequence() < 10'000) {
    ASSERT_TRUE(watch.Read());
    seen += watch.response().events_size();
    missed += watch.response().missed();
  }
  EXPECT_GT(missed, 0);
  EXPECT_EQ(seen + missed, 10'000);
}

TEST(AdminEventsTest, OnlyThoseSelected) {
  AdminFixture f;
  core::Breaker* const charge = f.Bind("payment", "a:1", kCharge);
  core::Breaker* const refund = f.Bind("payment", "a:1", kRefund);
  core::Breaker* const other_target = f.Bind("payment", "b:1", kCharge);
  core::Breaker* const other_channel = f.Bind("pay2", "a:1", kCharge);
  for (core::Breaker* each : {charge, refund, other_target, other_channel}) {
    each->Reset(engine::Now());
  }
  auto sequences = [&f](const char* channel, const char* target,
                        const char* method) {
    v1::WatchEventsRequest request = Kept();
    request.mutable_selector()->set_channel(channel);
    request.mutable_selector()->set_target(target);
    request.mutable_selector()->set_method(method);
    Watch watch(&f, request);
    std::vector<int64_t> out;
    while (watch.Read()) {
      for (const v1::Event& event : watch.response().events()) {
        out.push_back(event.sequence());
      }
      EXPECT_EQ(watch.response().last_sequence(), 4);  // looked at all
    }
    EXPECT_TRUE(watch.Finish().ok());
    return out;
  };
  EXPECT_THAT(sequences("", "", ""), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(sequences("payment", "", ""), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences("", "b:1", ""), ElementsAre(3));
  EXPECT_THAT(sequences("", "", "Charge"), ElementsAre(1, 3, 4));
  EXPECT_THAT(sequences("payment", "a:1", kCharge), ElementsAre(1));
  EXPECT_THAT(sequences("", "", "Unknown"), IsEmpty());
}

TEST(AdminEventsTest, SilenceIsBrokenByHeartbeats) {
  AdminFixture f;
  v1::WatchEventsRequest request;
  request.mutable_heartbeat()->set_nanos(100'000'000);
  Watch watch(&f, request);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(watch.Read());
    EXPECT_THAT(watch.response().events(), IsEmpty());
    EXPECT_GT(watch.response().as_of().seconds(), 1'600'000'000);
  }
  f.Bind("payment", "", kCharge)->Reset(engine::Now());
  EXPECT_THAT(watch.ReadEvents(1), SizeIs(1));
}

TEST(AdminEventsTest, HeartbeatsOutOfRangeAreRefused) {
  AdminFixture f;
  struct Case {
    int64_t seconds;
    int32_t nanos;
  };
  for (const Case& c :
       {Case{0, 0}, Case{0, 99'999'999}, Case{3600, 1}, Case{-1, 0},
        Case{1, -1}, Case{1, 1'000'000'000}, Case{INT64_MAX, INT32_MAX},
        Case{INT64_MIN, INT32_MIN}}) {
    v1::WatchEventsRequest request;
    request.mutable_heartbeat()->set_seconds(c.seconds);
    request.mutable_heartbeat()->set_nanos(c.nanos);
    const grpc::Status status = Watch(&f, request).Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("allowed [100ms, 1h]"));
  }
}

TEST(AdminEventsTest, NumbersThatCannotBeAreRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge)->Reset(engine::Now());
  v1::WatchEventsRequest request;
  request.set_after_sequence(-1);
  grpc::Status status = Watch(&f, request).Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("after_sequence: is -1"));
  request.set_after_sequence(2);  // as if from before a restart
  status = Watch(&f, request).Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_THAT(status.error_message(),
              HasSubstr("after_sequence: is 2; allowed [0, 1]"));
}

TEST(AdminEventsTest, StreamsAreCountedAndGivenBack) {
  AdminFixture f;
  std::vector<std::unique_ptr<Watch>> watches;
  for (size_t i = 0; i < admin::EventStreams::kMaxStreams; ++i) {
    watches.push_back(std::make_unique<Watch>(&f, v1::WatchEventsRequest()));
    ASSERT_TRUE(watches.back()->Read());
  }
  EXPECT_EQ(Watch(&f, {}).Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (auto& watch : watches) watch->Cancel();
  for (auto& watch : watches) watch->Finish();
  // The server notices the cancels a little later than the client.
  bool opened = false;
  for (int i = 0; i < 10'000 && !opened; ++i) opened = Watch(&f, {}).Read();
  EXPECT_TRUE(opened);
}

TEST(AdminEventsTest, ShutdownEndsStreamsButNotTheService) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Watch watch(&f, {});
  ASSERT_TRUE(watch.Read());
  f.service()->Shutdown();
  grpc::Status status = watch.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
  breaker->Reset(engine::Now());
  EXPECT_EQ(Watch(&f, {}).Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  v1::GetMethodResponse response;
  EXPECT_TRUE(f.Get("Charge", &response).ok());
  f.StopServer();  // must return: no stream may block it
}

TEST(AdminEventsTest, AServerThatIsKilledEndsStreams) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 10; ++i) {
    watches.push_back(std::make_unique<Watch>(&f, v1::WatchEventsRequest()));
    ASSERT_TRUE(watches.back()->Read());
    breaker->Reset(engine::Now());
  }
  f.KillServer();
  for (auto& watch : watches) EXPECT_FALSE(watch->Finish().ok());
}

}  // namespace
}  // namespace firebreak::testing
