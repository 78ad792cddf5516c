// Classifiers and listeners: what they see, what they change, and that no call
// is the worse for one that throws or never comes back.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kTripsAtOne[] =
    "breaker { consecutive_failures: 1 open_duration: \"1h\" "
    "max_open_duration: \"1h\" } ";

// Guarded and driven.
class ClassifierTest : public ::testing::TestWithParam<bool> {
 protected:
  ClassifierTest()
      : f_(std::string(kTripsAtOne) + (GetParam() ? "retry {}" : "")),
        caller_(StubStyle::kSync, f_.channel()) {}

  void Set(Classifier classifier) {
    ASSERT_TRUE(f_.engine()
                    ->SetClassifier("test", kUnaryMethod, std::move(classifier))
                    .ok());
  }
  grpc::StatusCode Call(const Step& step) {
    f_.server().Script({step});
    UnaryCall call;
    caller_.Run(&call);
    return call.status.error_code();
  }
  bool BecomesOpen() {
    return Eventually(
        [&] { return f_.breaker().state == core::BreakerState::kOpen; });
  }

  EngineFixture f_;
  Caller caller_;
};
INSTANTIATE_TEST_SUITE_P(Modes, ClassifierTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& mode) {
                           return mode.param ? "Driven" : "Guarded";
                         });

TEST_P(ClassifierTest, SeesTheResultAndDecidesWhatCounts) {
  std::promise<Result> seen;
  Set([&](const Result& result) {
    seen.set_value(result);
    return Judgement::kFailure;
  });
  Step step = Step::Fail(grpc::StatusCode::FAILED_PRECONDITION, "no", "detail");
  step.trailing = {{"x-ledger", "down"}};
  EXPECT_EQ(Call(step), grpc::StatusCode::FAILED_PRECONDITION);
  const Result result = seen.get_future().get();
  EXPECT_EQ(result.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(result.message, "no");
  EXPECT_EQ(result.details, "detail");
  EXPECT_EQ(result.trailing.find("x-ledger")->second, "down");
  EXPECT_TRUE(BecomesOpen());
}

TEST_P(ClassifierTest, AnOkCanBeAFailureToo) {
  Set([](const Result& result) {
    return result.code == grpc::StatusCode::OK ? Judgement::kFailure
                                               : Judgement::kDefault;
  });
  EXPECT_EQ(Call(Step::Ok()), grpc::StatusCode::OK);
  EXPECT_TRUE(BecomesOpen());
}

TEST_P(ClassifierTest, IgnoresAndForgives) {
  std::atomic<int> asked{0};
  Set([&](const Result& /*result*/) {
    return ++asked == 1 ? Judgement::kIgnore : Judgement::kSuccess;
  });
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Call(Step::Fail(grpc::StatusCode::INTERNAL)),
              grpc::StatusCode::INTERNAL);
  }
  EXPECT_TRUE(Eventually([&] { return f_.breaker().window_calls == 1; }));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(f_.breaker().state, core::BreakerState::kClosed);
  // Taken away, the policy decides again.
  Set(nullptr);
  Call(Step::Fail(grpc::StatusCode::INTERNAL));
  EXPECT_EQ(f_.breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(asked, 2);
}

TEST_P(ClassifierTest, OneThatThrowsIsCountedAndThePolicyDecides) {
  Set([](const Result& /*result*/) -> Judgement {
    throw std::runtime_error("oops");
  });
  EXPECT_EQ(Call(Step::Fail(grpc::StatusCode::INTERNAL)),
            grpc::StatusCode::INTERNAL);
  EXPECT_TRUE(BecomesOpen());
  EXPECT_EQ(f_.engine()->callback_faults().classifier_threw, 1);
}

TEST_P(ClassifierTest, OneThatBlocksIsCountedAndThePolicyDecides) {
  const auto unblock = std::make_shared<std::promise<void>>();
  Set([blocked = unblock->get_future().share(),
       unblock](const Result& /*result*/) {
    blocked.wait();
    return Judgement::kSuccess;
  });
  EXPECT_EQ(Call(Step::Fail(grpc::StatusCode::INTERNAL)),
            grpc::StatusCode::INTERNAL);
  EXPECT_TRUE(BecomesOpen());
  EXPECT_EQ(f_.engine()->callback_faults().classifier_late, 1);
  unblock->set_value();
}

TEST(ClassifierPoolTest, AFullPoolIsCountedAndThePolicyDecides) {
  EngineOptions options;
  options.callback_threads = 1;
  options.callback_queue = 1;
  auto engine = Engine::FromText("method { name {} breaker {} }", options);
  ASSERT_TRUE(engine.ok());
  EchoServer server;
  const Caller caller(
      StubStyle::kSync,
      (*engine)->CreateChannel("test", server.address(),
                               grpc::InsecureChannelCredentials()));
  const auto unblock = std::make_shared<std::promise<void>>();
  std::promise<void> entered;
  // One that waits in the pool may be asked after this test.
  const auto asked = std::make_shared<std::atomic<int>>(0);
  ASSERT_TRUE((*engine)
                  ->SetClassifier("test", kUnaryMethod,
                                  [&entered, asked, unblock,
                                   blocked = unblock->get_future().share()](
                                      const Result& /*result*/) {
                                    if (++*asked == 1) {
                                      entered.set_value();
                                    }
                                    blocked.wait();
                                    return Judgement::kDefault;
                                  })
                  .ok());
  UnaryCall first;
  caller.Run(&first);
  entered.get_future().wait();
  for (int i = 0; i < 5; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_TRUE(call.status.ok());
  }
  EXPECT_EQ((*engine)->callback_faults().classifier_skipped, 4);
  unblock->set_value();
}

TEST(ClassifierSetTest, NamesAreChecked) {
  EngineFixture f("breaker {}");
  const auto none = [](const Result& /*result*/) {
    return Judgement::kDefault;
  };
  EXPECT_EQ(f.engine()->SetClassifier("test", "Unary", none).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(f.engine()
                ->SetClassifier("test", "/grpc.health.v1.Health/Check", none)
                .code(),
            absl::StatusCode::kNotFound);
}

// --- listeners ---------------------------------------------------------------

class Recorder : public EventListener {
 public:
  void OnEvent(const EngineEvent& event) override {
    if (on_event) on_event(event);
    std::lock_guard<std::mutex> lock(mu_);
    events_.push_back(event);
  }
  std::vector<EngineEvent> events() const {
    std::lock_guard<std::mutex> lock(mu_);
    return events_;
  }
  size_t size() const { return events().size(); }
  std::function<void(const EngineEvent&)> on_event;

 private:
  mutable std::mutex mu_;
  std::vector<EngineEvent> events_;
};

class ListenerTest : public ::testing::Test {
 protected:
  ListenerTest() : f_(kTripsAtOne), caller_(StubStyle::kSync, f_.channel()) {}

  void Trip() {
    f_.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
    UnaryCall call;
    caller_.Run(&call);
  }
  void Refused() {
    UnaryCall call;
    caller_.Run(&call);
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "breaker_open");
  }

  EngineFixture f_;
  Caller caller_;
};

TEST_F(ListenerTest, IsToldOfATripWithItsEvidenceThenOfRefusals) {
  auto recorder = std::make_shared<Recorder>();
  f_.engine()->AddEventListener(recorder);
  Trip();
  Refused();
  ASSERT_TRUE(Eventually([&] { return recorder->size() >= 2; }));
  const auto events = recorder->events();
  EXPECT_EQ(events[0].kind, EngineEvent::Kind::kStateChange);
  EXPECT_EQ(events[0].from, "closed");
  EXPECT_EQ(events[0].to, "open");
  EXPECT_NE(events[0].cause.find("1 failure"), std::string::npos)
      << events[0].cause;
  EXPECT_EQ(events[0].channel, "test");
  EXPECT_EQ(events[0].target, f_.server().address());
  EXPECT_EQ(events[0].method, kUnaryMethod);
  EXPECT_EQ(events[1].kind, EngineEvent::Kind::kRejection);
  EXPECT_EQ(events[1].cause, "breaker_open");
  EXPECT_EQ(events[1].count, 1);
  EXPECT_LE(events[0].time, events[1].time + std::chrono::seconds(1));
}

TEST_F(ListenerTest, MayCallBackIntoTheEngine) {
  auto recorder = std::make_shared<Recorder>();
  auto other = std::make_shared<Recorder>();
  recorder->on_event = [&](const EngineEvent& event) {
    if (event.to != "open") return;
    f_.engine()->AddEventListener(other);
    f_.runtime()->breakers().front()->Reset(engine::Now());
    UnaryCall call;
    caller_.Run(&call);
    EXPECT_TRUE(call.status.ok());
    f_.engine()->RemoveEventListener(other);
  };
  f_.engine()->AddEventListener(recorder);
  Trip();
  ASSERT_TRUE(Eventually([&] { return recorder->size() == 2; }));
  EXPECT_EQ(recorder->events()[1].kind, EngineEvent::Kind::kReset);
}

TEST_F(ListenerTest, OneThatThrowsIsCountedAndToldOfTheNext) {
  auto recorder = std::make_shared<Recorder>();
  recorder->on_event = [](const EngineEvent& event) {
    if (event.to == "open") throw std::runtime_error("oops");
  };
  f_.engine()->AddEventListener(recorder);
  Trip();
  Refused();
  ASSERT_TRUE(Eventually([&] { return recorder->size() == 1; }));
  EXPECT_EQ(recorder->events()[0].kind, EngineEvent::Kind::kRejection);
  EXPECT_EQ(f_.engine()->callback_faults().listener_threw, 1);
}

TEST_F(ListenerTest, OneThatBlocksHoldsUpNeitherCallsNorOthers) {
  auto blocked = std::make_shared<Recorder>();
  auto other = std::make_shared<Recorder>();
  std::promise<void> unblock;
  std::promise<void> entered;
  blocked->on_event = [&, until = unblock.get_future().share(),
                       first = true](const EngineEvent& /*event*/) mutable {
    if (!std::exchange(first, false)) return;
    entered.set_value();
    until.wait();
  };
  f_.engine()->AddEventListener(blocked);
  f_.engine()->AddEventListener(other);
  Trip();
  entered.get_future().wait();
  for (int i = 0; i < 5; ++i) Refused();
  ASSERT_TRUE(Eventually([&] {
    int64_t told = 0;
    for (const auto& event : other->events()) told += event.count;
    return told == 6;
  }));
  EXPECT_EQ(blocked->size(), 0U);
  unblock.set_value();
  // What waited alike came as one.
  ASSERT_TRUE(Eventually([&] { return blocked->size() == 2; }));
  EXPECT_EQ(blocked->events()[1].count, 5);
  EXPECT_EQ(f_.engine()->callback_faults().events_missed, 0);
}

TEST(ListenerQueueTest, IsBoundedAndTellsWhatWasLost) {
  EngineOptions options;
  options.event_log_size = 3;
  options.log_sink = nullptr;  // it may miss some too
  auto engine = Engine::FromText("method { name {} breaker {} }", options);
  ASSERT_TRUE(engine.ok());
  EchoServer server;
  UnaryCall call;
  Caller(StubStyle::kSync,
         (*engine)->CreateChannel("test", server.address(),
                                  grpc::InsecureChannelCredentials()))
      .Run(&call);
  auto recorder = std::make_shared<Recorder>();
  std::promise<void> unblock;
  std::promise<void> entered;
  recorder->on_event = [&, until = unblock.get_future().share(),
                        first = true](const EngineEvent& /*event*/) mutable {
    if (!std::exchange(first, false)) return;
    entered.set_value();
    until.wait();
  };
  (*engine)->AddEventListener(recorder);
  core::Breaker* const breaker =
      (*engine)->core()->Methods()[0]->breakers().front();
  breaker->Reset(engine::Now());
  entered.get_future().wait();
  for (int i = 0; i < 10; ++i) breaker->Reset(engine::Now());
  EXPECT_EQ((*engine)->callback_faults().events_missed, 7);
  unblock.set_value();
  ASSERT_TRUE(Eventually([&] { return recorder->size() == 4; }));
  EXPECT_EQ(recorder->events()[1].missed, 7);
  EXPECT_EQ(recorder->events()[2].missed, 0);
}

TEST_F(ListenerTest, MayBeRemovedAndMayOutliveTheEngine) {
  auto recorder = std::make_shared<Recorder>();
  f_.engine()->AddEventListener(recorder);
  f_.engine()->AddEventListener(nullptr);
  f_.engine()->RemoveEventListener(recorder);
  Trip();
  auto second = std::make_shared<Recorder>();
  f_.engine()->AddEventListener(second);
  Refused();
  ASSERT_TRUE(Eventually([&] { return second->size() == 1; }));
  EXPECT_EQ(recorder->size(), 0U);
}

}  // namespace
}  // namespace firebreak::testing
