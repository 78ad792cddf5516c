// Which breaker a method gets: its own, the channel's, or none.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "src/core/measure/event_log.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

std::shared_ptr<Engine> EngineOf(const std::string& policy) {
  auto engine = Engine::FromText(policy);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// zanzibar#772, armeria#3134, envoy#4203, #20207: one breaker for all methods
// was too coarse.
TEST(EngineBreakerTest, EachMethodAndTargetHasItsOwn) {
  const auto engine = EngineOf("method { name {} breaker {} }");
  const auto channel = engine->core()->BindChannel("c", {"t", "u"});
  const auto a = channel->Find("/p.S/A");
  const auto b = channel->Find("/p.S/B");
  EXPECT_NE(a->targets[0], b->targets[0]);
  EXPECT_NE(a->targets[0], a->targets[1]);
}

TEST(EngineBreakerTest, MethodsOfScopeChannelShareOneForEachTarget) {
  const auto engine = EngineOf(
      "method { name {} breaker { scope: CHANNEL consecutive_failures: 1 } }"
      "method { name { service: \"p.Own\" } breaker {} }");
  const auto channel = engine->core()->BindChannel("c", {"t", "u"});
  const auto a = channel->Find("/p.S/A");
  const auto b = channel->Find("/p.T/B");
  EXPECT_EQ(a->targets[0], b->targets[0]);
  EXPECT_EQ(a->targets[1], b->targets[1]);
  EXPECT_NE(a->targets[0], a->targets[1]);
  EXPECT_NE(channel->Find("/p.Own/A")->targets[0], a->targets[0]);
  EXPECT_EQ(a->targets[0]->identity().method, "*");
  EXPECT_EQ(b->runtime->breakers().size(), 2u);
  // Another channel name has another breaker, and the same name the same one.
  EXPECT_NE(engine->core()->BindChannel("d", {"t"})->Find("/p.S/A")->targets[0],
            a->targets[0]);
  EXPECT_EQ(engine->core()->BindChannel("c", {"t"})->Find("/p.S/C")->targets[0],
            a->targets[0]);
  // A failure of one method opens it for the other.
  const core::Time now = engine::Now();
  a->targets[0]
      ->Admit(now, core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, now);
  EXPECT_FALSE(b->targets[0]->Admit(now, core::kInfiniteFuture).permit);
}

TEST(EngineBreakerTest, TwoPoliciesForOneBreakerAreWarnedOfOnce) {
  const auto engine = EngineOf(
      "method { id: \"one\" name { service: \"p.S\" }"
      "  breaker { scope: CHANNEL } }"
      "method { id: \"two\" name { service: \"p.T\" }"
      "  breaker { scope: CHANNEL probes: 9 } }");
  const auto channel = engine->core()->BindChannel("c", {"t"});
  channel->Find("/p.S/A");
  channel->Find("/p.S/B");
  EXPECT_EQ(engine->core()->events().last(), 0);
  channel->Find("/p.T/A");
  channel->Find("/p.T/B");
  ASSERT_EQ(engine->core()->events().last(), 1);
  const core::Event event = engine->core()->events().Since(0, 1).events[0];
  EXPECT_EQ(event.kind, core::Event::Kind::kWarning);
  EXPECT_EQ(event.cause,
            "shares the channel's breaker, whose numbers are those of policy "
            "one, not of two");
}

// mimir#5650: the breaker of a whole channel broke the health check too.
TEST(EngineBreakerTest, HealthAndReflectionAreExemptUnlessNamed) {
  const auto engine = EngineOf("method { name {} breaker { scope: CHANNEL } }");
  const auto channel = engine->core()->BindChannel("c", {"t"});
  EXPECT_EQ(channel->Find("/grpc.health.v1.Health/Check"), nullptr);
  EXPECT_EQ(channel->Find("/grpc.reflection.v1.ServerReflection/"
                          "ServerReflectionInfo"),
            nullptr);
  EXPECT_EQ(channel->Find("/firebreak.v1.Admin/ListMethods"), nullptr);
  const auto named = EngineOf(
      "method { name { service: \"grpc.health.v1.Health\" } breaker {} }"
      "method { name { channel: \"c\" } breaker {} }");
  const auto other = named->core()->BindChannel("c", {"t"});
  EXPECT_NE(other->Find("/grpc.health.v1.Health/Check"), nullptr);
  EXPECT_EQ(other->Find("/firebreak.v1.Admin/ListMethods"), nullptr);
}

}  // namespace
}  // namespace firebreak::testing
