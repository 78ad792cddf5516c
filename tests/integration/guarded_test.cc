// Calls that run natively behind a breaker: unary and the three kinds of
// streams.
#include <gtest/gtest.h>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kTripsAtTwo[] =
    "breaker { consecutive_failures: 2 open_duration: \"1h\" "
    "max_open_duration: \"1h\" }";
constexpr char kTripsAtOne[] =
    "breaker { consecutive_failures: 1 open_duration: \"1h\" "
    "max_open_duration: \"1h\" }";
constexpr char kQuickProbe[] =
    "breaker { consecutive_failures: 1 probes: 1 open_duration: \"1ms\" "
    "max_open_duration: \"1ms\" }";

class GuardedTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, GuardedTest, AllStyles(), StyleName);

TEST_P(GuardedTest, ACallThatIsLetThroughIsAsNative) {
  EngineFixture f(kTripsAtTwo);
  Step step = Step::Ok();
  step.initial = {{"x-initial", "1"}};
  step.trailing = {{"x-trailing", "2"}};
  f.server().Script({step});
  UnaryCall call("hello");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_EQ(call.context.GetServerInitialMetadata().count("x-initial"), 1U);
  EXPECT_EQ(Trailing(call.context, "x-trailing"), "2");
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
}

TEST_P(GuardedTest, OpensAtItsThresholdAndRejectsWithoutTheNetwork) {
  EngineFixture f(kTripsAtTwo);
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL),
                     Step::Fail(grpc::StatusCode::INTERNAL)});
  for (int i = 0; i < 2; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  }
  EXPECT_EQ(f.breaker().state, core::BreakerState::kOpen);
  UnaryCall refused;
  caller.Run(&refused);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailing(refused.context, "firebreak-reason"), "breaker_open");
  EXPECT_NE(Trailing(refused.context, "grpc-retry-pushback-ms"), "");
  EXPECT_NE(refused.status.error_message().find(kUnaryMethod),
            std::string::npos)
      << refused.status.error_message();
  EXPECT_NE(refused.status.error_message().find("2 failures in a row"),
            std::string::npos)
      << refused.status.error_message();
  EXPECT_FALSE(refused.status.error_details().empty());
  EXPECT_EQ(f.server().calls(), 2);
  EXPECT_EQ(f.counts().end(core::CallEnd::kRejected), 1);
}

TEST_P(GuardedTest, ADeadlineSpentBeforehandIsNotTheServersFailure) {
  // The deadline has passed before the call begins. Nothing is sent, so nothing
  // is learned about the server.
  EngineFixture f(kTripsAtTwo);
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    call.context.set_deadline(std::chrono::system_clock::now() -
                              std::chrono::seconds(1));
    Caller(GetParam(), f.channel()).Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "deadline_exceeded");
  }
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
  EXPECT_EQ(f.server().calls(), 0);
}

TEST_P(GuardedTest, DrivenCallsAreRejectedAlike) {
  EngineFixture f(std::string(kTripsAtOne) + " retry { max_attempts: 2 }");
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  UnaryCall trips;
  caller.Run(&trips);
  UnaryCall refused;
  caller.Run(&refused);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailing(refused.context, "firebreak-reason"), "breaker_open");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(GuardedTest, AWrongRequestIsNotTheServersFailure) {
  EngineFixture f(kTripsAtOne);
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND),
                     Step::Fail(grpc::StatusCode::INVALID_ARGUMENT),
                     Step::Fail(grpc::StatusCode::RESOURCE_EXHAUSTED)});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_FALSE(call.status.ok());
  }
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
}

TEST_P(GuardedTest, AHungProbeGivesItsSlotBackAndItsLateResultMovesNothing) {
  EngineFixture f(
      "breaker { consecutive_failures: 1 probes: 1 open_duration: \"1ms\" "
      "max_open_duration: \"1ms\" probe_timeout: \"200ms\" }");
  const Caller caller(GetParam(), f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL), Step::Hang()});
  UnaryCall trips;
  caller.Run(&trips);
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() > *f.breaker().probe_due; }));
  UnaryCall hung;
  std::thread probe([&] { caller.Run(&hung); });
  ASSERT_TRUE(f.server().WaitForCalls(2));
  // There are no calls meanwhile, so the engine itself ends the lease.
  ASSERT_TRUE(Eventually([&] { return f.breaker().hung_probes == 1; }));
  EXPECT_EQ(f.breaker().state, core::BreakerState::kOpen);
  const auto stale = f.breaker().stale_results;
  f.server().Release();
  probe.join();
  EXPECT_TRUE(hung.status.ok());
  EXPECT_EQ(f.breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(f.breaker().stale_results, stale + 1);
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() > *f.breaker().probe_due; }));
  UnaryCall next;
  caller.Run(&next);
  EXPECT_TRUE(next.status.ok());
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
}

TEST_P(GuardedTest, AnOperatorsOverrideBeatsEverything) {
  EngineFixture f(kTripsAtOne);
  const Caller caller(GetParam(), f.channel());
  UnaryCall first;
  caller.Run(&first);
  auto* breaker = f.runtime()->breakers().front();
  breaker->ForceOpen(absl::nullopt, engine::Now());
  UnaryCall refused;
  caller.Run(&refused);
  EXPECT_EQ(Trailing(refused.context, "firebreak-reason"), "forced_open");
  EXPECT_EQ(Trailing(refused.context, "grpc-retry-pushback-ms"), "");
  breaker->ForceClosed(absl::nullopt, engine::Now());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL),
                     Step::Fail(grpc::StatusCode::INTERNAL), Step::Ok()});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "");
  }
  EXPECT_EQ(f.server().calls(), 4);
}

// --- streams ---------------------------------------------------------------

enum class Kind { kClientStream, kServerStream, kBidiStream };

std::string MethodOf(Kind kind) {
  switch (kind) {
    case Kind::kClientStream:
      return "/firebreak.testing.Echo/ClientStream";
    case Kind::kServerStream:
      return "/firebreak.testing.Echo/ServerStream";
    case Kind::kBidiStream:
      return "/firebreak.testing.Echo/BidiStream";
  }
  return "";
}

struct StreamResult {
  grpc::Status status;
  int reads = 0;
  std::string reason;
};

// Runs a stream of three messages with a synchronous stub.
StreamResult RunSyncStream(Kind kind, Echo::Stub* stub) {
  StreamResult result;
  grpc::ClientContext context;
  EchoRequest request;
  request.set_text("m");
  request.set_answers(3);
  EchoReply reply;
  switch (kind) {
    case Kind::kClientStream: {
      auto writer = stub->ClientStream(&context, &reply);
      for (int i = 0; i < 3; ++i) writer->Write(request);
      writer->WritesDone();
      result.status = writer->Finish();
      break;
    }
    case Kind::kServerStream: {
      auto reader = stub->ServerStream(&context, request);
      while (reader->Read(&reply)) ++result.reads;
      result.status = reader->Finish();
      break;
    }
    case Kind::kBidiStream: {
      auto stream = stub->BidiStream(&context);
      for (int i = 0; i < 3; ++i) stream->Write(request);
      stream->WritesDone();
      while (stream->Read(&reply)) ++result.reads;
      result.status = stream->Finish();
      break;
    }
  }
  result.reason = Trailing(context, "firebreak-reason");
  return result;
}

// The same with callbacks: one reactor for each kind of stream, which starts
// all its operations as early as possible.
template <class Base>
class Reactor : public Base {
 public:
  void OnDone(const grpc::Status& status) override {
    TellOfTheStreamsEnd(status);
  }
  // tests/support/tsan/edges.cc refers to this function by its name.
  void TellOfTheStreamsEnd(const grpc::Status& status) {
    done_.set_value(status);
  }
  grpc::Status Wait() { return done_.get_future().get(); }

 private:
  std::promise<grpc::Status> done_;
};

StreamResult RunCallbackStream(Kind kind, Echo::Stub* stub) {
  StreamResult result;
  grpc::ClientContext context;
  EchoRequest request;
  request.set_text("m");
  request.set_answers(3);
  EchoReply reply;
  switch (kind) {
    case Kind::kClientStream: {
      struct Writer : Reactor<grpc::ClientWriteReactor<EchoRequest>> {
        EchoRequest* request = nullptr;
        int left = 3;
        void Next() {
          if (left-- > 0) {
            StartWrite(request);
          } else {
            StartWritesDone();
          }
        }
        void OnWriteDone(bool ok) override {
          if (ok) Next();
        }
      } writer;
      writer.request = &request;
      stub->async()->ClientStream(&context, &reply, &writer);
      writer.Next();
      writer.StartCall();
      result.status = writer.Wait();
      break;
    }
    case Kind::kServerStream: {
      struct Reader : Reactor<grpc::ClientReadReactor<EchoReply>> {
        EchoReply reply;
        int reads = 0;
        void OnReadDone(bool ok) override {
          if (!ok) return;
          ++reads;
          StartRead(&reply);
        }
      } reader;
      stub->async()->ServerStream(&context, &request, &reader);
      reader.StartRead(&reader.reply);
      reader.StartCall();
      result.status = reader.Wait();
      result.reads = reader.reads;
      break;
    }
    case Kind::kBidiStream: {
      struct Both : Reactor<grpc::ClientBidiReactor<EchoRequest, EchoReply>> {
        EchoRequest* request = nullptr;
        EchoReply reply;
        int left = 3;
        int reads = 0;
        void Next() {
          if (left-- > 0) {
            StartWrite(request);
          } else {
            StartWritesDone();
          }
        }
        void OnWriteDone(bool ok) override {
          if (ok) Next();
        }
        void OnReadDone(bool ok) override {
          if (!ok) return;
          ++reads;
          StartRead(&reply);
        }
      } both;
      both.request = &request;
      stub->async()->BidiStream(&context, &both);
      both.Next();
      both.StartRead(&both.reply);
      both.StartCall();
      result.status = both.Wait();
      result.reads = both.reads;
      break;
    }
  }
  result.reason = Trailing(context, "firebreak-reason");
  return result;
}

// The same with a completion queue, one operation at a time.
StreamResult RunQueueStream(Kind kind, Echo::Stub* stub) {
  StreamResult result;
  grpc::ClientContext context;
  grpc::CompletionQueue cq;
  EchoRequest request;
  request.set_text("m");
  request.set_answers(3);
  EchoReply reply;
  auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(cq.Next(&tag, &ok));
    return ok;
  };
  auto write_all = [&](auto* stream) {
    bool ok = next();  // the start
    for (int i = 0; i < 3 && ok; ++i) {
      stream->Write(request, nullptr);
      ok = next();
    }
    stream->WritesDone(nullptr);
    next();
  };
  auto read_all = [&](auto* stream) {
    for (;;) {
      stream->Read(&reply, nullptr);
      if (!next()) return;
      ++result.reads;
    }
  };
  switch (kind) {
    case Kind::kClientStream: {
      auto writer = stub->AsyncClientStream(&context, &reply, &cq, nullptr);
      write_all(writer.get());
      writer->Finish(&result.status, nullptr);
      next();
      break;
    }
    case Kind::kServerStream: {
      auto reader = stub->AsyncServerStream(&context, request, &cq, nullptr);
      next();
      read_all(reader.get());
      reader->Finish(&result.status, nullptr);
      next();
      break;
    }
    case Kind::kBidiStream: {
      auto stream = stub->AsyncBidiStream(&context, &cq, nullptr);
      write_all(stream.get());
      read_all(stream.get());
      stream->Finish(&result.status, nullptr);
      next();
      break;
    }
  }
  result.reason = Trailing(context, "firebreak-reason");
  cq.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (cq.Next(&tag, &ok)) ADD_FAILURE() << "an operation ended twice";
  return result;
}

StreamResult RunStream(StubStyle style, Kind kind, Echo::Stub* stub) {
  switch (style) {
    case StubStyle::kSync:
      return RunSyncStream(kind, stub);
    case StubStyle::kCallback:
      return RunCallbackStream(kind, stub);
    default:
      return RunQueueStream(kind, stub);
  }
}

class StreamTest
    : public ::testing::TestWithParam<std::tuple<StubStyle, Kind>> {
 protected:
  StreamResult Run(EngineFixture* f) {
    auto stub = Echo::NewStub(f->channel());
    return RunStream(std::get<0>(GetParam()), std::get<1>(GetParam()),
                     stub.get());
  }
  std::string method() { return MethodOf(std::get<1>(GetParam())); }
  bool reads() { return std::get<1>(GetParam()) != Kind::kClientStream; }
};
INSTANTIATE_TEST_SUITE_P(
    All, StreamTest,
    ::testing::Combine(::testing::Values(StubStyle::kSync, StubStyle::kCallback,
                                         StubStyle::kCompletionQueue),
                       ::testing::Values(Kind::kClientStream,
                                         Kind::kServerStream,
                                         Kind::kBidiStream)));

TEST_P(StreamTest, RunsAsNativeAndIsCounted) {
  // Retry and hedging are for unary calls. A stream is guarded nevertheless.
  EngineFixture f(std::string(kTripsAtOne) + " retry {}");
  const StreamResult result = Run(&f);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.reads, reads() ? 3 : 0);
  EXPECT_EQ(f.counts(method()).end(core::CallEnd::kSuccess), 1);
  EXPECT_EQ(f.counts(method()).in_flight, 0);
}

TEST_P(StreamTest, IsJudgedByItsFinalStatusAndThenRefusedWhole) {
  EngineFixture f(kTripsAtOne);
  f.server().Script({Step::Fail(grpc::StatusCode::DATA_LOSS, "broke")});
  const StreamResult broke = Run(&f);
  EXPECT_EQ(broke.status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(f.breaker(method()).state, core::BreakerState::kOpen);
  const StreamResult refused = Run(&f);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused.reason, "breaker_open");
  EXPECT_EQ(refused.reads, 0);
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(f.counts(method()).in_flight, 0);
}

TEST(StreamLifetimeTest, AStreamDestroyedWithoutFinishLeaksNoPermit) {
  EngineFixture f(kQuickProbe);
  auto stub = Echo::NewStub(f.channel());
  const std::string method = MethodOf(Kind::kBidiStream);
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  RunSyncStream(Kind::kBidiStream, stub.get());
  ASSERT_TRUE(
      Eventually([&] { return engine::Now() > *f.breaker(method).probe_due; }));
  f.server().Script({Step::Hang(), Step::Ok()});
  {
    grpc::ClientContext context;
    auto stream = stub->BidiStream(&context);
    ASSERT_EQ(f.breaker(method).probes_in_flight, 1);
    // Otherwise it may not reach the server, and the next call would get the
    // step that hangs.
    ASSERT_TRUE(Eventually([&] { return f.server().calls() == 2; }));
    context.TryCancel();
  }
  EXPECT_EQ(f.breaker(method).probes_in_flight, 0);
  EXPECT_EQ(f.breaker(method).state, core::BreakerState::kHalfOpen);
  EXPECT_EQ(f.counts(method).end(core::CallEnd::kAbandoned), 1);
  EXPECT_EQ(f.counts(method).in_flight, 0);
  EXPECT_TRUE(RunSyncStream(Kind::kBidiStream, stub.get()).status.ok());
  EXPECT_EQ(f.breaker(method).state, core::BreakerState::kClosed);
}

TEST(GuardedExemptTest, MethodsWithoutPolicyAndHealthPassThrough) {
  auto engine = Engine::FromText(
      "method { name { service: \"some.Other\" } "
      "breaker { consecutive_failures: 1 } }");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EchoServer server;
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  server.Script({Step::Fail(grpc::StatusCode::INTERNAL),
                 Step::Fail(grpc::StatusCode::INTERNAL)});
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    Caller(StubStyle::kSync, channel).Run(&call);
  }
  EXPECT_EQ(server.calls(), 3);
  EXPECT_TRUE((*engine)->core()->Methods().empty());
  for (const char* exempt :
       {"/grpc.health.v1.Health/Check", "/firebreak.v1.Admin/ListMethods",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_EQ(MakeEngine("")->core()->BindChannel("c", {"t"})->Find(exempt),
              nullptr)
        << exempt;
  }
}

}  // namespace
}  // namespace firebreak::testing
