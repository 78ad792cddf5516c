// Streams. They are guarded even if the policy has retries, and everything that
// they show is the same as natively.
#include <atomic>
#include <vector>

#include "tests/fidelity/modes.h"
#include "tests/fidelity/recorder.h"
#include "tests/support/fault_proxy.h"

namespace firebreak::testing {
namespace {

EchoRequest Request(const std::string& text, int answers = 0) {
  EchoRequest request;
  request.set_text(text);
  request.set_answers(answers);
  return request;
}

class StreamsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Echo::Stub> NewStub(Mode mode, ChannelOptions options = {}) {
    return Echo::NewStub(world_.NewChannel(mode, std::move(options)));
  }
  // Returns a step with initial and trailing metadata that ends with `code`.
  static Step FullStep(grpc::StatusCode code) {
    Step step = Step::Fail(code, "as said", std::string("\0\1", 2));
    if (code == grpc::StatusCode::OK) step = Step::Ok();
    step.initial = {{"x-a", "1"}, {"x-a", "2"}};
    step.trailing = {{"x-b-bin", "\xff"}};
    return step;
  }

  World world_;
};

class StreamEndsTest : public StreamsTest,
                       public ::testing::WithParamInterface<grpc::StatusCode> {
};
INSTANTIATE_TEST_SUITE_P(Ends, StreamEndsTest,
                         ::testing::Values(grpc::StatusCode::OK,
                                           grpc::StatusCode::ABORTED));

TEST_P(StreamEndsTest, EverythingOfAClientStream) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({FullStep(GetParam())});
    grpc::ClientContext context;
    EchoReply reply;
    const auto writer = NewStub(mode)->ClientStream(&context, &reply);
    writer->Write(Request("1"));
    writer->WriteLast(Request("2"), grpc::WriteOptions());
    const grpc::Status status = writer->Finish();
    return With(ShowEnd(context, status), {{"reply", reply.text()}});
  });
  EXPECT_EQ(native.at("code"), absl::StrCat(GetParam()));
  EXPECT_EQ(native.at("initial"), "x-a=1;x-a=2;");
}

TEST_P(StreamEndsTest, EverythingOfAServerStream) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({FullStep(GetParam())});
    grpc::ClientContext context;
    const auto reader = NewStub(mode)->ServerStream(&context, Request("m", 3));
    std::string read;
    EchoReply reply;
    while (reader->Read(&reply)) read += reply.text();
    const grpc::Status status = reader->Finish();
    return With(ShowEnd(context, status), {{"read", read}});
  });
  EXPECT_EQ(native.at("read"), GetParam() == 0 ? "mmm" : "");
  EXPECT_EQ(native.at("peer"), "ipv4:" + world_.server.address());
}

TEST_P(StreamEndsTest, EverythingOfABidiStream) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({FullStep(GetParam())});
    grpc::ClientContext context;
    context.AddMetadata("x-order", "b");
    context.AddMetadata("x-order", "a");
    const auto stream = NewStub(mode)->BidiStream(&context);
    std::string events;
    EchoReply reply;
    for (const char* text : {"1", "2"}) {
      if (!stream->Write(Request(text))) break;
      if (!stream->Read(&reply)) break;
      absl::StrAppend(&events, reply.text(), " ");
    }
    stream->WritesDone();
    absl::StrAppend(&events, stream->Read(&reply));
    const grpc::Status status = stream->Finish();
    return With(ShowEnd(context, status),
                {{"events", events},
                 {"seen", ShowMetadata(world_.server.seen().back().metadata)}});
  });
  EXPECT_EQ(native.at("events"), GetParam() == 0 ? "1 2 0" : "0");
  EXPECT_NE(native.at("seen").find("x-order=b;x-order=a;"), std::string::npos);
}

TEST_P(StreamEndsTest, TheTagsOfACompletionQueue) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({FullStep(GetParam())});
    grpc::ClientContext context;
    grpc::CompletionQueue cq;
    EchoReply reply;
    grpc::Status status;
    std::string events;
    const auto next = [&] {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(cq.Next(&tag, &ok));
      absl::StrAppend(&events, static_cast<const char*>(tag), " ", ok, ",");
      return ok;
    };
    const auto tag = [](const char* name) { return const_cast<char*>(name); };
    const auto stub = NewStub(mode);
    const auto reader =
        stub->PrepareAsyncServerStream(&context, Request("m", 2), &cq);
    reader->StartCall(tag("start"));
    next();
    reader->ReadInitialMetadata(tag("metadata"));
    next();
    do {
      reader->Read(&reply, tag("read"));
    } while (next());
    reader->Finish(&status, tag("finish"));
    next();
    return With(ShowEnd(context, status), {{"events", events}});
  });
  EXPECT_EQ(native.at("events"),
            GetParam() == grpc::StatusCode::OK
                ? "start 1,metadata 1,read 1,read 1,read 0,finish 1,"
                : "start 1,metadata 1,read 0,finish 1,");
}

TEST_P(StreamEndsTest, NeighboursSeeTheSame) {
  const auto stream = [&](Mode mode, bool before) {
    Recorder recorder;
    std::vector<std::unique_ptr<Recorder::Factory>> factories;
    if (before) factories.push_back(recorder.NewFactory("it"));
    if (mode != Mode::kNative) factories.push_back(world_.NewFactory(mode));
    if (!before) factories.push_back(recorder.NewFactory("it"));
    world_.server.Script({FullStep(GetParam())});
    grpc::ClientContext context;
    const auto stub =
        Echo::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(
            world_.server.address(), grpc::InsecureChannelCredentials(), {},
            std::move(factories)));
    const auto reader = stub->ServerStream(&context, Request("m", 2));
    EchoReply reply;
    while (reader->Read(&reply)) continue;
    EXPECT_EQ(reader->Finish().error_code(), GetParam());
    return Shown{{"lines", recorder.Take()}};
  };
  for (bool before : {true, false}) {
    const Shown native =
        ExpectAlike([&](Mode mode) { return stream(mode, before); });
    EXPECT_NE(native.at("lines").find("it: send-metadata send-message"),
              std::string::npos);
  }
}

TEST_F(StreamsTest, TheReactorsEvents) {
  struct Reactor : grpc::ClientBidiReactor<EchoRequest, EchoReply> {
    // Operations follow one after the other, so that their order is fixed,
    // except for the metadata, which may arrive during another operation.
    void OnReadInitialMetadataDone(bool ok) override { metadata = ok; }
    void OnWriteDone(bool ok) override {
      absl::StrAppend(&events, "write ", ok, ",");
      StartWritesDone();
    }
    void OnWritesDoneDone(bool ok) override {
      absl::StrAppend(&events, "writes done ", ok, ",");
      StartRead(&reply);
    }
    void OnReadDone(bool ok) override {
      absl::StrAppend(&events, "read ", ok, ",");
      if (ok) StartRead(&reply);
    }
    void OnDone(const grpc::Status& status) override {
      absl::StrAppend(&events, "done ", status.error_code());
      done.set_value();
    }
    EchoRequest request = Request("m");
    EchoReply reply;
    std::atomic<bool> metadata{false};
    std::string events;
    std::promise<void> done;
  };
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({FullStep(grpc::StatusCode::OK)});
    grpc::ClientContext context;
    Reactor reactor;
    const auto stub = NewStub(mode);
    stub->async()->BidiStream(&context, &reactor);
    reactor.StartWrite(&reactor.request);
    reactor.StartCall();
    reactor.done.get_future().wait();
    return Shown{
        {"initial", ShowMetadata(context.GetServerInitialMetadata())},
        {"trailing", ShowMetadata(context.GetServerTrailingMetadata())},
        {"metadata", absl::StrCat(reactor.metadata.load())},
        {"events", reactor.events}};
  });
  EXPECT_EQ(native.at("initial"), "x-a=1;x-a=2;");
  EXPECT_EQ(native.at("metadata"), "1");
  EXPECT_EQ(native.at("events"), "write 1,writes done 1,read 1,read 0,done 0");
}

TEST_F(StreamsTest, Cancelled) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({Step::Hang()});
    const int cancelled = world_.server.cancelled();
    const int calls = world_.server.calls();
    grpc::ClientContext context;
    const auto stream = NewStub(mode)->BidiStream(&context);
    EXPECT_TRUE(world_.server.WaitForCalls(calls + 1));
    std::thread([&] { context.TryCancel(); }).join();
    EchoReply reply;
    const bool read = stream->Read(&reply);
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(world_.server.WaitForCancelled(cancelled + 1));
    return With(ShowEnd(context, status), {{"read", absl::StrCat(read)}});
  });
  EXPECT_EQ(native.at("code"), "1");
  EXPECT_EQ(native.at("read"), "0");
}

TEST_F(StreamsTest, ADeadlineThatPasses) {
  const Shown native = ExpectAlike([&](Mode mode) {
    world_.server.Script({Step::Hang()});
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(50));
    const auto stream = NewStub(mode)->BidiStream(&context);
    EchoReply reply;
    const bool read = stream->Read(&reply);
    const grpc::Status status = stream->Finish();
    return Shown{{"code", absl::StrCat(status.error_code())},
                 {"message", status.error_message()},
                 {"read", absl::StrCat(read)}};
  });
  EXPECT_EQ(native.at("code"), "4");
}

TEST_F(StreamsTest, CorkedInitialMetadataWaitsForTheFirstWrite) {
  const Shown native = ExpectAlike([&](Mode mode) {
    const int calls = world_.server.calls();
    grpc::ClientContext context;
    context.set_initial_metadata_corked(true);
    EchoReply reply;
    const auto writer = NewStub(mode)->ClientStream(&context, &reply);
    const int corked = world_.server.calls() - calls;
    writer->Write(Request("first"));
    EXPECT_TRUE(world_.server.WaitForCalls(calls + 1));
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    return Shown{{"corked", absl::StrCat(corked)},
                 {"code", absl::StrCat(status.error_code())},
                 {"reply", reply.text()}};
  });
  EXPECT_EQ(native.at("corked"), "0");
  EXPECT_EQ(native.at("reply"), "first");
}

TEST_F(StreamsTest, WriteOptions) {
  // Two messages that compress well. Only one of them may be compressed.
  const int port = std::stoi(world_.server.address().substr(10));
  const Shown native = ExpectAlike([&](Mode mode) {
    FaultProxy proxy(port);
    Shown shown;
    for (bool compressed : {true, false}) {
      const int64_t before = proxy.asked();
      grpc::ClientContext context;
      context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
      EchoReply reply;
      const auto stub =
          Echo::NewStub(world_.NewChannel(mode, {}, proxy.address()));
      const auto writer = stub->ClientStream(&context, &reply);
      grpc::WriteOptions options;
      if (!compressed) options.set_no_compression();
      writer->Write(Request(std::string(100'000, 'a')),
                    options.set_buffer_hint().set_write_through());
      writer->WriteLast(Request("last"), grpc::WriteOptions());
      EXPECT_TRUE(writer->Finish().ok());
      EXPECT_EQ(reply.text(), "last");
      shown[compressed ? "compressed" : "not compressed"] =
          proxy.asked() - before < 10'000 ? "small" : "large";
    }
    return shown;
  });
  EXPECT_EQ(native.at("compressed"), "small");
  EXPECT_EQ(native.at("not compressed"), "large");
}

}  // namespace
}  // namespace firebreak::testing
