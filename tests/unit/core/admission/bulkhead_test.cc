// Places and a queue: which calls are admitted, wait, or are refused.
#include "src/core/admission/bulkhead.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Entry = Bulkhead::Entry;

struct Waiter final : Bulkhead::Waiter {
  void OnPlace() override { ++told; }
  int told = 0;
};

BulkheadOptions With(int max_concurrent, int max_queue) {
  BulkheadOptions options;
  options.max_concurrent = max_concurrent;
  options.max_queue = max_queue;
  return options;
}

TEST(BulkheadTest, TakesAsManyAsItHasPlacesFor) {
  Bulkhead bulkhead(With(2, 0));
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(), Entry::kFull);
  bulkhead.Leave();
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
}

TEST(BulkheadTest, APlaceGoesToTheFirstThatWaits) {
  Bulkhead bulkhead(With(1, 2));
  auto a = std::make_shared<Waiter>();
  auto b = std::make_shared<Waiter>();
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(a), Entry::kQueued);
  EXPECT_EQ(bulkhead.Enter(b), Entry::kQueued);
  EXPECT_EQ(bulkhead.Enter(std::make_shared<Waiter>()), Entry::kFull);
  EXPECT_FALSE(bulkhead.TakePlace(a.get()));
  bulkhead.Leave();
  EXPECT_EQ(a->told, 1);
  EXPECT_EQ(b->told, 0);
  EXPECT_TRUE(bulkhead.TakePlace(a.get()));
  EXPECT_FALSE(bulkhead.TakePlace(a.get()));  // once
  EXPECT_FALSE(bulkhead.TakePlace(b.get()));
  // A newcomer does not overtake.
  EXPECT_EQ(bulkhead.Enter(), Entry::kQueued);
  bulkhead.Leave();
  EXPECT_TRUE(bulkhead.TakePlace(b.get()));
}

TEST(BulkheadTest, WhoGivesUpLeavesTheQueueAtOnce) {
  Bulkhead bulkhead(With(1, 1));
  auto a = std::make_shared<Waiter>();
  auto b = std::make_shared<Waiter>();
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(a), Entry::kQueued);
  EXPECT_FALSE(bulkhead.GiveUp(a.get()));
  EXPECT_EQ(a.use_count(), 1);
  EXPECT_EQ(bulkhead.Enter(b), Entry::kQueued);
  bulkhead.Leave();
  EXPECT_EQ(a->told, 0);
  EXPECT_EQ(b->told, 1);
}

TEST(BulkheadTest, WhoGivesUpTooLateHasThePlace) {
  Bulkhead bulkhead(With(1, 1));
  auto a = std::make_shared<Waiter>();
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(a), Entry::kQueued);
  bulkhead.Leave();
  EXPECT_TRUE(bulkhead.GiveUp(a.get()));
  EXPECT_FALSE(bulkhead.GiveUp(a.get()));
  EXPECT_EQ(bulkhead.snapshot().active, 1);
}

TEST(BulkheadTest, WithoutAWaitThereIsNoQueue) {
  BulkheadOptions options = With(1, 5);
  options.max_wait = Duration::zero();
  Bulkhead bulkhead(options);
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  EXPECT_EQ(bulkhead.Enter(std::make_shared<Waiter>()), Entry::kFull);
  EXPECT_EQ(bulkhead.snapshot().capacity_left(), 0);
}

TEST(BulkheadTest, MorePlacesTellOnlyThoseWhoGetThem) {
  Bulkhead bulkhead(With(1, 2));
  EXPECT_EQ(bulkhead.Enter(), Entry::kAdmitted);
  auto other = std::make_shared<Waiter>();
  auto waits = std::make_shared<Waiter>();
  EXPECT_EQ(bulkhead.Enter(waits), Entry::kQueued);
  // The list already has a call that another bulkhead has admitted.
  std::vector<std::shared_ptr<Bulkhead::Waiter>> admitted = {other};
  bulkhead.SetOptions(With(2, 2), &admitted);
  EXPECT_EQ(admitted.size(), 2U);
  EXPECT_EQ(other->told, 0);
  EXPECT_EQ(waits->told, 1);
}

TEST(BulkheadTest, TellsWhereItStands) {
  Bulkhead bulkhead(With(2, 3));
  bulkhead.Enter();
  EXPECT_EQ(bulkhead.snapshot().saturated, 0);
  bulkhead.Enter();
  auto a = std::make_shared<Waiter>();
  bulkhead.Enter(a);
  Bulkhead::Snapshot s = bulkhead.snapshot();
  EXPECT_EQ(s.limit, 2);
  EXPECT_EQ(s.active, 2);
  EXPECT_EQ(s.available(), 0);
  EXPECT_EQ(s.queued, 1);
  EXPECT_EQ(s.capacity_left(), 2);
  EXPECT_EQ(s.completed, 0);
  EXPECT_EQ(s.saturated, 1);
  bulkhead.GiveUp(a.get());
  bulkhead.Leave(/*was_used=*/true);
  bulkhead.Leave(/*was_used=*/false);
  s = bulkhead.snapshot();
  EXPECT_EQ(s.active, 0);
  EXPECT_EQ(s.completed, 1);
  EXPECT_EQ(s.capacity_left(), 5);
}

}  // namespace
}  // namespace firebreak::core
