// Messages of another kind than the channel's codec, or of another type: this
// is reported, and they are never read as the wrong type.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>

#include "firebreak/testing/echo.pb.h"
#include "interceptors/reply/reply_kind.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kRetries[] = R"pb(retry { max_attempts: 3 })pb";

grpc::ByteBuffer BytesOf(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

struct GenericCall {
  explicit GenericCall(const std::shared_ptr<grpc::Channel>& channel)
      : stub(channel) {
    EchoRequest message;
    message.set_text("generic");
    request = BytesOf(message);
  }
  void Run() {
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, kUnaryMethod, {}, &request, &reply,
                   [&](grpc::Status ended) { done.set_value(ended); });
    status = done.get_future().get();
  }

  grpc::GenericStub stub;
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer reply;
  grpc::Status status;
};

void ExpectRefused(const GenericCall& call) {
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(call.status.error_message(), HasSubstr(kUnaryMethod));
  EXPECT_THAT(call.status.error_message(), HasSubstr("CreateGenericChannel()"));
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "invalid_options");
}

// This used to crash the process when the second attempt's reply was read.
TEST(WrongCodecTest, AGenericStubOnAChannelForGeneratedStubs) {
  EngineFixture f(kRetries);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  GenericCall call(f.channel());
  call.Run();
  ExpectRefused(call);
  EXPECT_EQ(f.server().calls(), 0);
}

TEST(WrongCodecTest, AReplyThatHoldsAnEarlierOneIsNoMessageEither) {
  EngineFixture f(kRetries);
  GenericCall call(f.channel());
  call.reply = call.request;
  call.Run();
  ExpectRefused(call);
}

// With a completion queue and a call that asks for its initial metadata first,
// the reply is only known while the call is in flight.
TEST(WrongCodecTest, AReplyThatIsKnownLate) {
  EngineFixture f(kRetries);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  grpc::CompletionQueue queue;
  GenericCall call(f.channel());
  auto reader = call.stub.PrepareUnaryCall(&call.context, kUnaryMethod,
                                           call.request, &queue);
  reader->StartCall();
  reader->ReadInitialMetadata(&queue);
  reader->Finish(&call.reply, &call.status, &call);
  void* tag = nullptr;
  bool ok = false;
  while (tag != &call) ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(call.status.error_message(), HasSubstr("CreateGenericChannel()"));
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

TEST(WrongCodecTest, AGeneratedStubOnAChannelForByteBuffers) {
  EngineFixture f(kRetries);
  ChannelOptions options;
  options.codec = Codec::kByteBuffer;
  auto channel = f.NewChannel(std::move(options));
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  for (StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue}) {
    UnaryCall call("typed");
    Caller(style, channel).Run(&call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(call.status.error_message(), HasSubstr("CreateChannel()"));
  }
}

TEST(WrongCodecTest, AGenericChannelIsForGenericStubs) {
  EngineFixture f(kRetries);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  GenericCall call(f.engine()->CreateGenericChannel(
      "test", f.server().address(), grpc::InsecureChannelCredentials()));
  call.Run();
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.server().calls(), 2);
}

TEST(WrongCodecTest, EachMessageIsOneAndNoByteBufferIs) {
  interceptors::ReplyKinds kinds;
  EchoReply reply;
  EchoRequest request;
  grpc::ByteBuffer empty;
  grpc::ByteBuffer full = BytesOf(request);
  for (int i = 0; i < 2; ++i) {
    for (const google::protobuf::MessageLite* message :
         {static_cast<google::protobuf::MessageLite*>(&reply),
          static_cast<google::protobuf::MessageLite*>(&request)}) {
      EXPECT_TRUE(kinds.Fits(message, Codec::kProtobuf));
      EXPECT_FALSE(kinds.Fits(message, Codec::kByteBuffer));
    }
    for (const grpc::ByteBuffer* bytes : {&empty, &full}) {
      EXPECT_FALSE(kinds.Fits(bytes, Codec::kProtobuf));
      EXPECT_TRUE(kinds.Fits(bytes, Codec::kByteBuffer));
    }
  }
  EXPECT_TRUE(kinds.Fits(nullptr, Codec::kProtobuf));
  EXPECT_TRUE(kinds.Fits(nullptr, Codec::kByteBuffer));
}

template <class Request, class Reply>
absl::Status SetFallbackOf(EngineFixture* f) {
  return f->engine()->SetFallback(
      "test", kUnaryMethod,
      MakeFallback<Request, Reply>([](const Request&, const grpc::Status&,
                                      Reply*) { return grpc::Status::OK; }));
}

// This used to be answered with OK, with the bytes parsed as the wrong type.
TEST(FallbackTypesTest, AFallbackForOtherMessagesIsRefused) {
  EngineFixture f("");
  EXPECT_TRUE((SetFallbackOf<EchoRequest, EchoReply>(&f)).ok());
  const absl::Status wrong = SetFallbackOf<EchoRequest, EchoRequest>(&f);
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(wrong.message(),
            "fallback: is MakeFallback<firebreak.testing.EchoRequest, "
            "firebreak.testing.EchoRequest>; allowed for "
            "/firebreak.testing.Echo/Unary: "
            "MakeFallback<firebreak.testing.EchoRequest, "
            "firebreak.testing.EchoReply>");
  EXPECT_EQ((SetFallbackOf<EchoReply, EchoReply>(&f)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FallbackTypesTest, WhatTellsNoTypePasses) {
  EngineFixture f("");
  EXPECT_TRUE(
      f.engine()
          ->SetFallback("test", kUnaryMethod,
                        [](const grpc::ByteBuffer&, const grpc::Status&,
                           grpc::ByteBuffer*) { return grpc::Status::OK; })
          .ok());
  EXPECT_TRUE(f.engine()->SetFallback("test", kUnaryMethod, nullptr).ok());
  // The types of a proto that is not linked in are not known.
  EXPECT_TRUE(
      f.engine()
          ->SetFallback("test", "/p.Unknown/Method",
                        MakeFallback<EchoReply, EchoReply>(
                            [](const EchoReply&, const grpc::Status&,
                               EchoReply*) { return grpc::Status::OK; }))
          .ok());
}

}  // namespace
}  // namespace firebreak::testing
