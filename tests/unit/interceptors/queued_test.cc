// The wait for admission: when and to which function its end is reported.
#include "interceptors/batch/queued.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <utility>

#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::interceptors {
namespace {

class QueuedTest : public ::testing::Test {
 protected:
  QueuedTest()
      : f_("bulkhead { max_concurrent: 1 max_queue: 1 max_wait: \"1h\" }"),
        channel_(f_.engine()->core()->BindChannel("test", {"t"})),
        method_(channel_->Find(testing::kUnaryMethod)) {}

  core::AdmissionPermit AdmissionPermit() {
    core::AdmissionPermit permit;
    permit.Begin(&method_->runtime->settings()->admission, engine::Now(),
                 core::kInfiniteFuture, core::Duration::zero());
    return permit;
  }
  core::Bulkhead::Snapshot Places() {
    return method_->runtime->settings()->admission.bulkhead()->snapshot();
  }
  // Returns whether the timer thread has handled all timers.
  bool TimersHaveRung() {
    return testing::Eventually(
        [&] { return f_.engine()->core()->io()->armed_timers() == 0; });
  }

  testing::EngineFixture f_;
  std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<const engine::MethodBinding> method_;
};

TEST_F(QueuedTest, ACancelBeforeJoinIsForJoinToSee) {
  core::AdmissionPermit holder = AdmissionPermit();
  auto told = std::make_shared<std::atomic<int>>(0);
  auto queued = Queued::Create(channel_, method_, AdmissionPermit(),
                               [told](Queued::End /*end*/) { ++*told; });
  queued->Cancel();
  ASSERT_TRUE(TimersHaveRung());
  // One more call of the timer, since it is disarmed before it runs.
  queued->OnTimer();
  EXPECT_EQ(*told, 0);
  const absl::optional<Queued::End> end = queued->Join();
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->is_cancelled);
  queued->OnTimer();
  EXPECT_EQ(*told, 0);
  EXPECT_EQ(Places().queued, 0);
}

TEST_F(QueuedTest, IsToldOnceWhenThePlaceComesFree) {
  core::AdmissionPermit holder = AdmissionPermit();
  auto told = std::make_shared<std::atomic<int>>(0);
  auto queued = Queued::Create(
      channel_, method_, AdmissionPermit(), [told](Queued::End end) {
        EXPECT_EQ(end.step.kind, core::AdmissionControl::Step::Kind::kAdmitted);
        ++*told;
      });
  EXPECT_FALSE(queued->Join().has_value());
  EXPECT_EQ(Places().queued, 1);
  holder.End(core::AdmissionControl::Verdict::kAccepted, engine::Now());
  EXPECT_TRUE(testing::Eventually([&] { return *told == 1; }));
  queued->Cancel();  // too late
  queued->OnTimer();
  EXPECT_EQ(*told, 1);
}

}  // namespace
}  // namespace firebreak::interceptors
