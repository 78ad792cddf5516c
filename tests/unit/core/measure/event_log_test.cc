// The log of events, in order, in bounded memory.
#include "src/core/measure/event_log.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

EventLog* Fill(EventLog* log, int events) {
  for (int i = 1; i <= events; ++i) {
    Event event;
    event.cause = std::to_string(i);
    log->Append(std::move(event));
  }
  return log;
}

std::vector<int64_t> Numbers(const EventLog::Page& page) {
  std::vector<int64_t> numbers;
  for (const Event& e : page.events) {
    EXPECT_EQ(e.cause, std::to_string(e.sequence));
    numbers.push_back(e.sequence);
  }
  return numbers;
}

struct Sink : EventSink {
  void OnEvent(const Event& event) override { seen.push_back(event.sequence); }
  std::vector<int64_t> seen;
};

TEST(EventLogTest, ItsSinkIsToldOfEachInOrderAlsoOfWhatIsOverwritten) {
  EventLog log(1);
  Sink sink;
  log.SetSink(&sink);
  Fill(&log, 3);
  EXPECT_THAT(sink.seen, ElementsAre(1, 2, 3));
  log.SetSink(nullptr);
  Fill(&log, 1);
  EXPECT_THAT(sink.seen, ElementsAre(1, 2, 3));
}

TEST(EventLogTest, IsEmptyAtFirst) {
  EventLog log(3);
  EXPECT_EQ(log.last(), 0);
  const EventLog::Page page = log.Since(0, 10);
  EXPECT_THAT(page.events, IsEmpty());
  EXPECT_EQ(page.next, 0);
  EXPECT_EQ(page.missed, 0);
}

TEST(EventLogTest, NumbersFromOneAndKeepsEveryField) {
  EventLog log(3);
  Event event;
  event.at = At(Ms(7));
  event.kind = Event::Kind::kReset;
  event.channel = "c";
  event.target = "t";
  event.method = "m";
  event.from = "open";
  event.to = "closed";
  event.cause = "why";
  event.sequence = 77;  // Append() replaces it
  log.Append(event);
  const EventLog::Page page = log.Since(0, 10);
  ASSERT_EQ(page.events.size(), 1U);
  const Event& got = page.events[0];
  EXPECT_EQ(got.sequence, 1);
  EXPECT_EQ(got.at, At(Ms(7)));
  EXPECT_EQ(got.kind, Event::Kind::kReset);
  EXPECT_EQ(got.channel + got.target + got.method, "ctm");
  EXPECT_EQ(got.from + got.to + got.cause, "openclosedwhy");
}

TEST(EventLogTest, Pages) {
  struct Case {
    int events;
    int64_t cursor;
    size_t limit;
    std::vector<int64_t> want;
    int64_t next;
    int64_t missed;
  };
  const Case kCases[] = {
      // Capacity is 5.
      {3, 0, 10, {1, 2, 3}, 3, 0},
      {3, 1, 10, {2, 3}, 3, 0},
      {3, 3, 10, {}, 3, 0},
      {3, 0, 2, {1, 2}, 2, 0},
      {3, 2, 2, {3}, 3, 0},
      {5, 0, 10, {1, 2, 3, 4, 5}, 5, 0},
      // There were 8 events, and 4 to 8 are kept. 0 is a cursor like any other.
      {8, 0, 10, {4, 5, 6, 7, 8}, 8, 3},
      {8, 1, 10, {4, 5, 6, 7, 8}, 8, 2},
      {8, 2, 10, {4, 5, 6, 7, 8}, 8, 1},
      {8, 3, 10, {4, 5, 6, 7, 8}, 8, 0},
      {8, 1, 2, {4, 5}, 5, 2},
      {8, 5, 2, {6, 7}, 7, 0},
      // Cursors that the log has never returned.
      {8, 9, 10, {}, 8, 0},
      {8, -4, 10, {4, 5, 6, 7, 8}, 8, 3},
      {8, 0, 0, {}, 3, 3},
  };
  for (const Case& c : kCases) {
    EventLog log(5);
    const EventLog::Page page = Fill(&log, c.events)->Since(c.cursor, c.limit);
    EXPECT_EQ(Numbers(page), c.want) << c.events << " from " << c.cursor;
    EXPECT_EQ(page.next, c.next) << c.events << " from " << c.cursor;
    EXPECT_EQ(page.missed, c.missed) << c.events << " from " << c.cursor;
    EXPECT_EQ(log.last(), c.events);
  }
}

TEST(EventLogTest, AReaderThatKeepsUpSeesEachEventOnce) {
  EventLog log(10);
  int64_t cursor = 0;
  std::vector<int64_t> seen;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < round % 7; ++i) log.Append(Event{});
    for (;;) {
      const EventLog::Page page = log.Since(cursor, 2);
      EXPECT_EQ(page.missed, 0);
      cursor = page.next;
      if (page.events.empty()) break;
      for (const Event& e : page.events) seen.push_back(e.sequence);
    }
  }
  ASSERT_EQ(seen.size(), static_cast<size_t>(log.last()));
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i], static_cast<int64_t>(i) + 1);
  }
}

TEST(EventLogTest, AReaderFromTheStartLearnsWhatItMissed) {
  EventLog log(2);
  const int64_t cursor = log.Since(0, 10).next;  // before the first event
  Fill(&log, 5);
  EXPECT_EQ(log.Since(cursor, 10).missed, 3);
}

TEST(EventLogTest, WithoutRoomItOnlyCounts) {
  EventLog log(0);
  Fill(&log, 3);
  EXPECT_EQ(log.last(), 3);
  EXPECT_THAT(log.Since(0, 10).events, IsEmpty());
  EXPECT_THAT(Numbers(log.Since(1, 10)), ElementsAre());
  EXPECT_EQ(log.Since(1, 10).missed, 2);
}

}  // namespace
}  // namespace firebreak::core
