// The reply: complete, too large, compressed or broken, and the message that it
// is read into.
#include <google/protobuf/arena.h>
#include <grpcpp/generic/generic_stub.h>

#include "src/compat.h"
#include "tests/fidelity/modes.h"
#include "tests/fidelity/raw_server.h"
#include "tests/support/fault_proxy.h"

namespace firebreak::testing {
namespace {

class ReplyTest : public FidelityTest {
 protected:
  // Calls a server of raw bytes, and returns what the end of the call shows.
  Shown Ask(Mode mode, const RawServer& server) {
    UnaryCall call("hello");
    call.reply.set_text("as it was");
    Run(world_.NewChannel(mode, {}, server.address()), &call);
    return {{"code", absl::StrCat(call.status.error_code())},
            {"message", call.status.error_message()},
            {"reply", call.reply.text()}};
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, ReplyTest, AllStyles(), StyleName);

TEST_P(ReplyTest, WhatWasInItBeforeIsGone) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call("new");
    call.reply.set_text("old");
    call.reply.set_padding("old");
    Run(world_.NewChannel(mode), &call);
    return Shown{{"text", call.reply.text()},
                 {"padding", call.reply.padding()}};
  });
  EXPECT_EQ(native.at("text"), "new");
  EXPECT_EQ(native.at("padding"), "");
}

TEST_P(ReplyTest, OnAnArena) {
  const Shown native = ExpectAlike([&](Mode mode) {
    google::protobuf::Arena arena;
    auto* const reply = compat::NewOn<EchoReply>(&arena);
    const auto stub = Echo::NewStub(world_.NewChannel(mode));
    EchoRequest request;
    request.set_text("hello");
    grpc::ClientContext context;
    grpc::Status status;
    if (GetParam() == StubStyle::kSync) {
      status = stub->Unary(&context, request, reply);
    } else if (GetParam() == StubStyle::kCallback) {
      std::promise<grpc::Status> done;
      stub->async()->Unary(&context, &request, reply,
                           [&](grpc::Status s) { done.set_value(s); });
      status = done.get_future().get();
    } else {
      grpc::CompletionQueue cq;
      auto reader = stub->AsyncUnary(&context, request, &cq);
      reader->Finish(reply, &status, nullptr);
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(cq.Next(&tag, &ok) && ok);
    }
    return Shown{{"code", absl::StrCat(status.error_code())},
                 {"reply", reply->text()},
                 {"arena", reply->GetArena() == &arena ? "its own" : "lost"}};
  });
  EXPECT_EQ(native.at("reply"), "hello");
  EXPECT_EQ(native.at("arena"), "its own");
}

TEST_P(ReplyTest, TooLargeToReceive) {
  const Shown native = ExpectAlike(
      [&](Mode mode) {
        ChannelOptions options;
        options.args.SetMaxReceiveMessageSize(1000);
        UnaryCall call(std::string(2000, 'x'));
        call.reply.set_text("as it was");
        Run(world_.NewChannel(mode, std::move(options)), &call);
        return ShowCall(call);
      },
      TakenOver(GetParam(), {{"peer", TargetAsPeer(world_.server.address())},
                             {"auth", ""}}));
  EXPECT_EQ(native.at("code"), "8");
  EXPECT_EQ(native.at("message").find(kTooLargeToReceive), 0U);
  EXPECT_EQ(native.at("reply"), "as it was");
}

TEST_P(ReplyTest, Compressed) {
  world_.server.SetHandler([](grpc::ServerContextBase* context) {
    context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  });
  const int port = std::stoi(world_.server.address().substr(10));
  const Shown native = ExpectAlike([&](Mode mode) {
    FaultProxy proxy(port);
    UnaryCall call(std::string(100'000, 'a'));
    Run(world_.NewChannel(mode, {}, proxy.address()), &call);
    return Shown{
        {"code", absl::StrCat(call.status.error_code())},
        {"reply", absl::StrCat(call.reply.text().size())},
        {"on the wire", proxy.answered() < 10'000 ? "small" : "large"},
        {"algorithm", absl::StrCat(call.context.compression_algorithm())}};
  });
  EXPECT_EQ(native.at("reply"), "100000");
  EXPECT_EQ(native.at("on the wire"), "small");
}

TEST_P(ReplyTest, ThatDoesNotParse) {
  const RawServer server({"\x0a\x7f", grpc::Status::OK});
  const Shown native = ExpectAlike(
      [&](Mode mode) { return Ask(mode, server); },
      TakenOver(GetParam(),
                {{"code", "13"},
                 {"message", "firebreak: the reply cannot be parsed"}}));
  // The synchronous stub reports a code for it, and the others report OK.
  EXPECT_EQ(native.at("code"), GetParam() == StubStyle::kSync ? "12" : "0");
}

TEST_P(ReplyTest, ThatIsMissing) {
  const RawServer server({absl::nullopt, grpc::Status::OK});
  const Shown native = ExpectAlike(
      [&](Mode mode) { return Ask(mode, server); },
      TakenOver(GetParam(),
                {{"code", "13"},
                 {"message", "firebreak: the reply cannot be parsed"}}));
  EXPECT_EQ(native.at("code"), GetParam() == StubStyle::kSync ? "12" : "0");
  EXPECT_EQ(native.at("reply"), "as it was");
}

TEST_P(ReplyTest, BesideAFailure) {
  EchoReply reply;
  reply.set_text("partial");
  const RawServer server({reply.SerializeAsString(),
                          grpc::Status(grpc::StatusCode::ABORTED, "half")});
  const Shown native =
      ExpectAlike([&](Mode mode) { return Ask(mode, server); },
                  TakenOver(GetParam(), {{"reply", "as it was"}}));
  EXPECT_EQ(native.at("code"), "10");
  EXPECT_EQ(native.at("reply"), "partial");
}

// Generic stubs, whose messages are ByteBuffers. There is no synchronous one.
class GenericTest : public FidelityTest {};
INSTANTIATE_TEST_SUITE_P(Styles, GenericTest,
                         ::testing::Values(StubStyle::kCallback,
                                           StubStyle::kCompletionQueue,
                                           StubStyle::kCompletionQueueSplit),
                         StyleName);

TEST_P(GenericTest, BytesInAndOut) {
  const Shown native = ExpectAlike([&](Mode mode) {
    ChannelOptions options;
    options.codec = Codec::kByteBuffer;
    grpc::GenericStub stub(world_.NewChannel(mode, std::move(options)));
    EchoRequest request;
    request.set_text("bytes");
    const grpc::Slice slice(request.SerializeAsString());
    const grpc::ByteBuffer bytes(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::ClientContext context;
    grpc::Status status;
    if (GetParam() == StubStyle::kCallback) {
      std::promise<grpc::Status> done;
      stub.UnaryCall(&context, kUnaryMethod, {}, &bytes, &answer,
                     [&](grpc::Status s) { done.set_value(s); });
      status = done.get_future().get();
    } else {
      grpc::CompletionQueue cq;
      auto reader = stub.PrepareUnaryCall(&context, kUnaryMethod, bytes, &cq);
      reader->StartCall();
      int tags = 1;
      if (GetParam() == StubStyle::kCompletionQueueSplit) {
        reader->ReadInitialMetadata(nullptr);
        ++tags;
      }
      reader->Finish(&answer, &status, nullptr);
      void* tag = nullptr;
      bool ok = false;
      for (int i = 0; i < tags; ++i) EXPECT_TRUE(cq.Next(&tag, &ok) && ok);
    }
    grpc::ProtoBufferReader reader(&answer);
    EchoReply reply;
    EXPECT_TRUE(reply.ParseFromZeroCopyStream(&reader));
    return Shown{{"code", absl::StrCat(status.error_code())},
                 {"reply", reply.text()},
                 {"request left", absl::StrCat(bytes.Length())}};
  });
  EXPECT_EQ(native.at("reply"), "bytes");
  EXPECT_EQ(native.at("request left"), "7");
}

}  // namespace
}  // namespace firebreak::testing
