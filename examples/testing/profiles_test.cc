// Tests the service of profiles.h during an outage. Its breaker goes from
// closed to open, half-open and closed again. That takes more than half a
// minute by the virtual clock, and some milliseconds in real time, since
// nothing here sleeps.
#include "examples/testing/profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "firebreak/engine.h"
#include "firebreak/testing.h"

namespace example {
namespace {

using firebreak::testing::BreakerIs;
using firebreak::testing::BreakerOf;
using firebreak::testing::Reply;
using std::chrono::seconds;

constexpr char kGetProfile[] = "/shop.v1.UserService/GetProfile";

class ProfilesTest : public ::testing::Test {
 protected:
  ProfilesTest() {
    firebreak::EngineOptions options;
    options.clock = clock_;
    options.log_sink = nullptr;
    engine_ = *firebreak::Engine::FromFile(POLICY_FILE, options);
    profiles_ = std::make_unique<Profiles>(engine_, server_.target());
    shop::v1::GetProfileReply ada;
    ada.set_name("Ada");
    healthy_ = Reply::Ok(ada);
    server_.Always(kGetProfile, healthy_);
  }

  firebreak::testing::BreakerState breaker() const {
    return BreakerOf(*engine_, "user", kGetProfile);
  }

  const std::shared_ptr<firebreak::testing::VirtualClock> clock_ =
      std::make_shared<firebreak::testing::VirtualClock>();
  firebreak::testing::ScriptedServer server_;
  std::shared_ptr<firebreak::Engine> engine_;
  std::unique_ptr<Profiles> profiles_;
  Reply healthy_;
};

TEST_F(ProfilesTest, GreetsStrangersWhileTheServerIsDown) {
  EXPECT_EQ(profiles_->Greeting("ada"), "Hello, Ada");
  EXPECT_THAT(breaker(), BreakerIs("closed"));

  // The server fails, but no caller sees an error.
  server_.Always(kGetProfile, Reply::Fail(grpc::StatusCode::UNAVAILABLE));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(profiles_->Greeting("ada"), "Hello, stranger");
  }
  EXPECT_THAT(breaker(), BreakerIs("open"));
  const auto attempts = server_.attempts(kGetProfile);
  EXPECT_EQ(profiles_->Greeting("ada"), "Hello, stranger");
  EXPECT_EQ(server_.attempts(kGetProfile), attempts) << "it was not left alone";

  // Half a minute later one call is the probe; other calls still get the
  // fallback.
  clock_->Advance(seconds(30));
  server_.Always(kGetProfile, Reply::Hang());
  auto probe = std::async(std::launch::async,
                          [&] { return profiles_->Greeting("ada"); });
  ASSERT_TRUE(server_.WaitForHanging(1));
  EXPECT_THAT(breaker(), BreakerIs("half_open"));
  EXPECT_EQ(profiles_->Greeting("ada"), "Hello, stranger");
  server_.Always(kGetProfile, healthy_);
  server_.Release(healthy_);
  EXPECT_EQ(probe.get(), "Hello, Ada");
  EXPECT_THAT(breaker(), BreakerIs("closed"));
  EXPECT_EQ(profiles_->Greeting("ada"), "Hello, Ada");
}

}  // namespace
}  // namespace example
