// The events that listeners get, those that are dropped when they are slow, and
// the end of the engine.
#include "src/engine/callbacks/listeners.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::engine {
namespace {

using testing::Eventually;

// A listener that may be held inside OnEvent().
class Slow : public EventListener {
 public:
  void OnEvent(const EngineEvent& event) override {
    {
      std::lock_guard<std::mutex> lock(mu_);
      events_.push_back(event);
    }
    if (on_event) on_event();
    if (holds_.exchange(false)) blocked_.wait();
  }
  void HoldNext() { holds_ = true; }
  void LetGo() { unblock_.set_value(); }
  std::vector<EngineEvent> events() const {
    std::lock_guard<std::mutex> lock(mu_);
    return events_;
  }
  size_t told() const { return events().size(); }
  std::function<void()> on_event;

 private:
  std::promise<void> unblock_;
  const std::shared_future<void> blocked_ = unblock_.get_future().share();
  std::atomic<bool> holds_{false};
  mutable std::mutex mu_;
  std::vector<EngineEvent> events_;
};

class ListenersTest : public ::testing::Test {
 protected:
  void Make(std::size_t capacity, int threads = 2, std::size_t queue = 1024) {
    Io::Options options;
    options.observer_threads = threads;
    options.callback_queue = queue;
    io_ = std::make_unique<Io>(options);
    listeners_ = Listeners::Create(io_.get(), capacity);
    listeners_->Add(slow_);
  }
  ~ListenersTest() override {
    if (listeners_ != nullptr) listeners_->Stop();
  }
  void Change(const std::string& to) {
    core::Event event;
    event.at = Now();
    event.kind = core::Event::Kind::kTransition;
    event.to = to;
    listeners_->OnEvent(event);
  }
  void Reject(core::Reason reason, const std::string& method = "m",
              const std::string& channel = "c") {
    listeners_->OnRejection(channel, method, reason, Now());
  }
  // From now on events wait.
  void Hold() {
    slow_->HoldNext();
    Change("held");
    ASSERT_TRUE(Eventually([&] { return slow_->told() == 1; }));
  }
  // Returns the next `n` events: "open", "2 breaker_open".
  std::vector<std::string> ToldAfter(size_t n) {
    slow_->LetGo();
    EXPECT_TRUE(Eventually([&] { return slow_->told() == n + 1; }));
    std::vector<std::string> lines;
    for (const EngineEvent& event : slow_->events()) {
      lines.push_back(event.kind == EngineEvent::Kind::kRejection
                          ? absl::StrCat(event.count, " ", event.cause)
                          : event.to);
    }
    lines.erase(lines.begin());
    return lines;
  }

  const std::shared_ptr<Slow> slow_ = std::make_shared<Slow>();
  std::unique_ptr<Io> io_;
  std::shared_ptr<Listeners> listeners_;
};

using Lines = std::vector<std::string>;

TEST_F(ListenersTest, AFloodOfRefusalsPushesNoTripOut) {
  Make(/*capacity=*/3);
  Hold();
  Change("open");
  for (int i = 0; i < 100; ++i) {
    Reject(core::Reason::kBreakerOpen, absl::StrCat("m", i));
  }
  Change("half_open");
  EXPECT_EQ(ToldAfter(3), (Lines{"open", "1 breaker_open", "half_open"}));
  EXPECT_EQ(slow_->events()[1].missed, 99);
  EXPECT_EQ(slow_->events()[2].method, "m99");
  EXPECT_EQ(listeners_->missed(), 99);
}

TEST_F(ListenersTest, WhereThereAreNoRefusalsTheOldestGo) {
  Make(/*capacity=*/2);
  Hold();
  for (const char* to : {"a", "b", "c"}) Change(to);
  Reject(core::Reason::kBreakerOpen);  // dropped first
  EXPECT_EQ(ToldAfter(2), (Lines{"b", "c"}));
  EXPECT_EQ(slow_->events()[1].missed, 2);
}

// A full queue looks for a refusal to drop, but not among those that have been
// delivered or dropped.
TEST_F(ListenersTest, RefusalsThatAreGoneAreNotLookedFor) {
  Make(/*capacity=*/2);
  Reject(core::Reason::kBreakerOpen);
  ASSERT_TRUE(Eventually([&] { return slow_->told() == 1; }));
  slow_->HoldNext();
  Change("held");
  ASSERT_TRUE(Eventually([&] { return slow_->told() == 2; }));
  for (int i = 0; i < 5; ++i) {
    Reject(core::Reason::kBreakerOpen, absl::StrCat("m", i));
  }
  for (const char* to : {"a", "b", "c"}) Change(to);
  slow_->LetGo();
  ASSERT_TRUE(Eventually([&] { return slow_->told() == 4; }));
  EXPECT_EQ(slow_->events()[2].to, "b");
  EXPECT_EQ(slow_->events()[3].to, "c");
  EXPECT_EQ(listeners_->missed(), 6);
}

TEST_F(ListenersTest, RefusalsThatSayTheSameAreOneUpToTheNextOtherEvent) {
  Make(/*capacity=*/10);
  Hold();
  for (int i = 0; i < 3; ++i) {
    Reject(core::Reason::kBreakerOpen);
    Reject(core::Reason::kBulkheadFull);
  }
  Change("closed");
  Reject(core::Reason::kBreakerOpen);
  Reject(core::Reason::kBreakerOpen, "m", "other");
  EXPECT_EQ(ToldAfter(5), (Lines{"3 breaker_open", "3 bulkhead_full", "closed",
                                 "1 breaker_open", "1 breaker_open"}));
}

// This limits the cost of a refusal.
TEST_F(ListenersTest, ARefusalIsComparedWithTheLast64Only) {
  Make(/*capacity=*/100);
  Hold();
  for (int i = 0; i < 65; ++i) {
    Reject(core::Reason::kBreakerOpen, absl::StrCat("m", i));
  }
  Reject(core::Reason::kBreakerOpen, "m1");
  Reject(core::Reason::kBreakerOpen, "m0");
  const Lines told = ToldAfter(66);
  EXPECT_EQ(told[1], "2 breaker_open");
  EXPECT_EQ(told[0], "1 breaker_open");
}

TEST_F(ListenersTest, ATripIsToldWithItsNumbersAndTheMarkOfAShadow) {
  Make(/*capacity=*/10);
  core::Event event;
  event.kind = core::Event::Kind::kTransition;
  event.to = "open";
  event.shadow = true;
  event.trip = core::Trip{10, 5, 8, 2, std::chrono::seconds(3)};
  listeners_->OnEvent(event);
  Change("half_open");
  event.trip = core::Trip{};
  listeners_->OnEvent(event);
  ASSERT_TRUE(Eventually([&] { return slow_->told() == 3; }));
  const EngineEvent trip = slow_->events()[0];
  EXPECT_TRUE(trip.shadow);
  ASSERT_TRUE(trip.trip.has_value());
  EXPECT_EQ(trip.trip->calls, 10);
  EXPECT_EQ(trip.trip->failures, 5);
  EXPECT_DOUBLE_EQ(trip.trip->failure_rate, 0.5);
  EXPECT_EQ(trip.trip->slow_calls, 2);
  EXPECT_DOUBLE_EQ(trip.trip->slow_call_rate, 0.25);
  EXPECT_EQ(trip.trip->slowest, std::chrono::seconds(3));
  EXPECT_FALSE(slow_->events()[1].shadow);
  EXPECT_FALSE(slow_->events()[1].trip.has_value());
  const EngineEvent of_nothing = slow_->events()[2];
  EXPECT_EQ(of_nothing.trip->failure_rate, 0);
  EXPECT_EQ(of_nothing.trip->slow_call_rate, 0);
}

TEST_F(ListenersTest, EveryKindIsToldAsWhatItIs) {
  using From = core::Event::Kind;
  using To = EngineEvent::Kind;
  const std::pair<From, To> kinds[] = {
      {From::kTransition, To::kStateChange},
      {From::kOverrideSet, To::kOverrideSet},
      {From::kOverrideEnded, To::kOverrideEnded},
      {From::kReset, To::kReset},
      {From::kPolicy, To::kPolicy},
      {From::kWarning, To::kWarning},
      {From::kAudit, To::kAudit},
  };
  Make(/*capacity=*/10);
  for (const auto& [from, to] : kinds) {
    core::Event event;
    event.kind = from;
    listeners_->OnEvent(event);
  }
  ASSERT_TRUE(Eventually([&] { return slow_->told() == std::size(kinds); }));
  for (size_t i = 0; i < std::size(kinds); ++i) {
    EXPECT_EQ(slow_->events()[i].kind, kinds[i].second) << i;
  }
}

TEST_F(ListenersTest, EveryFieldIsHandedOn) {
  Make(/*capacity=*/10);
  core::Event event;
  event.at = Now() - std::chrono::hours(1);
  event.channel = "channel";
  event.target = "target";
  event.method = "method";
  event.from = "from";
  event.to = "to";
  event.cause = "cause";
  event.actor = "actor";
  event.action = "action";
  event.refused = true;
  listeners_->OnEvent(event);
  listeners_->OnRejection("c", "m", core::Reason::kBreakerOpen,
                          Now() - std::chrono::hours(3));
  ASSERT_TRUE(Eventually([&] { return slow_->told() == 2; }));
  const EngineEvent told = slow_->events()[0];
  const auto now = std::chrono::system_clock::now();
  EXPECT_LE(told.time, now - std::chrono::hours(1));
  EXPECT_GT(told.time, now - std::chrono::hours(2));
  EXPECT_EQ(told.channel, "channel");
  EXPECT_EQ(told.target, "target");
  EXPECT_EQ(told.method, "method");
  EXPECT_EQ(told.from, "from");
  EXPECT_EQ(told.to, "to");
  EXPECT_EQ(told.cause, "cause");
  EXPECT_EQ(told.actor, "actor");
  EXPECT_EQ(told.action, "action");
  EXPECT_TRUE(told.refused);
  const EngineEvent refusal = slow_->events()[1];
  EXPECT_LE(refusal.time, now - std::chrono::hours(3));
  EXPECT_GT(refusal.time, now - std::chrono::hours(4));
  EXPECT_EQ(refusal.channel, "c");
  EXPECT_EQ(refusal.method, "m");
}

TEST_F(ListenersTest, ARefusalIsToldThoughNothingElseHappens) {
  Make(/*capacity=*/10);
  Reject(core::Reason::kBreakerOpen);
  EXPECT_TRUE(Eventually([&] { return slow_->told() == 1; }));
}

TEST_F(ListenersTest, WhoWantsNoRefusalsIsToldOfNone) {
  Make(/*capacity=*/10);
  const auto other = std::make_shared<Slow>();
  listeners_->Add(other, Listeners::Interest::kNoRejections);
  Reject(core::Reason::kBreakerOpen);
  Change("open");
  ASSERT_TRUE(
      Eventually([&] { return slow_->told() == 2 && other->told() > 0; }));
  EXPECT_EQ(other->events()[0].to, "open");
}

TEST_F(ListenersTest, NobodyIsWokenForAListenerThatIsAtIt) {
  Make(/*capacity=*/10'000);
  Hold();
  ASSERT_TRUE(Eventually([&] { return io_->armed_timers() == 0; }));
  for (int i = 0; i < 1'000; ++i) {
    Reject(core::Reason::kBreakerOpen, absl::StrCat("m", i));
    ASSERT_EQ(io_->armed_timers(), 0U);
  }
  EXPECT_EQ(ToldAfter(1'000).size(), 1'000U);
}

TEST_F(ListenersTest, OneThatAlwaysHasMoreLeavesOthersTheirTurn) {
  Make(/*capacity=*/100, /*threads=*/1);
  const auto other = std::make_shared<Slow>();
  const core::Time give_up = Now() + std::chrono::seconds(20);
  slow_->on_event = [this, other, give_up] {
    if (other->told() == 0 && Now() < give_up) Change("more");
  };
  listeners_->Add(other);
  Change("first");
  EXPECT_TRUE(Eventually([&] { return other->told() > 0; }));
  EXPECT_LT(Now(), give_up);
  listeners_->Remove(slow_.get());
  listeners_->Stop();
  io_ = nullptr;
}

TEST_F(ListenersTest, OneThatIsRemovedWhileItIsToldIsToldNoMore) {
  Make(/*capacity=*/10, /*threads=*/1);
  Hold();
  Change("waits");
  const auto next = std::make_shared<Slow>();
  listeners_->Add(next);
  listeners_->Remove(slow_.get());
  Change("next");
  slow_->LetGo();
  // By then the only thread has finished with the other listener.
  ASSERT_TRUE(Eventually([&] { return next->told() == 1; }));
  EXPECT_EQ(slow_->told(), 1U);
}

TEST_F(ListenersTest, WhatFindsThePoolFullIsToldALittleLater) {
  Make(/*capacity=*/10, /*threads=*/1, /*queue=*/1);
  std::promise<void> unblock;
  std::promise<void> entered;
  const auto blocked = unblock.get_future().share();
  ASSERT_TRUE(io_->SubmitAside([&, blocked] {
    entered.set_value();
    blocked.wait();
  }));
  entered.get_future().wait();
  ASSERT_TRUE(io_->SubmitAside([] {}));
  Change("waits");
  // The timer tries again and again.
  ASSERT_TRUE(Eventually([&] { return io_->armed_timers() == 1; }));
  unblock.set_value();
  EXPECT_TRUE(Eventually([&] { return slow_->told() == 1; }));
}

TEST_F(ListenersTest, NobodyIsKeptAfterTheEnd) {
  Make(/*capacity=*/10);
  listeners_->Stop();
  EXPECT_EQ(slow_.use_count(), 1);
  listeners_->Add(slow_);
  EXPECT_EQ(slow_.use_count(), 1);
}

TEST_F(ListenersTest, WhatWaitsIsDroppedAtTheEnd) {
  Make(/*capacity=*/10);
  Hold();
  Change("waits");
  listeners_->Stop();
  io_ = nullptr;  // does not wait for the thread inside the listener
  const std::weak_ptr<Listeners> alive = listeners_;
  listeners_ = nullptr;
  slow_->LetGo();
  EXPECT_TRUE(Eventually([&] { return alive.expired(); }));
  EXPECT_EQ(slow_->told(), 1U);
}

TEST_F(ListenersTest, AJobThatHasNotBegunAtTheEndTellsNothing) {
  Make(/*capacity=*/10, /*threads=*/1);
  std::promise<void> unblock;
  std::promise<void> entered;
  ASSERT_TRUE(io_->SubmitAside([&] {
    entered.set_value();
    unblock.get_future().wait();
  }));
  entered.get_future().wait();
  Change("waits");
  // The timer thread has passed the job to the pool, whose thread is busy.
  ASSERT_TRUE(Eventually([&] { return io_->armed_timers() == 0; }));
  listeners_->Stop();
  const std::weak_ptr<Listeners> alive = listeners_;
  listeners_ = nullptr;
  unblock.set_value();
  io_ = nullptr;
  EXPECT_TRUE(Eventually([&] { return alive.expired(); }));
  EXPECT_EQ(slow_->told(), 0U);
}

}  // namespace
}  // namespace firebreak::engine
