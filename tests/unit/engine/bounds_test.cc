// Everything that grows with the number of names is bounded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kTooMany = static_cast<int>(kMaxTargets) + 5;

std::shared_ptr<Engine> Make(const std::string& policy,
                             std::size_t max_methods = 1000) {
  EngineOptions options;
  options.log_sink = nullptr;
  options.max_methods = max_methods;
  auto engine = Engine::FromText(policy, options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

core::Breaker* BreakerOf(Engine* engine, const std::string& target,
                         const std::string& method = "/a.B/C") {
  return engine->core()
      ->BindChannel("c", {target})
      ->Find(method)
      ->targets.front();
}

// Each target is a channel that is created and destroyed, as after a deploy.
core::Breaker* BindTooMany(Engine* engine) {
  core::Breaker* last = nullptr;
  for (int i = 0; i < kTooMany; ++i) {
    last = BreakerOf(engine, absl::StrCat("t", i));
  }
  return last;
}

void ExpectTheRestIsOff(Engine* engine, core::Breaker* other) {
  const auto methods = engine->core()->Methods();
  ASSERT_THAT(methods, SizeIs(1));
  EXPECT_THAT(methods.front()->breakers(), SizeIs(kMaxTargets));
  EXPECT_EQ(BreakerOf(engine, "t0")->identity().target, "t0");
  EXPECT_EQ(BreakerOf(engine, "one more"), other);
  for (int i = 0; i < 10; ++i) {
    auto admission = other->Admit(Now(), core::kInfiniteFuture);
    ASSERT_TRUE(admission.permit);
    admission.permit.Settle(core::Verdict::kFailure, Now());
  }
  const auto page = engine->core()->events().Since(0, 100);
  ASSERT_THAT(page.events, SizeIs(1));
  EXPECT_THAT(page.events[0].cause, HasSubstr("more than 1000 targets"));
}

TEST(BoundsTest, TargetsOfAMethod) {
  auto engine = Make("method { name {} breaker { consecutive_failures: 1 } }");
  core::Breaker* const other = BindTooMany(engine.get());
  ExpectTheRestIsOff(engine.get(), other);
  // A new policy does not switch this breaker on.
  ASSERT_TRUE(
      engine->SetPolicyText("method { name {} breaker { leaky_failures: 1 } }")
          .ok());
  EXPECT_EQ(other->Snapshot(Now()).state, core::BreakerState::kDisabled);
}

TEST(BoundsTest, TargetsOfAChannelsSharedBreakers) {
  auto engine = Make(
      "method { name {} breaker { scope: CHANNEL consecutive_failures: 1 } }");
  core::Breaker* const other = BindTooMany(engine.get());
  ExpectTheRestIsOff(engine.get(), other);
}

// A program that calls any requested name through a generic stub.
TEST(BoundsTest, NamesOfMethodsWithoutPolicy) {
  auto engine = Make("method { name { service: \"p.S\" } breaker {} }");
  const auto channel = engine->core()->BindChannel("c", {"t"});
  for (int i = 0; i < 1'000'000; ++i) {
    ASSERT_EQ(channel->Find(absl::StrCat("/p.T/M", i)), nullptr);
  }
  EXPECT_THAT(engine->core()->Methods(), SizeIs(0));
  EXPECT_LE(channel->names_remembered(), BindingCache::kMostStrangers);
}

TEST(BoundsTest, NamesOfMethodsPastTheMost) {
  auto engine = Make("method { name {} breaker {} }", 5);
  const auto channel = engine->core()->BindChannel("c", {"t"});
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = absl::StrCat("/a.B/M", i);
    const auto binding = channel->Find(name);
    ASSERT_NE(binding, nullptr);
    EXPECT_EQ(binding->method, name);
    EXPECT_EQ(binding->runtime->method, i < 5 ? name : "other");
  }
  EXPECT_THAT(engine->core()->Methods(), SizeIs(6));
  EXPECT_LE(channel->names_remembered(), BindingCache::kMostStrangers + 5);
}

TEST(BoundsTest, ChannelNames) {
  auto engine = Make("method { name {} breaker {} }", 5);
  for (int i = 0; i < 200; ++i) {
    auto method =
        engine->core()->BindChannel(absl::StrCat("c", i), {""})->Find("/a.B/C");
    ASSERT_NE(method, nullptr);
    EXPECT_EQ(method->runtime->channel,
              i < 10 ? absl::StrCat("c", i) : "other");
    EXPECT_EQ(method->runtime->method, i < 5 ? "/a.B/C" : "other");
  }
  // Five methods, "other" of five channels, and one for the rest.
  EXPECT_THAT(engine->core()->Methods(), SizeIs(11));
  const auto page = engine->core()->events().Since(0, 100);
  ASSERT_THAT(page.events, SizeIs(2));
  EXPECT_THAT(page.events[0].cause, HasSubstr("more than 5 methods"));
  EXPECT_THAT(page.events[1].cause, HasSubstr("channel names"));
}

}  // namespace
}  // namespace firebreak::engine
