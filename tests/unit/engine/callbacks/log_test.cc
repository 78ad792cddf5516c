// What the engine writes to its log, and what it does not.
#include "src/engine/callbacks/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = EngineEvent::Kind;

class LogTest : public ::testing::Test {
 protected:
  static EngineEvent Event(const std::string& from = "closed",
                           const std::string& to = "open") {
    EngineEvent event;
    event.kind = Kind::kStateChange;
    event.time = std::chrono::system_clock::time_point(seconds(1'000'000));
    event.channel = "payment";
    event.target = "dns:///payment:443";
    event.method = "/shop.v1.P/Charge";
    event.from = from;
    event.to = to;
    event.cause = "5 failures in a row (limit 5)";
    return event;
  }

  std::vector<std::string> lines_;
  std::vector<LogLevel> levels_;
  EventLines log_{[this](LogLevel level, const std::string& line) {
    levels_.push_back(level);
    lines_.push_back(line);
  }};
};

TEST_F(LogTest, AChangeOfStateIsALine) {
  log_.OnEvent(Event());
  log_.OnEvent(Event("open", "half_open"));
  EXPECT_THAT(lines_,
              ElementsAre("payment dns:///payment:443 /shop.v1.P/Charge: "
                          "closed -> open: 5 failures in a row (limit 5)",
                          HasSubstr("open -> half_open")));
  EXPECT_THAT(levels_, ElementsAre(LogLevel::kWarning, LogLevel::kInfo));
}

TEST_F(LogTest, OthersAreLinesToo) {
  EngineEvent event = Event("", "");
  event.target = "";
  event.kind = Kind::kWarning;
  event.cause = "more than 5 methods";
  log_.OnEvent(event);
  event = Event("closed", "forced_open");
  event.kind = Kind::kOverrideSet;
  log_.OnEvent(event);
  event = Event();
  event.shadow = true;
  log_.OnEvent(event);
  event.kind = Kind::kReset;
  event.missed = 3;
  log_.OnEvent(event);
  EXPECT_THAT(lines_,
              ElementsAre("payment /shop.v1.P/Charge: more than 5 methods",
                          HasSubstr("closed -> forced_open"),
                          HasSubstr(": (shadow) closed -> open: "),
                          HasSubstr(" (3 earlier events were missed)")));
  EXPECT_THAT(levels_, ElementsAre(LogLevel::kWarning, LogLevel::kWarning,
                                   LogLevel::kInfo, LogLevel::kInfo));
}

TEST_F(LogTest, AnAuditTellsWhoDidWhat) {
  EngineEvent event = Event("closed", "forced_open");
  event.kind = Kind::kAudit;
  event.target = "";
  event.cause = "";
  event.actor = "alice, ipv4:10.0.0.7:40112";
  event.action = "SetOverride FORCED_OPEN";
  log_.OnEvent(event);
  event.from = event.to = "";
  event.actor = "a\nb";
  event.refused = true;
  event.cause = "no token";
  log_.OnEvent(event);
  EXPECT_THAT(
      lines_,
      ElementsAre(
          "payment /shop.v1.P/Charge: SetOverride FORCED_OPEN by "
          "alice, ipv4:10.0.0.7:40112: closed -> forced_open",
          AllOf(HasSubstr(" refused: no token"), Not(HasSubstr("\n")))));
  EXPECT_THAT(levels_, ElementsAre(LogLevel::kInfo, LogLevel::kWarning));
}

TEST_F(LogTest, RefusalsAreNone) {
  EngineEvent event = Event("", "");
  event.kind = Kind::kRejection;
  log_.OnEvent(event);
  EXPECT_THAT(lines_, IsEmpty());
}

TEST_F(LogTest, IsOnOneLineWhateverTheNamesAre) {
  EngineEvent event = Event();
  event.channel = "pay\nment";
  event.method = "/a.B/\x1b[31m";
  event.cause = std::string("\0\xff", 2);
  log_.OnEvent(event);
  EXPECT_THAT(lines_, ElementsAre("pay\\x0ament dns:///payment:443 "
                                  "/a.B/\\x1b[31m: closed -> open: "
                                  "\\x00\\xff"));
}

TEST_F(LogTest, AMethodHasSoManyLinesAMinute) {
  EngineEvent event = Event();
  for (int i = 0; i < 25; ++i) log_.OnEvent(event);
  EXPECT_THAT(lines_, SizeIs(EventLines::kLinesAMinute));
  // Other methods are not affected.
  event.method = "/shop.v1.P/Refund";
  log_.OnEvent(event);
  EXPECT_THAT(lines_, SizeIs(EventLines::kLinesAMinute + 1));

  event = Event();
  event.time += seconds(59);
  log_.OnEvent(event);
  EXPECT_THAT(lines_, SizeIs(EventLines::kLinesAMinute + 1));
  event.time += seconds(1);
  log_.OnEvent(event);
  EXPECT_THAT(lines_.back(), HasSubstr(" (16 lines were left out)"));
  log_.OnEvent(event);
  EXPECT_THAT(lines_.back(), Not(HasSubstr("left out")));
  // If the clock is set back, it still logs.
  for (int i = 0; i < 25; ++i) log_.OnEvent(event);
  lines_.clear();
  event.time -= std::chrono::hours(24);
  log_.OnEvent(event);
  EXPECT_THAT(lines_, SizeIs(1));
}

// The callers choose the names, so they must not use up the lines of methods.
TEST_F(LogTest, RefusedAdminCallsSilenceNobody) {
  EngineEvent refused = Event("", "");
  refused.kind = Kind::kAudit;
  refused.refused = true;
  refused.actor = "ipv4:10.0.0.7:40112";
  refused.action = "SetOverride FORCED_OPEN";
  EngineEvent read = refused;
  read.channel = read.target = read.method = "";
  for (int i = 0; i < 10; ++i) {
    log_.OnEvent(refused);
    log_.OnEvent(read);
  }
  EXPECT_THAT(lines_, SizeIs(EventLines::kLinesAMinute));
  for (int i = 0; i < 1000; ++i) {
    refused.method = std::to_string(i);
    log_.OnEvent(refused);
  }
  EXPECT_THAT(lines_, SizeIs(EventLines::kLinesAMinute));
  lines_.clear();
  EngineEvent accepted = Event();
  accepted.kind = Kind::kAudit;
  EngineEvent of_engine = Event("1", "2");
  of_engine.kind = Kind::kPolicy;
  of_engine.channel = of_engine.target = of_engine.method = "";
  for (const EngineEvent& each : {Event(), accepted, of_engine}) {
    log_.OnEvent(each);
  }
  EXPECT_THAT(lines_, SizeIs(3));
  for (const std::string& line : lines_) {
    EXPECT_THAT(line, Not(HasSubstr("left out")));
  }
  lines_.clear();
  refused.time += seconds(60);
  log_.OnEvent(refused);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr(" (1010 lines were left out)")));
}

TEST_F(LogTest, ForgetsMethodsBeforeTheyAreTooMany) {
  EngineEvent event = Event();
  for (int i = 0; i < 25; ++i) log_.OnEvent(event);
  lines_.clear();
  for (std::size_t i = 0; i < EventLines::kMethods; ++i) {
    EngineEvent other = Event();
    other.method = std::to_string(i);
    log_.OnEvent(other);
  }
  EXPECT_THAT(lines_, SizeIs(EventLines::kMethods));
  log_.OnEvent(event);
  EXPECT_THAT(lines_, SizeIs(EventLines::kMethods + 1));
}

// The whole path on the engine's own threads: the test waits for the lines.
TEST(EngineLogTest, GoesToTheSinkThatTheApplicationHasSet) {
  std::promise<std::string> opened;
  EngineOptions options;
  options.log_sink = [&](LogLevel /*level*/, const std::string& line) {
    opened.set_value(line);
    throw line;  // an application may do that
  };
  auto engine = Engine::FromText("method { name {} breaker {} }", options);
  ASSERT_TRUE(engine.ok());
  auto channel = (*engine)->core()->BindChannel("payment", {"t:1"});
  core::Breaker* const breaker = channel->Find("/a.B/C")->targets.front();
  breaker->ForceOpen(absl::nullopt, Now());
  EXPECT_EQ(opened.get_future().get(),
            "payment t:1 /a.B/C: closed -> forced_open: by an operator, until "
            "cleared");
  // Refusals are not even queued for it.
  (*engine)->core()->listeners()->OnRejection("payment", "/a.B/C",
                                              core::Reason::kForcedOpen, Now());
}

TEST(EngineLogTest, ASinkThatBlocksHoldsNobodyUp) {
  const auto unblock = std::make_shared<std::promise<void>>();
  std::promise<void> entered;
  EngineOptions options;
  options.event_log_size = 2;
  options.log_sink = [&entered, unblock,
                      blocked = unblock->get_future().share(),
                      first = std::make_shared<bool>(true)](
                         LogLevel /*level*/, const std::string& /*line*/) {
    if (!*first) return;
    *first = false;
    entered.set_value();
    blocked.wait();
  };
  auto engine = Engine::FromText("method { name {} breaker {} }", options);
  ASSERT_TRUE(engine.ok());
  auto channel = (*engine)->core()->BindChannel("payment", {"t:1"});
  core::Breaker* const breaker = channel->Find("/a.B/C")->targets.front();
  breaker->Reset(Now());
  entered.get_future().wait();
  // The queue of the listener is bounded.
  for (int i = 0; i < 10; ++i) breaker->Reset(Now());
  EXPECT_EQ((*engine)->callback_faults().events_missed, 8);
  unblock->set_value();
}

}  // namespace
}  // namespace firebreak::engine
