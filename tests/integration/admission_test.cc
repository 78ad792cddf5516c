// Calls that a bulkhead, a rate limit or a throttle admits, holds or refuses:
// native ones and driven ones, in every stub style, and streams.
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "src/core/base/duration.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kOneAtATime[] =
    "bulkhead { max_concurrent: 1 max_queue: 1 max_wait: \"1h\" }";
// No call waits for a place.
constexpr char kOneAndNoQueue[] = "bulkhead { max_concurrent: 1 max_queue: 0 }";

// The bool: whether the calls are driven.
using Param = std::tuple<StubStyle, bool>;

class AdmissionTest : public ::testing::TestWithParam<Param> {
 protected:
  static std::string Policy(const std::string& admission) {
    return std::get<1>(GetParam()) ? admission + " retry {}" : admission;
  }
  static Caller NewCaller(EngineFixture* f) {
    return Caller(std::get<0>(GetParam()), f->channel());
  }
  static core::Bulkhead::Snapshot Places(EngineFixture* f) {
    return f->runtime()->settings()->admission.bulkhead()->snapshot();
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, AdmissionTest,
                         ::testing::Combine(AllStyles(), ::testing::Bool()),
                         [](const ::testing::TestParamInfo<Param>& mode) {
                           return StyleName({std::get<0>(mode.param), 0}) +
                                  (std::get<1>(mode.param) ? "Driven"
                                                           : "Guarded");
                         });

// A call in flight on its own thread.
struct Running {
  Running(const Caller& caller, const std::string& text) : call(text) {
    thread = std::thread([this, &caller] { caller.Run(&call); });
  }
  ~Running() {
    if (thread.joinable()) thread.join();
  }
  void Wait() { thread.join(); }
  UnaryCall call;
  std::thread thread;
};

TEST_P(AdmissionTest, AQueuedCallRunsWhenAPlaceComesFree) {
  EngineFixture f(Policy(kOneAtATime));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  Running second(caller, "second");
  ASSERT_TRUE(Eventually([&] { return Places(&f).queued == 1; }));
  EXPECT_EQ(f.server().calls(), 1);
  // The third call finds the queue full.
  UnaryCall third("third");
  caller.Run(&third);
  EXPECT_EQ(third.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(third.context, "firebreak-reason"), "bulkhead_full");
  EXPECT_NE(third.status.error_message().find("1 of 1 in use, 1 of 1 waiting"),
            std::string::npos)
      << third.status.error_message();
  f.server().Release();
  first.Wait();
  second.Wait();
  EXPECT_TRUE(first.call.status.ok());
  EXPECT_TRUE(second.call.status.ok()) << second.call.status.error_message();
  EXPECT_EQ(second.call.reply.text(), "second");
  EXPECT_EQ(f.server().calls(), 2);
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 2);
  EXPECT_EQ(f.counts().end(core::CallEnd::kRejected), 1);
  EXPECT_EQ(f.counts().in_flight, 0);
  EXPECT_EQ(Places(&f).active, 0);
  EXPECT_EQ(Places(&f).completed, 2);
  EXPECT_EQ(Places(&f).rejected, 1);
}

TEST_P(AdmissionTest, AQueuedCallEndsByMaxWait) {
  EngineFixture f(
      Policy("bulkhead { max_concurrent: 1 max_queue: 9 max_wait: \"20ms\" }"));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  UnaryCall second;
  caller.Run(&second);
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(second.context, "firebreak-reason"), "queue_timeout");
  EXPECT_EQ(Places(&f).queued, 0);
  f.server().Release();
}

TEST_P(AdmissionTest, AQueuedCallEndsByItsDeadline) {
  EngineFixture f(Policy(kOneAtATime));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  UnaryCall second;
  second.context.set_deadline(std::chrono::system_clock::now() +
                              std::chrono::milliseconds(30));
  caller.Run(&second);
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(Trailing(second.context, "firebreak-reason"), "deadline_exceeded");
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(Places(&f).queued, 0);
  f.server().Release();
}

TEST_P(AdmissionTest, ACancelledCallLeavesTheQueueAtOnce) {
  EngineFixture f(Policy(kOneAtATime));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  Running second(caller, "second");
  ASSERT_TRUE(Eventually([&] { return Places(&f).queued == 1; }));
  second.call.context.TryCancel();
  second.Wait();
  EXPECT_EQ(second.call.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return Places(&f).queued == 0; }));
  EXPECT_EQ(f.counts().end(core::CallEnd::kCancelled), 1);
  // The place in the queue is free for another call.
  Running third(caller, "third");
  ASSERT_TRUE(Eventually([&] { return Places(&f).queued == 1; }));
  f.server().Release();
  third.Wait();
  EXPECT_TRUE(third.call.status.ok());
  EXPECT_EQ(f.server().calls(), 2);
}

TEST_P(AdmissionTest, ACallCancelledBeforehandTakesNothing) {
  EngineFixture f(Policy(kOneAtATime));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  UnaryCall second;
  second.context.TryCancel();
  caller.Run(&second);
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return Places(&f).queued == 0; }));
  f.server().Release();
}

TEST_P(AdmissionTest, ACallThatWaitedIsToldWhatItWasGrantedAtTheEndOfIt) {
  EngineFixture f(
      Policy("deadline_gate { first_attempt: true quantile: 0.9 } "
             "bulkhead { max_concurrent: 1 max_queue: 1 max_wait: \"1h\" }"));
  f.server().Script({Step::Hang()});
  const Caller caller = NewCaller(&f);
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  // Most calls are fast, and the others are too slow. The gate lets no call
  // pass as an exception for a long time.
  core::LatencyModel& latency = f.runtime()->latency;
  for (int i = 0; i < 100; ++i) {
    latency.OnAttemptEnd(
        absl::StatusCode::kOk, core::Attribution::kSuccess,
        i % 5 < 3 ? std::chrono::milliseconds(1) : std::chrono::minutes(9),
        engine::Now());
  }
  latency.TakePass(engine::Now() + std::chrono::hours(1));
  constexpr auto kWait = std::chrono::milliseconds(200);
  UnaryCall second;
  second.context.set_deadline(std::chrono::system_clock::now() +
                              std::chrono::minutes(8));
  std::thread waits([&] { caller.Run(&second); });
  ASSERT_TRUE(Eventually([&] { return Places(&f).queued == 1; }));
  const auto queued = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < queued + kWait) {
    std::this_thread::yield();
  }
  f.server().Release();
  waits.join();
  EXPECT_EQ(Trailing(second.context, "firebreak-reason"),
            "deadline_infeasible");
  // Eight minutes minus the time that it waited.
  const std::string message = second.status.error_message();
  const size_t at = message.find("granted ");
  ASSERT_NE(at, std::string::npos) << message;
  const auto granted = core::ParseDuration(
      message.substr(at + 8, message.find(',', at) - at - 8));
  ASSERT_TRUE(granted.ok()) << message;
  EXPECT_LE(*granted, std::chrono::minutes(8) - kWait);
}

TEST_P(AdmissionTest, ACallThatWaitsForItsTokenGivesItBackWhenItIsCancelled) {
  EngineFixture f(
      Policy("rate_limit { rate: 0.001 burst: 1 max_wait: \"1h\" }"));
  const Caller caller = NewCaller(&f);
  UnaryCall first;
  caller.Run(&first);
  EXPECT_TRUE(first.status.ok());
  const auto tokens = [&] {
    return f.runtime()->settings()->admission.rate_limit()->tokens(
        engine::Now());
  };
  EXPECT_NEAR(tokens(), 0, 0.1);
  Running second(caller, "second");
  ASSERT_TRUE(Eventually([&] { return tokens() < -0.5; }));
  second.call.context.TryCancel();
  second.Wait();
  EXPECT_EQ(second.call.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return tokens() > -0.5; }));
  EXPECT_NEAR(tokens(), 0, 0.1);
  EXPECT_EQ(f.server().calls(), 1);
}

// Calls that wait are the last users of an engine.
class LastCallTest : public ::testing::TestWithParam<bool> {
 protected:
  struct Pending {
    UnaryCall call;
    std::promise<grpc::Status> done;
  };
  // Destroys everything but the calls once all of them are in flight.
  void Start(const std::string& admission, int calls,
             const std::function<bool(engine::MethodRuntime*)>& wait) {
    auto engine = MakeEngine(admission + (GetParam() ? " retry {}" : ""));
    ended_ = engine->core();
    auto channel = engine->CreateChannel("test", server_.address(),
                                         grpc::InsecureChannelCredentials());
    auto stub = Echo::NewStub(channel);
    for (int i = 0; i < calls; ++i) {
      pending_.push_back(std::make_unique<Pending>());
      Pending* const each = pending_.back().get();
      stub->async()->Unary(
          &each->call.context, &each->call.request, &each->call.reply,
          [each](grpc::Status status) { each->done.set_value(status); });
    }
    auto runtime = engine->core()->Methods().at(0);
    EXPECT_TRUE(Eventually([&] { return wait(runtime.get()); }));
  }
  grpc::StatusCode EndOf(int n) {
    return pending_[static_cast<size_t>(n)]
        ->done.get_future()
        .get()
        .error_code();
  }
  // The contexts keep their channel, so they are destroyed with the calls.
  void ExpectTheEngineToEnd() {
    pending_.clear();
    EXPECT_TRUE(Eventually([&] { return ended_.expired(); }));
  }

  EchoServer server_;
  std::vector<std::unique_ptr<Pending>> pending_;
  std::weak_ptr<engine::EngineCore> ended_;
};
INSTANTIATE_TEST_SUITE_P(Modes, LastCallTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& mode) {
                           return mode.param ? "Driven" : "Guarded";
                         });

TEST_P(LastCallTest, MayBeOneThatWaitsForItsPlace) {
  server_.Script({Step::Hang()});
  Start(kOneAtATime, 2, [](engine::MethodRuntime* runtime) {
    return runtime->settings()->admission.bulkhead()->snapshot().queued == 1;
  });
  ASSERT_TRUE(server_.WaitForCalls(1));
  server_.Release();
  EXPECT_EQ(EndOf(0), grpc::StatusCode::OK);
  EXPECT_EQ(EndOf(1), grpc::StatusCode::OK);
  ExpectTheEngineToEnd();
  EXPECT_EQ(server_.calls(), 2);
}

TEST_P(LastCallTest, MayBeOneThatWaitsForItsTokenAndIsCancelled) {
  Start("rate_limit { rate: 0.001 burst: 1 max_wait: \"1h\" }", 2,
        [](engine::MethodRuntime* runtime) {
          return runtime->settings()->admission.rate_limit()->tokens(
                     engine::Now()) < -0.5;
        });
  EXPECT_EQ(EndOf(0), grpc::StatusCode::OK);
  pending_[1]->call.context.TryCancel();
  EXPECT_EQ(EndOf(1), grpc::StatusCode::CANCELLED);
  ExpectTheEngineToEnd();
  EXPECT_EQ(server_.calls(), 1);
}

TEST_P(AdmissionTest, EngineAndChannelHandlesMayGoWhileACallIsQueued) {
  EchoServer server;
  server.Script({Step::Hang()});
  auto engine = MakeEngine(Policy(kOneAtATime));
  auto channel = engine->CreateChannel("test", server.address(),
                                       grpc::InsecureChannelCredentials());
  auto caller = std::make_unique<Caller>(std::get<0>(GetParam()), channel);
  auto queued = [&] {
    auto all = engine->core()->Methods();
    return !all.empty() &&
           all[0]->settings()->admission.bulkhead()->snapshot().queued == 1;
  };
  Running first(*caller, "first");
  ASSERT_TRUE(server.WaitForCalls(1));
  Running second(*caller, "second");
  ASSERT_TRUE(Eventually(queued));
  engine = nullptr;
  channel = nullptr;
  server.Release();
  first.Wait();
  second.Wait();
  EXPECT_TRUE(first.call.status.ok());
  EXPECT_TRUE(second.call.status.ok()) << second.call.status.error_message();
  EXPECT_EQ(server.calls(), 2);
}

TEST_P(AdmissionTest, TheRateLimitHoldsCallsForTheirTurn) {
  EngineFixture f(Policy("rate_limit { rate: 20 burst: 1 max_wait: \"1s\" }"));
  const Caller caller = NewCaller(&f);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  }
  // Calls are admitted at least 50 ms apart. There is no upper limit, since
  // that depends on the machine.
  EXPECT_GE(std::chrono::steady_clock::now() - began,
            std::chrono::milliseconds(100));
}

TEST_P(AdmissionTest, WithoutATurnInTimeACallIsToldWhenToComeBack) {
  EngineFixture f(Policy("rate_limit { rate: 0.01 burst: 1 }"));
  const Caller caller = NewCaller(&f);
  UnaryCall first;
  caller.Run(&first);
  EXPECT_TRUE(first.status.ok());
  UnaryCall second;
  caller.Run(&second);
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(second.context, "firebreak-reason"), "rate_limited");
  EXPECT_NE(Trailing(second.context, "grpc-retry-pushback-ms"), "");
  EXPECT_FALSE(second.status.error_details().empty());
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(AdmissionTest, TheThrottleTurnsAwayWhatTheServerWould) {
  EngineFixture f(Policy("throttle { k: 1 }"));
  f.server().Script(
      std::vector<Step>(200, Step::Fail(grpc::StatusCode::RESOURCE_EXHAUSTED)));
  const Caller caller = NewCaller(&f);
  int local = 0;
  for (int i = 0; i < 200; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    if (Trailing(call.context, "firebreak-reason") == "throttled_locally") {
      ++local;
    }
  }
  EXPECT_EQ(f.server().calls(), 200 - local);
  // If the server accepts nothing, almost no call is admitted: of n calls about
  // ln(n) are sent.
  EXPECT_GT(local, 150);
}

TEST_P(AdmissionTest, WhatTheBreakerRefusesIsGivenBack) {
  EngineFixture f(Policy(
      "breaker { consecutive_failures: 1 open_duration: \"1h\" "
      "max_open_duration: \"1h\" } rate_limit { rate: 0.001 burst: 5 } " +
      std::string(kOneAtATime)));
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  const Caller caller = NewCaller(&f);
  for (int i = 0; i < 10; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"),
              i == 0 ? "" : "breaker_open");
  }
  EXPECT_NEAR(
      f.runtime()->settings()->admission.rate_limit()->tokens(engine::Now()), 4,
      0.1);
  EXPECT_EQ(Places(&f).active, 0);
  EXPECT_EQ(Places(&f).completed, 1);
}

TEST_P(AdmissionTest, MethodsShareWhatTheirChannelHas) {
  auto engine =
      Engine::FromText("method { name {} " +
                       std::string(std::get<1>(GetParam()) ? "retry {}" : "") +
                       " } channel { bulkhead { max_concurrent: 7 } }");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EchoServer server;
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  UnaryCall call;
  Caller(std::get<0>(GetParam()), channel).Run(&call);
  EXPECT_TRUE(call.status.ok());
  auto methods = (*engine)->core()->Methods();
  ASSERT_EQ(methods.size(), 1U);
  EXPECT_EQ(methods[0]->settings()->admission.bulkhead()->snapshot().limit, 7);
  EXPECT_EQ(methods[0]->settings()->admission.bulkhead()->snapshot().completed,
            1);
}

TEST(DrivenAdmissionTest, ACallTakesOnePlaceAndOneTokenForAllItsAttempts) {
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } } "
      "rate_limit { rate: 0.001 burst: 5 } bulkhead { max_concurrent: 1 }");
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call;
  Caller(StubStyle::kSync, f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(f.server().calls(), 3);
  EXPECT_NEAR(
      f.runtime()->settings()->admission.rate_limit()->tokens(engine::Now()), 4,
      0.1);
  EXPECT_EQ(f.runtime()->settings()->admission.bulkhead()->snapshot().completed,
            1);
}

TEST(DrivenAdmissionTest, AFallbackAnswersForACallThatIsRefused) {
  EngineFixture f(kOneAndNoQueue);
  ASSERT_TRUE(
      f.engine()
          ->SetFallback("test", kUnaryMethod,
                        MakeFallback<EchoRequest, EchoReply>(
                            [](const EchoRequest& /*request*/,
                               const grpc::Status& failure, EchoReply* reply) {
                              reply->set_text(failure.error_message());
                              return grpc::Status::OK;
                            }))
          .ok());
  f.server().Script({Step::Hang()});
  const Caller caller(StubStyle::kSync, f.channel());
  Running first(caller, "first");
  ASSERT_TRUE(f.server().WaitForCalls(1));
  UnaryCall second;
  caller.Run(&second);
  EXPECT_TRUE(second.status.ok());
  EXPECT_NE(second.reply.text().find("bulkhead is full"), std::string::npos)
      << second.reply.text();
  f.server().Release();
}

// --- streams -----------------------------------------------------------------

class HeldStreamTest : public ::testing::Test {
 protected:
  HeldStreamTest()
      : f_("bulkhead { max_concurrent: 1 max_queue: 1 max_wait: \"1h\" } "),
        stub_(Echo::NewStub(f_.channel())) {}

  core::Bulkhead::Snapshot Places(const std::string& method) {
    auto runtime = f_.runtime("/firebreak.testing.Echo/" + method);
    return runtime == nullptr
               ? core::Bulkhead::Snapshot{}
               : runtime->settings()->admission.bulkhead()->snapshot();
  }

  // Occupies the only place of the method until `leave_` is set.
  template <class Open>
  void Occupy(const std::string& method, Open open) {
    holder_ = std::thread([open] {
      grpc::ClientContext context;
      open(&context);
    });
    ASSERT_TRUE(Eventually([&] { return Places(method).active == 1; }));
  }
  void LeaveAndJoin() {
    leave_.set_value();
    holder_.join();
  }

  EngineFixture f_;
  std::unique_ptr<Echo::Stub> stub_;
  std::promise<void> leave_;
  std::thread holder_;
};

TEST_F(HeldStreamTest, ABidiStreamWaitsWithAllItsOperations) {
  Occupy("BidiStream", [this](grpc::ClientContext* context) {
    auto stream = stub_->BidiStream(context);
    leave_.get_future().wait();
    stream->WritesDone();
    stream->Finish();
  });
  struct Reactor : grpc::ClientBidiReactor<EchoRequest, EchoReply> {
    void OnReadDone(bool ok) override {
      if (!ok) return;
      ++reads;
      StartRead(&reply);
    }
    void OnWriteDone(bool /*ok*/) override { StartWritesDone(); }
    void OnDone(const grpc::Status& status) override { done.set_value(status); }
    EchoRequest request;
    EchoReply reply;
    int reads = 0;
    std::promise<grpc::Status> done;
  } reactor;
  grpc::ClientContext context;
  stub_->async()->BidiStream(&context, &reactor);
  // All operations are started at once, so four batches are held.
  reactor.StartRead(&reactor.reply);
  reactor.StartWrite(&reactor.request);
  reactor.StartCall();
  ASSERT_TRUE(Eventually([&] { return Places("BidiStream").queued == 1; }));
  LeaveAndJoin();
  EXPECT_TRUE(reactor.done.get_future().get().ok());
  EXPECT_EQ(reactor.reads, 1);
  EXPECT_EQ(Places("BidiStream").completed, 2);
}

TEST_F(HeldStreamTest, ACancelEndsAHeldStreamOfCallbacks) {
  Occupy("BidiStream", [this](grpc::ClientContext* context) {
    auto stream = stub_->BidiStream(context);
    leave_.get_future().wait();
    stream->WritesDone();
    stream->Finish();
  });
  struct Reactor : grpc::ClientBidiReactor<EchoRequest, EchoReply> {
    void OnReadDone(bool ok) override { read_ok = ok; }
    void OnWriteDone(bool ok) override { write_ok = ok; }
    void OnDone(const grpc::Status& status) override { done.set_value(status); }
    EchoRequest request;
    EchoReply reply;
    bool read_ok = true;
    bool write_ok = true;
    std::promise<grpc::Status> done;
  } reactor;
  grpc::ClientContext context;
  stub_->async()->BidiStream(&context, &reactor);
  reactor.StartRead(&reactor.reply);
  reactor.StartWrite(&reactor.request);
  reactor.StartCall();
  ASSERT_TRUE(Eventually([&] { return Places("BidiStream").queued == 1; }));
  context.TryCancel();
  EXPECT_EQ(reactor.done.get_future().get().error_code(),
            grpc::StatusCode::CANCELLED);
  EXPECT_FALSE(reactor.read_ok);
  EXPECT_FALSE(reactor.write_ok);
  EXPECT_EQ(Places("BidiStream").queued, 0);
  LeaveAndJoin();
}

TEST_F(HeldStreamTest, SyncStreamsWaitAndAreRefused) {
  Occupy("ServerStream", [this](grpc::ClientContext* context) {
    EchoRequest request;
    request.set_answers(1);
    auto stream = stub_->ServerStream(context, request);
    // The stream keeps its place until it is asked for its status.
    leave_.get_future().wait();
    EchoReply reply;
    while (stream->Read(&reply)) {
    }
    stream->Finish();
  });
  EchoRequest request;
  request.set_answers(3);
  int reads = 0;
  grpc::Status status;
  std::thread waiting([&] {
    grpc::ClientContext context;
    auto stream = stub_->ServerStream(&context, request);
    EchoReply reply;
    while (stream->Read(&reply)) ++reads;
    status = stream->Finish();
  });
  ASSERT_TRUE(Eventually([&] { return Places("ServerStream").queued == 1; }));
  {
    grpc::ClientContext context;
    auto stream = stub_->ServerStream(&context, request);
    EchoReply reply;
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_EQ(stream->Finish().error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(Trailing(context, "firebreak-reason"), "bulkhead_full");
  }
  LeaveAndJoin();
  waiting.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reads, 3);
}

TEST_F(HeldStreamTest, AStreamOverAQueueWaitsAndIsRefused) {
  Occupy("ClientStream", [this](grpc::ClientContext* context) {
    EchoReply reply;
    auto stream = stub_->ClientStream(context, &reply);
    leave_.get_future().wait();
    stream->WritesDone();
    stream->Finish();
  });
  grpc::CompletionQueue cq;
  grpc::ClientContext context;
  EchoReply reply;
  grpc::Status status;
  auto next = [&](int* tag) {
    void* got = nullptr;
    bool ok = false;
    EXPECT_TRUE(cq.Next(&got, &ok));
    EXPECT_EQ(got, tag);
    return ok;
  };
  int start = 0;
  int write = 0;
  int finish = 0;
  auto stream = stub_->AsyncClientStream(&context, &reply, &cq, &start);
  ASSERT_TRUE(Eventually([&] { return Places("ClientStream").queued == 1; }));
  context.TryCancel();
  next(&start);
  EchoRequest request;
  stream->Write(request, &write);
  EXPECT_FALSE(next(&write));
  stream->Finish(&status, &finish);
  next(&finish);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  cq.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  EXPECT_FALSE(cq.Next(&tag, &ok));
  LeaveAndJoin();
}

TEST_F(HeldStreamTest, AHeldStreamsLastMessageAndHalfCloseAreHeldAsWell) {
  Occupy("ClientStream", [this](grpc::ClientContext* context) {
    EchoReply reply;
    auto stream = stub_->ClientStream(context, &reply);
    leave_.get_future().wait();
    stream->WritesDone();
    stream->Finish();
  });
  struct Reactor : grpc::ClientWriteReactor<EchoRequest> {
    void OnDone(const grpc::Status& status) override { done.set_value(status); }
    EchoRequest request;
    EchoReply reply;
    std::promise<grpc::Status> done;
  } reactor;
  reactor.request.set_text("all of it");
  grpc::ClientContext context;
  stub_->async()->ClientStream(&context, &reactor.reply, &reactor);
  reactor.StartWriteLast(&reactor.request, grpc::WriteOptions());
  reactor.StartCall();
  ASSERT_TRUE(Eventually([&] { return Places("ClientStream").queued == 1; }));
  LeaveAndJoin();
  const grpc::Status status = reactor.done.get_future().get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reactor.reply.text(), "all of it");
}

TEST_F(HeldStreamTest, AHeldStreamEndsByItsDeadline) {
  Occupy("ServerStream", [this](grpc::ClientContext* context) {
    EchoRequest request;
    auto stream = stub_->ServerStream(context, request);
    leave_.get_future().wait();
    stream->Finish();
  });
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(30));
  auto stream = stub_->ServerStream(&context, EchoRequest());
  EchoReply reply;
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(Trailing(context, "firebreak-reason"), "deadline_exceeded");
  EXPECT_EQ(Places("ServerStream").queued, 0);
  // This is the other call, which may not have arrived before.
  EXPECT_TRUE(f_.server().WaitForCalls(1));
  EXPECT_EQ(f_.server().calls(), 1);
  LeaveAndJoin();
}

TEST(HeldStreamWaitTest, AHeldStreamEndsByMaxWait) {
  EngineFixture f(
      "bulkhead { max_concurrent: 1 max_queue: 1 max_wait: \"20ms\" } ");
  auto stub = Echo::NewStub(f.channel());
  f.server().Script({Step::Hang()});
  grpc::ClientContext first;
  auto holder = stub->ServerStream(&first, EchoRequest());
  ASSERT_TRUE(f.server().WaitForCalls(1));
  grpc::ClientContext second;
  auto stream = stub->ServerStream(&second, EchoRequest());
  EchoReply reply;
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_EQ(stream->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(second, "firebreak-reason"), "queue_timeout");
  f.server().Release();
  EXPECT_TRUE(holder->Finish().ok());
}

// --- ten thousand names ------------------------------------------------------

class CountWarnings : public EventListener {
 public:
  void OnEvent(const EngineEvent& event) override {
    if (event.kind == EngineEvent::Kind::kWarning) ++warnings;
  }
  std::atomic<int> warnings{0};
};

TEST(ManyMethodsTest, TenThousandNamesShareOneEntryPastTheCap) {
  EngineOptions options;
  options.max_methods = 100;
  auto engine = Engine::FromText(
      "method { name {} breaker {} bulkhead { max_concurrent: 1 } }", options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto warnings = std::make_shared<CountWarnings>();
  (*engine)->AddEventListener(warnings);
  EchoServer server;
  ChannelOptions channel_options;
  channel_options.codec = Codec::kByteBuffer;
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials(),
                                          std::move(channel_options));
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue cq;
  for (int i = 0; i < 10'000; ++i) {
    grpc::ClientContext context;
    auto call = stub.PrepareUnaryCall(
        &context, "/made.up.Service/Method" + std::to_string(i),
        grpc::ByteBuffer(), &cq);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, &context);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(cq.Next(&tag, &ok));
    ASSERT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  const auto methods = (*engine)->core()->Methods();
  EXPECT_EQ(methods.size(), 101U);
  int64_t calls = 0;
  for (const auto& method : methods) {
    calls += method->stats.counts().calls;
    if (method->method != "other") continue;
    EXPECT_EQ(method->stats.counts().calls, 9'900);
    // The entry only counts: so many names have no admission policies.
    EXPECT_TRUE(method->settings()->admission.empty());
    EXPECT_EQ(method->breakers().size(), 1U);
    EXPECT_EQ(method->breakers().front()->Snapshot(engine::Now()).state,
              core::BreakerState::kDisabled);
  }
  EXPECT_EQ(calls, 10'000);
  EXPECT_TRUE(Eventually([&] { return warnings->warnings == 1; }));
  EXPECT_EQ((*engine)->core()->events().last(), 1);
}

}  // namespace
}  // namespace firebreak::testing
