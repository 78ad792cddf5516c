// Classifiers and listeners: what they see, what they change, and that one
// that throws or never returns harms no call.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kTripsAtOne[] =
    "breaker { consecutive_failures: 1 open_duration: \"1h\" "
    "max_open_duration: \"1h\" } ";

// Runs with guarded and with driven calls.
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
  // Without a classifier the policy decides again.
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

// A classifier that blocks on the second result until the default is used.
Classifier BlocksOnTheSecond(
    const std::shared_ptr<std::promise<void>>& unblock) {
  return [unblock, blocked = unblock->get_future().share(),
          asked =
              std::make_shared<std::atomic<int>>(0)](const Result& /*result*/) {
    if (++*asked == 2) blocked.wait();
    return Judgement::kDefault;
  };
}

TEST(ClassifierTimeTest, AProbeThatIsJudgedLateDoesNotHang) {
  for (const char* more : {"", "retry {}"}) {
    EngineFixture f(std::string("breaker { consecutive_failures: 1 probes: 1 "
                                "open_duration: \"1ms\" open_jitter: 0 } ") +
                    more);
    const auto unblock = std::make_shared<std::promise<void>>();
    ASSERT_TRUE(
        f.engine()
            ->SetClassifier("test", kUnaryMethod, BlocksOnTheSecond(unblock))
            .ok());
    f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
    const Caller caller(StubStyle::kSync, f.channel());
    UnaryCall trip;
    caller.Run(&trip);
    ASSERT_TRUE(Eventually(
        [&] { return f.breaker().state == core::BreakerState::kOpen; }));
    while (f.server().calls() == 1) {
      UnaryCall probe;
      // This is less than the second after which a classifier is late.
      probe.context.set_deadline(std::chrono::system_clock::now() +
                                 std::chrono::milliseconds(700));
      caller.Run(&probe);
    }
    EXPECT_TRUE(Eventually(
        [&] { return f.breaker().state == core::BreakerState::kClosed; }));
    EXPECT_EQ(f.breaker().hung_probes, 0);
    EXPECT_EQ(f.engine()->callback_faults().classifier_late, 1);
    unblock->set_value();
  }
}

TEST(ClassifierPoolTest, AFullPoolIsCountedAndThePolicyDecides) {
  EngineOptions options;
  options.observer_threads = 1;
  options.callback_queue = 1;
  auto engine = Engine::FromText(
      "method { name {} breaker { consecutive_failures: 100 failure_rate: 0 } "
      "}",
      options);
  ASSERT_TRUE(engine.ok());
  EchoServer server;
  const Caller caller(
      StubStyle::kSync,
      (*engine)->CreateChannel("test", server.address(),
                               grpc::InsecureChannelCredentials()));
  const auto failures = [&engine] {
    const auto method = (*engine)->core()->Methods().front();
    return method->breakers()
        .front()
        ->Snapshot(engine::Now())
        .consecutive_failures;
  };
  const auto faults = [&engine] { return (*engine)->callback_faults(); };
  // The results of the last calls may be judged when the test is over.
  struct State {
    std::promise<void> unblock;
    std::promise<void> entered;
    std::atomic<int> asked{0};
    std::atomic<bool> has_seen_ok{false};
  };
  const auto state = std::make_shared<State>();
  ASSERT_TRUE((*engine)
                  ->SetClassifier(
                      "test", kUnaryMethod,
                      [state, blocked = state->unblock.get_future().share()](
                          const Result& result) {
                        if (result.code == grpc::StatusCode::OK) {
                          state->has_seen_ok = true;
                        } else if (++state->asked == 1) {
                          state->entered.set_value();
                        }
                        blocked.wait();
                        return Judgement::kDefault;
                      })
                  .ok());
  server.Script(std::vector<Step>(6, Step::Fail(grpc::StatusCode::INTERNAL)));
  UnaryCall first;
  caller.Run(&first);
  state->entered.get_future().wait();
  for (int i = 0; i < 5; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  }
  EXPECT_EQ(faults().classifier_skipped, 4);
  EXPECT_EQ(failures(), 4);

  // The first one is late, and so is the one that waits for it.
  EXPECT_TRUE(Eventually([&] { return faults().classifier_late == 2; }));
  EXPECT_TRUE(Eventually([&] { return failures() == 6; }));
  state->unblock.set_value();
  // The earlier ones have ended by then.
  EXPECT_TRUE(Eventually([&] {
    UnaryCall last;
    caller.Run(&last);
    return state->has_seen_ok.load();
  }));
  EXPECT_EQ(state->asked, 1) << "asked about a result that is settled";
}

TEST(ClassifierPoolTest, ClassifiersThatHangKeepNoFallbackWaiting) {
  EngineFixture f("retry {}");
  const auto unblock = std::make_shared<std::promise<void>>();
  const auto entered = std::make_shared<std::atomic<int>>(0);
  const auto hang = [entered, unblock, blocked = unblock->get_future().share()](
                        const Result& /*result*/) {
    ++*entered;
    blocked.wait();
    return Judgement::kDefault;
  };
  ASSERT_TRUE(f.engine()->SetClassifier("test", kUnaryMethod, hang).ok());
  const Caller caller(StubStyle::kSync, f.channel());
  for (int i = 0; i < 8; ++i) {
    UnaryCall call;
    caller.Run(&call);
  }
  // Blocks every thread that can run classifiers.
  ASSERT_TRUE(
      Eventually([&] { return *entered == EngineOptions().observer_threads; }));
  ASSERT_TRUE(f.engine()
                  ->SetFallback("test", kUnaryMethod,
                                MakeFallback<EchoRequest, EchoReply>(
                                    [](const EchoRequest& /*request*/,
                                       const grpc::Status& /*failure*/,
                                       EchoReply* /*reply*/) {
                                      return grpc::Status::OK;
                                    }))
                  .ok());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  UnaryCall call;
  caller.Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  unblock->set_value();
}

TEST(FallbackPoolTest, ACallWhoseFallbackFindsNoThreadEndsAllTheSame) {
  EngineFixture f("retry {}");
  const auto unblock = std::make_shared<std::promise<void>>();
  const auto entered = std::make_shared<std::atomic<int>>(0);
  ASSERT_TRUE(f.engine()
                  ->SetFallback("test", kUnaryMethod,
                                [entered, unblock,
                                 blocked = unblock->get_future().share()](
                                    const grpc::ByteBuffer& /*request*/,
                                    const grpc::Status& /*failure*/,
                                    grpc::ByteBuffer* /*reply*/) {
                                  ++*entered;
                                  blocked.wait();
                                  return grpc::Status::OK;
                                })
                  .ok());
  const int threads = EngineOptions().callback_threads;
  f.server().Script(std::vector<Step>(static_cast<size_t>(threads) + 1,
                                      Step::Fail(grpc::StatusCode::INTERNAL)));
  const Caller caller(StubStyle::kSync, f.channel());
  std::vector<std::thread> stuck;
  stuck.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    stuck.emplace_back([&] {
      UnaryCall call;
      caller.Run(&call);
    });
  }
  ASSERT_TRUE(Eventually([&] { return *entered == threads; }));
  UnaryCall call;  // without a deadline
  caller.Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "fallback_failed");
  unblock->set_value();
  for (std::thread& thread : stuck) thread.join();
  EXPECT_EQ(*entered, threads);
}

TEST_P(ClassifierTest, IsAskedAboutACallThatItsDeadlineEnds) {
  const auto seen = std::make_shared<std::promise<grpc::StatusCode>>();
  Set([seen](const Result& result) {
    seen->set_value(result.code);
    return Judgement::kIgnore;
  });
  f_.server().Script({Step::Hang()});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::milliseconds(100));
  caller_.Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(seen->get_future().get(), grpc::StatusCode::DEADLINE_EXCEEDED);
  f_.server().Release();
  UnaryCall again;
  Set(nullptr);
  caller_.Run(&again);
  EXPECT_TRUE(again.status.ok()) << "ignored, it did not trip";
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
  // Equal events that waited were combined into one.
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

TEST(ShadowTest, RefusesNothingAndSaysSoInItsEvents) {
  EngineFixture f(
      std::string("breaker { consecutive_failures: 1 mode: SHADOW "
                  "open_duration: \"1h\" "
                  "max_open_duration: \"1h\" } "));
  auto recorder = std::make_shared<Recorder>();
  f.engine()->AddEventListener(recorder);
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  const Caller caller(StubStyle::kSync, f.channel());
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.ok(), i > 0) << call.status.error_message();
  }
  EXPECT_EQ(f.server().calls(), 3);
  EXPECT_EQ(f.breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(f.breaker().shadow_refusals, 2);
  EXPECT_EQ(f.counts().end(core::CallEnd::kRejected), 0);
  ASSERT_TRUE(Eventually([&] { return recorder->size() == 1; }));
  EXPECT_EQ(recorder->events()[0].to, "open");
  EXPECT_TRUE(recorder->events()[0].shadow);
}

TEST_F(ListenerTest, IsToldOfNothingOnceItIsRemoved) {
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

// An engine and its breaker. There are no channels and no calls, so the engine
// ends when its pointer is reset.
struct Lonely {
  Lonely() : engine(MakeEngine("breaker {}")) {
    core::Breaker* const made = engine->core()
                                    ->BindChannel("test", {"t"})
                                    ->Find(kUnaryMethod)
                                    ->targets.front();
    change = [made] { made->Reset(engine::Now()); };
  }
  std::shared_ptr<Engine> engine;
  std::function<void()> change;  // only valid while the engine exists
};

TEST(ListenerEndTest, AnEngineEndsWhileAListenerIsBlockedAndOneHasItsJobToDo) {
  Lonely lonely;
  const std::weak_ptr<Engine> alive = lonely.engine;
  const std::weak_ptr<engine::EngineCore> core = lonely.engine->core();
  auto blocked = std::make_shared<Recorder>();
  std::promise<void> unblock;
  std::promise<void> entered;
  std::promise<void> left;
  const auto told = std::make_shared<std::atomic<int>>(0);
  blocked->on_event = [&, told](const EngineEvent& /*event*/) {
    if (++*told > 1) return;
    entered.set_value();
    unblock.get_future().wait();
    left.set_value();
  };
  lonely.engine->AddEventListener(blocked);
  lonely.change();
  entered.get_future().wait();
  for (int i = 0; i < 9; ++i) lonely.change();
  lonely.engine = nullptr;  // does not wait for it
  EXPECT_TRUE(alive.expired());
  // A timer that is running may hold the last reference.
  EXPECT_TRUE(Eventually([&] { return core.expired(); }));
  unblock.set_value();
  left.get_future().wait();
  // None of the waiting events is delivered after that.
  EXPECT_TRUE(Eventually([&] { return blocked.use_count() == 1; }));
  EXPECT_EQ(*told, 1);
}

TEST(ListenerEndTest, AListenerMayDropTheLastReferenceToTheEngine) {
  Lonely lonely;
  auto recorder = std::make_shared<Recorder>();
  std::promise<void> gone;
  std::promise<void> go;
  auto last = lonely.engine;
  recorder->on_event = [&](const EngineEvent& /*event*/) {
    go.get_future().wait();
    const std::weak_ptr<Engine> alive = last;
    last = nullptr;
    EXPECT_TRUE(alive.expired());
    gone.set_value();
  };
  lonely.engine->AddEventListener(recorder);
  lonely.change();
  lonely.engine = nullptr;
  go.set_value();
  gone.get_future().wait();
  EXPECT_TRUE(Eventually([&] { return recorder.use_count() == 1; }));
}

}  // namespace
}  // namespace firebreak::testing
