// Chains of fallbacks: the order in which links are asked, how they are
// reported, and the two ready-made links.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "firebreak/call_report.h"
#include "tests/fidelity/raw_server.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using engine::LinkEnd;
using std::chrono::milliseconds;

EchoReply Saying(const std::string& text) {
  EchoReply reply;
  reply.set_text(text);
  return reply;
}

Fallback Answers(const std::string& text) {
  return MakeFallback<EchoRequest, EchoReply>(
      [text](const EchoRequest& /*request*/, const grpc::Status& /*failure*/,
             EchoReply* reply) {
        reply->set_text(text);
        return grpc::Status::OK;
      });
}

Fallback Fails(const std::string& why) {
  return [why](const grpc::ByteBuffer& /*request*/,
               const grpc::Status& /*failure*/, grpc::ByteBuffer* /*reply*/) {
    return grpc::Status(grpc::StatusCode::ABORTED, why);
  };
}

class FallbackChainTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  FallbackChainTest() : f_("retry { max_attempts: 2 codes: [UNAVAILABLE] }") {}

  void Set(std::vector<FallbackLink> links) {
    const absl::Status set = f_.engine()->SetFallback(
        "test", kUnaryMethod, FallbackChain(std::move(links)));
    ASSERT_TRUE(set.ok()) << set;
  }
  // Makes a call that the server answers with `step`, and keeps its report.
  std::unique_ptr<UnaryCall> Call(const Step& step,
                                  const std::string& text = "hello") {
    f_.server().Script({step});
    auto call = std::make_unique<UnaryCall>(text);
    AskForReport(&call->context);
    Caller(GetParam(), f_.channel()).Run(call.get());
    report_ = GetCallReport(call->context).value_or(v1::CallReport());
    return call;
  }
  static Step Down() {
    return Step::Fail(grpc::StatusCode::INTERNAL, "the first failure");
  }
  // Returns the links and their results: "cached failed, default answered".
  std::string Story() const {
    std::string story;
    for (const auto& link : report_.fallback()) {
      story += (story.empty() ? "" : ", ") + link.name() + " " + link.result();
    }
    return story;
  }
  int64_t Count(int link, LinkEnd end) {
    return f_.runtime()->fallback()->at(link).counters->of(end);
  }

  EngineFixture f_;
  v1::CallReport report_;
};
INSTANTIATE_TEST_SUITE_P(Styles, FallbackChainTest, AllStyles(), StyleName);

TEST_P(FallbackChainTest, LinksAreAskedInOrderAndTheFirstToAnswerIsNamed) {
  Set({{"one", Fails("nothing here")},
       {"two",
        [](const auto&, const auto&, auto*) -> grpc::Status {
          throw std::runtime_error("oops");
        }},
       {"three", Answers("third")},
       DefaultReply(Saying("fourth"))});
  const auto call = Call(Down());
  EXPECT_TRUE(call->status.ok()) << call->status.error_message();
  EXPECT_EQ(call->reply.text(), "third");
  EXPECT_EQ(Trailing(call->context, "firebreak-fallback"), "three");
  EXPECT_EQ(Trailing(call->context, "firebreak-stale-ms"), "");
  EXPECT_EQ(Story(), "one failed, two failed, three answered");
  EXPECT_EQ(report_.fallback(0).code(), v1::ABORTED);
  EXPECT_EQ(report_.fallback(0).message(), "nothing here");
  EXPECT_EQ(report_.fallback(1).message(), "the fallback threw");
  EXPECT_EQ(report_.failure_code(), v1::INTERNAL);
  EXPECT_EQ(report_.failure_message(), "the first failure");
  EXPECT_TRUE(report_.from_fallback());
  EXPECT_EQ(Count(0, LinkEnd::kFailed), 1);
  EXPECT_EQ(Count(1, LinkEnd::kFailed), 1);
  EXPECT_EQ(Count(2, LinkEnd::kAnswered), 1);
  EXPECT_EQ(Count(3, LinkEnd::kAnswered), 0);
  EXPECT_EQ(f_.engine()->callback_faults().fallback_threw, 1);
  EXPECT_EQ(f_.counts().fallbacks, 1);
}

TEST_P(FallbackChainTest, WhenAllFailTheFirstFailureIsKept) {
  Set({CachedReply(), {"two", Fails("nothing here")}});
  const auto call = Call(Down());
  EXPECT_EQ(call->status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(call->status.error_message(), "the first failure");
  EXPECT_EQ(Trailing(call->context, "firebreak-reason"), "fallback_failed");
  EXPECT_EQ(Trailing(call->context, "firebreak-fallback"), "");
  EXPECT_EQ(Story(), "cached failed, two failed");
  EXPECT_EQ(report_.code(), v1::INTERNAL);
}

TEST_P(FallbackChainTest, ASlowLinkIsGivenUpAndItsAnswerIsNotTheNextOnes) {
  auto gate = std::make_shared<std::promise<void>>();
  const auto opened = gate->get_future().share();
  Set({{"slow",
        [opened](const auto&, const auto&, grpc::ByteBuffer* reply) {
          opened.wait();
          reply->Clear();
          return grpc::Status::OK;
        },
        milliseconds(20)},
       DefaultReply(Saying("at last"))});
  const auto call = Call(Down());
  EXPECT_TRUE(call->status.ok());
  EXPECT_EQ(call->reply.text(), "at last");
  // On a busy machine its time may end before a thread has begun to run it.
  EXPECT_EQ(Count(0, LinkEnd::kLate) + Count(0, LinkEnd::kNotBegun), 1);
  EXPECT_EQ(Count(1, LinkEnd::kAnswered), 1);
  gate->set_value();
}

TEST_P(FallbackChainTest, ReadyMadeLinksAnswerWhileNoThreadIsFree) {
  auto gate = std::make_shared<std::promise<void>>();
  const auto opened = gate->get_future().share();
  const auto hang = [opened](const auto&, const auto&, auto*) {
    opened.wait();
    return grpc::Status(grpc::StatusCode::ABORTED, "late");
  };
  Set({{"hangs", hang, milliseconds(5)}, DefaultReply(Saying("default"))});
  // Each fallback that has begun occupies a thread.
  const int threads = EngineOptions().callback_threads;
  for (int i = 0; i < 1000 && Count(0, LinkEnd::kLate) < threads; ++i) {
    EXPECT_EQ(Call(Down())->reply.text(), "default");
  }
  EXPECT_EQ(Call(Down())->reply.text(), "default");
  EXPECT_EQ(Story(), "hangs not_begun, default answered");
  gate->set_value();
}

TEST_P(FallbackChainTest, TheLastGoodReplyIsServedAndMarkedAsStale) {
  Set({CachedReply(), DefaultReply(Saying("default"))});
  EXPECT_EQ(Call(Step::Ok(), "a")->reply.text(), "a");
  EXPECT_EQ(Trailing(Call(Step::Ok(), "b")->context, "firebreak-stale-ms"), "");
  const auto call = Call(Down(), "a");
  EXPECT_TRUE(call->status.ok());
  EXPECT_EQ(call->reply.text(), "a");
  EXPECT_EQ(Trailing(call->context, "firebreak-fallback"), "cached");
  EXPECT_NE(Trailing(call->context, "firebreak-stale-ms"), "");
  ASSERT_EQ(Story(), "cached answered");
  EXPECT_TRUE(report_.fallback(0).has_stale());
  // There is no cached reply to a request that no server has answered.
  const auto other = Call(Down(), "c");
  EXPECT_EQ(other->reply.text(), "default");
  EXPECT_EQ(Trailing(other->context, "firebreak-stale-ms"), "");
  EXPECT_EQ(Story(), "cached failed, default answered");
  // A fallback's reply is not cached as a reply of the server.
  EXPECT_EQ(Call(Down(), "c")->reply.text(), "default");
  EXPECT_EQ(Story(), "cached failed, default answered");
}

// gRPC reports no message in this case, and the caller's object is unchanged.
TEST_P(FallbackChainTest, AnOkWithoutAMessageIsNotLearned) {
  Set({CachedReply(), DefaultReply(Saying("default"))});
  RawServer silent({absl::nullopt, grpc::Status::OK});
  const auto channel = f_.engine()->CreateChannel(
      "test", silent.address(), grpc::InsecureChannelCredentials());
  UnaryCall empty("a");
  empty.reply.set_text("of an earlier call");
  Caller(GetParam(), channel).Run(&empty);
  EXPECT_EQ(Call(Down(), "a")->reply.text(), "default");
  EXPECT_EQ(Story(), "cached failed, default answered");
}

TEST_P(FallbackChainTest, AReplyPastItsAgeIsNotServed) {
  CachedReplyOptions options;
  options.max_age = milliseconds(1);
  Set({CachedReply(options), DefaultReply(Saying("default"))});
  EXPECT_EQ(Call(Step::Ok(), "a")->reply.text(), "a");
  const auto kept = engine::Now();
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() > kept + 2 * milliseconds(1); }));
  EXPECT_EQ(Call(Down(), "a")->reply.text(), "default");
}

TEST_P(FallbackChainTest, ARefillIsAskedOnceAndItsReplyIsNotStale) {
  const auto asked = std::make_shared<std::atomic<int>>(0);
  CachedReplyOptions options;
  options.refill = MakeFallback<EchoRequest, EchoReply>(
      [asked](const EchoRequest& request, const grpc::Status& /*failure*/,
              EchoReply* reply) {
        ++*asked;
        reply->set_text("refilled " + request.text());
        return grpc::Status::OK;
      });
  Set({CachedReply(options)});
  const auto first = Call(Down(), "a");
  EXPECT_EQ(first->reply.text(), "refilled a");
  EXPECT_EQ(Trailing(first->context, "firebreak-stale-ms"), "");
  const auto second = Call(Down(), "a");
  EXPECT_EQ(second->reply.text(), "refilled a");
  EXPECT_NE(Trailing(second->context, "firebreak-stale-ms"), "");
  EXPECT_EQ(*asked, 1);
}

TEST_P(FallbackChainTest, CallsWithOneRequestShareOneRefill) {
  const auto asked = std::make_shared<std::atomic<int>>(0);
  const auto gate = std::make_shared<std::promise<void>>();
  CachedReplyOptions options;
  options.refill = [asked, opened = gate->get_future().share(),
                    answer = Answers("refilled")](
                       const grpc::ByteBuffer& request,
                       const grpc::Status& failure, grpc::ByteBuffer* reply) {
    ++*asked;
    opened.wait();
    return answer(request, failure, reply);
  };
  Set({CachedReply(options)});
  constexpr int kCalls = 4;
  f_.server().Script(std::vector<Step>(kCalls, Down()));
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < kCalls; ++i) {
    callers.emplace_back([&] {
      UnaryCall call("a");
      Caller(GetParam(), f_.channel()).Run(&call);
      if (call.reply.text() == "refilled") ++answered;
    });
  }
  // All calls have failed at the server. A call that asks after the refill
  // finds the reply in the cache.
  EXPECT_TRUE(Eventually([&] { return f_.server().calls() == kCalls; }));
  gate->set_value();
  for (std::thread& caller : callers) caller.join();
  // On a busy machine some calls may have waited for more than a second.
  EXPECT_GE(answered, 1);
  EXPECT_EQ(*asked, 1);
}

TEST_P(FallbackChainTest, ARefillThatFailsLeavesItToTheNextLink) {
  CachedReplyOptions options;
  options.refill = Fails("no");
  Set({CachedReply(options), DefaultReply(Saying("default"))});
  EXPECT_EQ(Call(Down())->reply.text(), "default");
  EXPECT_EQ(Story(), "cached failed, default answered");
}

TEST(FallbackChainSetTest, EveryFaultOfAChainIsNamed) {
  EngineFixture f("breaker {}");
  const auto set = [&](std::vector<FallbackLink> links) {
    return std::string(
        f.engine()
            ->SetFallback("test", kUnaryMethod, FallbackChain(std::move(links)))
            .message());
  };
  EXPECT_EQ(set({}), "fallback: has 0 links; allowed 1 to 8");
  EXPECT_EQ(set({{"A b", Fails("")}, {"x", nullptr, milliseconds(-1)}}),
            "fallback[0].name: is \"A b\"; allowed 1 to 32 of a-z, 0-9, _ and "
            "-\nfallback[1].timeout: is negative\nfallback[1].answer: is null");
  EXPECT_EQ(set({CachedReply(), CachedReply()}),
            "fallback[1].name: is \"cached\", as is that of fallback[0]; "
            "allowed once");
  CachedReplyOptions bad;
  bad.max_entries = 0;
  bad.max_bytes = 0;
  bad.max_age = milliseconds(0);
  EXPECT_EQ(set({CachedReply(bad)}),
            "fallback[0].max_entries: is 0; allowed 1 to 1000000\n"
            "fallback[0].max_bytes: is 0; allowed 1 to 1073741824\n"
            "fallback[0].max_age: is 0 ns; allowed 1 ms to 366 days");
  EXPECT_NE(set({DefaultReply(EchoRequest())})
                .find("is DefaultReply(firebreak.testing.EchoRequest)"),
            std::string::npos);
  EXPECT_EQ(set({DefaultReply(EchoReply())}), "");
}

TEST(FallbackChainSetTest, OneFallbackIsStillEnoughAndCanBeRemoved) {
  EngineFixture f("breaker {}");
  ASSERT_TRUE(
      f.engine()->SetFallback("test", kUnaryMethod, Answers("one")).ok());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL, "no"),
                     Step::Fail(grpc::StatusCode::INTERNAL, "no")});
  const Caller caller(StubStyle::kSync, f.channel());
  UnaryCall call;
  caller.Run(&call);
  EXPECT_EQ(call.reply.text(), "one");
  EXPECT_EQ(Trailing(call.context, "firebreak-fallback"), "fallback");
  ASSERT_TRUE(f.engine()->SetFallback("test", kUnaryMethod, nullptr).ok());
  ASSERT_TRUE(f.engine()->SetFallback("test", kUnaryMethod, {}).ok());
  UnaryCall next;
  caller.Run(&next);
  EXPECT_EQ(next.status.error_code(), grpc::StatusCode::INTERNAL);
}

TEST(FallbackChainSetTest, ALinkThatStaysGoesOnCounting) {
  EngineFixture f("breaker {}");
  const auto set = [&](std::vector<FallbackLink> links) {
    EXPECT_TRUE(
        f.engine()
            ->SetFallback("test", kUnaryMethod, FallbackChain(std::move(links)))
            .ok());
  };
  set({{"a", Answers("a")}});
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL, "no")});
  UnaryCall call;
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  set({{"b", Answers("b")}, {"a", Answers("a")}});
  const auto links = f.runtime()->fallback();
  EXPECT_EQ(links->at(0).counters->of(LinkEnd::kAnswered), 0);
  EXPECT_EQ(links->at(1).counters->of(LinkEnd::kAnswered), 1);
}

}  // namespace
}  // namespace firebreak::testing
