// Whether a method may run twice, by its proto and by the policy.
#include "src/engine/policy/idempotency.h"

#include <memory>
#include <string>

#include "firebreak/engine.h"
#include "firebreak/testing/idempotency.pb.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"

namespace firebreak::engine {
namespace {

// A use that the optimizer cannot remove, so that the linker keeps the proto.
void LinkProto() { ASSERT_NE(testing::ShelfMessage::descriptor(), nullptr); }

class IdempotencyTest : public ::testing::Test {
 protected:
  IdempotencyTest() { LinkProto(); }

  // Returns the value for an entry that sets `idempotent` to `policy`, or does
  // not set it.
  static absl::optional<bool> Of(const std::string& method,
                                 absl::optional<bool> policy = {}) {
    auto options = std::make_shared<core::MethodOptions>();
    options->idempotent = policy;
    return WithDescriptor(options, method)->idempotent;
  }
};

TEST_F(IdempotencyTest, AProtoThatSpeaksIsHeard) {
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Look"), true);
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Set"), true);
}

TEST_F(IdempotencyTest, OneThatDoesNotLeavesItOpen) {
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Add"), absl::nullopt);
}

TEST_F(IdempotencyTest, ThePolicyHasTheLastWord) {
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Look", false), false);
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Add", true), true);
  EXPECT_EQ(Of("/firebreak.testing.Shelf/Add", false), false);
}

TEST_F(IdempotencyTest, WhatIsNotLinkedInOrNoPathIsNotKnown) {
  for (const char* method :
       {"", "/", "//", "///", "x", "/x", "/x/", "//x", "/no.such.Service/Look",
        "/firebreak.testing.Shelf/NoSuch", "/firebreak.testing.Shelf",
        "/firebreak.testing.Shelf/", "firebreak.testing.Shelf/Look",
        "/v1/firebreak.testing.Shelf/Look", "/firebreak.testing/Shelf/Look",
        "/firebreak.testing/ShelfMessage", "/\xff\x01/\n"}) {
    EXPECT_EQ(Of(method), absl::nullopt) << method;
  }
}

TEST_F(IdempotencyTest, OptionsAreCopiedOnlyToChangeThem) {
  auto options = std::make_shared<core::MethodOptions>();
  options->policy = "p";
  options->retry.emplace();
  EXPECT_EQ(WithDescriptor(options, "/firebreak.testing.Shelf/Add"), options);
  EXPECT_EQ(WithDescriptor(options, "/no.such.Service/Look"), options);
  const auto look = WithDescriptor(options, "/firebreak.testing.Shelf/Look");
  EXPECT_NE(look, options);
  EXPECT_EQ(look->policy, "p");
  EXPECT_TRUE(look->retry.has_value());
  EXPECT_FALSE(options->idempotent.has_value());
  options->idempotent = true;
  EXPECT_EQ(WithDescriptor(options, "/firebreak.testing.Shelf/Look"), options);
}

TEST_F(IdempotencyTest, TheEngineAsksForEachMethod) {
  const auto engine = Engine::FromText(R"(
      method { name {} retry {} }
      method { name { service: "firebreak.testing.Shelf" method: "Set" }
               idempotent: false retry {} })");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->core()->BindChannel("c", {"t"});
  const auto of = [&](const char* method) {
    return channel->Find(method)->settings->options->idempotent;
  };
  EXPECT_EQ(of("/firebreak.testing.Shelf/Look"), true);
  EXPECT_EQ(of("/firebreak.testing.Shelf/Set"), false);
  EXPECT_EQ(of("/firebreak.testing.Shelf/Add"), absl::nullopt);
  EXPECT_EQ(of("/not.linked.Service/Look"), absl::nullopt);
  // Another channel of this name has the same runtime, and the value is still
  // true.
  const auto again = (*engine)->core()->BindChannel("c", {"u"});
  EXPECT_EQ(again->Find("/firebreak.testing.Shelf/Look")->runtime,
            channel->Find("/firebreak.testing.Shelf/Look")->runtime);
}

TEST_F(IdempotencyTest, MethodsPastTheLimitShareOneEntry) {
  EngineOptions options;
  options.max_methods = 1;
  const auto engine = Engine::FromText("method { name {} retry {} }", options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->core()->BindChannel("c", {"t"});
  EXPECT_EQ(channel->Find("/firebreak.testing.Shelf/Look")->runtime->method,
            "/firebreak.testing.Shelf/Look");
  const auto other = channel->Find("/firebreak.testing.Shelf/Set")->runtime;
  EXPECT_EQ(other->method, "other");
  EXPECT_FALSE(other->settings()->options->idempotent.has_value());
  EXPECT_EQ(channel->Find("/firebreak.testing.Shelf/Add")->runtime, other);
}

}  // namespace
}  // namespace firebreak::engine
