// The engine's threads: pollers that park, and queues that callers poll.
#include "src/engine/io/io.h"

#include <grpcpp/alarm.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "interceptors/context/caller_stack.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::engine {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// An operation of a completion queue that ends when End() is called.
class Operation final : public Completion {
 public:
  void Start(grpc::CompletionQueue* cq, core::Time at) {
    alarm_.Set(cq, ToGrpcTime(at), static_cast<Completion*>(this));
  }
  void End() { alarm_.Cancel(); }
  void OnComplete(bool /*ok*/) override {
    on_thread = std::this_thread::get_id();
    ended = true;
  }

  std::thread::id on_thread;
  std::atomic<bool> ended{false};

 private:
  grpc::Alarm alarm_;
};

TEST(IoTest, PollersParkWhenNothingIsToComeAndWakeForWhatBegins) {
  Io io({});
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 2; }));
    Operation operation;
    operation.Start(io.Begin(), Now());
    ASSERT_TRUE(testing::Eventually([&] { return operation.ended.load(); }));
  }
}

TEST(IoTest, OnePollerStaysForAnOperationThatTakesLong) {
  Io io({});
  Operation operation;
  operation.Start(io.Begin(), Now() + hours(1));
  EXPECT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 1; }));
  operation.End();
  EXPECT_TRUE(testing::Eventually([&] { return operation.ended.load(); }));
  EXPECT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 2; }));
}

TEST(IoTest, ManyOperationsWakeTheOtherPollerToo) {
  Io io({});
  ASSERT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 2; }));
  std::vector<std::unique_ptr<Operation>> operations;
  for (int i = 0; i < 100; ++i) {
    operations.push_back(std::make_unique<Operation>());
    operations.back()->Start(io.Begin(), Now() + hours(1));
  }
  EXPECT_EQ(io.parked_pollers(), 0);
  for (auto& operation : operations) operation->End();
  EXPECT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 2; }));
}

TEST(CallerQueueTest, RunsItsEndsOnTheThreadThatPollsIt) {
  Io io({});
  std::unique_ptr<CallerQueue> caller_queue = io.TakeCallerQueue();
  Operation operation;
  operation.Start(caller_queue->Begin(), Now());
  EXPECT_FALSE(caller_queue->idle());
  EXPECT_TRUE(caller_queue->RunOne(core::kInfiniteFuture));
  EXPECT_TRUE(operation.ended);
  EXPECT_EQ(operation.on_thread, std::this_thread::get_id());
  EXPECT_TRUE(caller_queue->idle());
  EXPECT_FALSE(caller_queue->RunOne(core::Time::min())) << "nothing is there";
}

TEST(CallerQueueTest, ARingEndsAWaitAndIsHeardOnce) {
  Io io({});
  std::unique_ptr<CallerQueue> caller_queue = io.TakeCallerQueue();
  std::thread rings([&] {
    for (int i = 0; i < 3; ++i) caller_queue->Ring();
  });
  EXPECT_TRUE(caller_queue->RunOne(core::kInfiniteFuture));
  EXPECT_TRUE(caller_queue->TakeRing());
  EXPECT_FALSE(caller_queue->TakeRing());
  rings.join();
  while (!caller_queue->idle()) caller_queue->RunOne(core::kInfiniteFuture);
  // The same once more.
  caller_queue->Ring();
  EXPECT_TRUE(caller_queue->RunOne(core::kInfiniteFuture));
}

TEST(CallerQueueTest,
     OneThatIsGivenBackEarlyIsSeenToByAPollerAndKeepsItsOwner) {
  auto owner = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = owner;
  Io io({});
  std::unique_ptr<CallerQueue> caller_queue = io.TakeCallerQueue();
  Operation operation;
  operation.Start(caller_queue->Begin(), Now() + hours(1));
  io.ReturnCallerQueue(std::move(caller_queue), std::move(owner));
  EXPECT_FALSE(operation.ended);
  EXPECT_FALSE(alive.expired());
  operation.End();
  EXPECT_TRUE(testing::Eventually([&] { return alive.expired(); }));
  EXPECT_TRUE(operation.ended);
  EXPECT_NE(operation.on_thread, std::this_thread::get_id());
}

// The bug was: LeftoverEnds accessed itself after it had set its alarm, when a
// poller might have deleted it already. ASan reported that, and sometimes it
// crashed.
TEST(CallerQueueTest, ManyAreGivenBackEarlyAtOnce) {
  auto io = std::make_unique<Io>(Io::Options{});
  std::atomic<int> ended{0};
  constexpr int kThreads = 16;
  constexpr int kEach = 100;
  struct Late final : Completion {
    void OnComplete(bool /*ok*/) override { ++*ended; }
    std::atomic<int>* ended = nullptr;
    grpc::Alarm alarm;
  };
  std::vector<Late> late(size_t{kThreads} * kEach);
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Late& each = late[size_t{kEach} * static_cast<size_t>(t) +
                          static_cast<size_t>(i)];
        each.ended = &ended;
        std::unique_ptr<CallerQueue> caller_queue = io->TakeCallerQueue();
        // Ends soon after the queue has been returned, and not before.
        each.alarm.Set(caller_queue->Begin(),
                       ToGrpcTime(Now() + milliseconds(3)),
                       static_cast<Completion*>(&each));
        io->ReturnCallerQueue(std::move(caller_queue), nullptr);
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_TRUE(testing::Eventually([&] { return ended == kThreads * kEach; }));
  // Each of them has its LeftoverEnds.
  EXPECT_TRUE(testing::Eventually([&] { return io->parked_pollers() >= 2; }));
}

TEST(CallerQueueTest, OneWhoseLastEndIsNearIsWaitedForByWhoGivesItBack) {
  Io io({});
  // How soon it ends depends on gRPC: in 1.51 an alarm ends on the thread that
  // sets it, and in 1.83 on another thread, which may be busy.
  const bool is_waited_for = testing::Eventually([&] {
    EXPECT_TRUE(testing::Eventually([&] { return io.parked_pollers() == 2; }));
    auto owner = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owner;
    std::unique_ptr<CallerQueue> caller_queue = io.TakeCallerQueue();
    CallerQueue* const first = caller_queue.get();
    Operation operation;
    operation.Start(caller_queue->Begin(), core::Time::min());
    io.ReturnCallerQueue(std::move(caller_queue), std::move(owner));
    const bool is_ended = operation.ended;
    EXPECT_TRUE(testing::Eventually([&] { return operation.ended.load(); }));
    if (!is_ended) return false;
    EXPECT_EQ(operation.on_thread, std::this_thread::get_id());
    EXPECT_TRUE(alive.expired());
    EXPECT_EQ(io.parked_pollers(), 2);
    EXPECT_EQ(io.TakeCallerQueue().get(), first) << "it can be used again";
    return true;
  });
  EXPECT_TRUE(is_waited_for);
}

TEST(CallerQueueTest, IsUsedAgain) {
  Io io({});
  std::unique_ptr<CallerQueue> caller_queue = io.TakeCallerQueue();
  CallerQueue* const first = caller_queue.get();
  io.ReturnCallerQueue(std::move(caller_queue), nullptr);
  EXPECT_EQ(io.TakeCallerQueue().get(), first);
}

// --- whose stack is it? ------------------------------------------------------

[[gnu::noinline]] bool IsInACallersFrame(const void* object) {
  return interceptors::LivesOnThisStack(object);
}

TEST(CallerStackTest, ALocalVariableOfACallerDoes) {
  int local = 0;
  EXPECT_TRUE(IsInACallersFrame(&local));
  std::thread([] {
    int other = 0;
    EXPECT_TRUE(IsInACallersFrame(&other));
  }).join();
}

TEST(CallerStackTest, WhatIsElsewhereDoesNot) {
  static int in_static_memory = 0;
  const auto on_the_heap = std::make_unique<int>(0);
  int local = 0;
  EXPECT_FALSE(IsInACallersFrame(&in_static_memory));
  EXPECT_FALSE(IsInACallersFrame(on_the_heap.get()));
  EXPECT_FALSE(IsInACallersFrame(nullptr));
  std::thread([&] {
    EXPECT_FALSE(IsInACallersFrame(&local)) << "another thread's";
  }).join();
}

}  // namespace
}  // namespace firebreak::engine
