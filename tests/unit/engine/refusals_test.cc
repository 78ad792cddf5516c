// The status of a refusal is created once per breaker and millisecond.
#include "interceptors/reply/refusals.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::interceptors {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class RefusalsTest : public ::testing::Test {
 protected:
  RefusalsTest() {
    const auto engine =
        testing::MakeEngine("breaker { consecutive_failures: 1 }");
    channel_ = engine->core()->BindChannel("c", {"t"});
    method_ = channel_->Find("/p.S/M");
    other_ = channel_->Find("/p.S/N");
  }

  std::shared_ptr<const Answer> For(core::Duration retry_after,
                                    uint64_t epoch = 1) {
    return refusals_.For(*method_,
                         {core::Reason::kBreakerOpen, retry_after, epoch});
  }

  std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<const engine::MethodBinding> method_;
  std::shared_ptr<const engine::MethodBinding> other_;
  Refusals refusals_;
};

TEST_F(RefusalsTest, OfOneMillisecondAreTheSame) {
  const auto answer = For(microseconds(4'900));
  EXPECT_EQ(For(microseconds(4'100)), answer);
  EXPECT_EQ(answer->status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(answer->status.error_message().find("5ms"), std::string::npos)
      << answer->status.error_message();
}

TEST_F(RefusalsTest, SayWhatIsTrueNow) {
  const auto answer = For(milliseconds(5));
  EXPECT_NE(For(milliseconds(4)), answer) << "another time";
  EXPECT_NE(For(milliseconds(5), /*epoch=*/2), answer) << "another cause";
  const auto forced =
      refusals_.For(*method_, {core::Reason::kForcedOpen, milliseconds(5), 2});
  EXPECT_NE(forced->status.error_message().find("held open"),
            std::string::npos);
  const auto other =
      refusals_.For(*other_, {core::Reason::kForcedOpen, milliseconds(5), 2});
  EXPECT_NE(other->status.error_message().find("/p.S/N"), std::string::npos)
      << other->status.error_message();
}

}  // namespace
}  // namespace firebreak::interceptors
