// Initial metadata that a server sends long before the end.
#include <condition_variable>
#include <mutex>
#include <vector>

#include "tests/fidelity/modes.h"
#include "tests/fidelity/raw_server.h"

namespace firebreak::testing {
namespace {

class EarlyMetadataTest : public ::testing::TestWithParam<Mode> {
 protected:
  std::shared_ptr<grpc::Channel> NewChannel() {
    return world_.NewChannel(GetParam(), {}, server_.address());
  }
  // Whether the caller gets the metadata before the call ends. A driven call
  // that asks for its metadata on a queue is taken over: each of its attempts
  // has its own metadata, and none has won before one of them has ended.
  bool early() const { return GetParam() != Mode::kDriven; }

  World world_;
  RawServer server_{{"", grpc::Status::OK, /*waits=*/true}};
};
INSTANTIATE_TEST_SUITE_P(Modes, EarlyMetadataTest, ::testing::ValuesIn(kModes),
                         ModeName);

TEST_P(EarlyMetadataTest, ToAReactor) {
  struct Reactor final : grpc::ClientUnaryReactor {
    explicit Reactor(grpc::ClientContext* c) : context(c) {}
    void OnReadInitialMetadataDone(bool ok) override {
      Tell(absl::StrCat("metadata ", ok, " ",
                        ShowMetadata(context->GetServerInitialMetadata())));
    }
    void OnDone(const grpc::Status& status) override {
      Tell(absl::StrCat("done ", status.error_code()));
    }
    void Tell(std::string event) {
      std::lock_guard<std::mutex> lock(mu);
      events.push_back(std::move(event));
      changed.notify_all();
    }
    bool WaitFor(size_t n) {
      std::unique_lock<std::mutex> lock(mu);
      return changed.wait_for(lock, std::chrono::seconds(30),
                              [&] { return events.size() >= n; });
    }

    grpc::ClientContext* const context;
    std::mutex mu;
    std::condition_variable changed;
    std::vector<std::string> events;
  };
  UnaryCall call;
  Reactor reactor(&call.context);
  const auto stub = Echo::NewStub(NewChannel());
  stub->async()->Unary(&call.context, &call.request, &call.reply, &reactor);
  reactor.StartCall();
  ASSERT_TRUE(server_.WaitForSent());
  // A driven call gets it too: its attempt is the caller's own call, and can no
  // longer be replaced by another attempt.
  EXPECT_TRUE(reactor.WaitFor(1));
  server_.Release();
  ASSERT_TRUE(reactor.WaitFor(2));
  std::lock_guard<std::mutex> lock(reactor.mu);
  EXPECT_EQ(reactor.events,
            (std::vector<std::string>{"metadata 1 x-early=1;", "done 0"}));
}

TEST_P(EarlyMetadataTest, OnACompletionQueue) {
  UnaryCall call;
  grpc::CompletionQueue cq;
  const auto stub = Echo::NewStub(NewChannel());
  auto reader = stub->AsyncUnary(&call.context, call.request, &cq);
  int metadata = 0;
  int finish = 0;
  void* tag = nullptr;
  bool ok = false;
  reader->ReadInitialMetadata(&metadata);
  // The engine polls the attempt of a driven call. A native call is polled
  // here.
  const auto soon =
      std::chrono::system_clock::now() +
      (early() ? std::chrono::seconds(30) : std::chrono::milliseconds(50));
  const auto next = cq.AsyncNext(&tag, &ok, soon);
  if (early()) {
    EXPECT_EQ(next, grpc::CompletionQueue::GOT_EVENT);
  } else {
    EXPECT_EQ(next, grpc::CompletionQueue::TIMEOUT);
  }
  ASSERT_TRUE(server_.WaitForSent());
  server_.Release();
  if (!early()) {
    ASSERT_TRUE(cq.Next(&tag, &ok));
  }
  EXPECT_TRUE(ok);
  EXPECT_EQ(tag, &metadata);
  // The metadata is available before Finish() is called.
  EXPECT_EQ(ShowMetadata(call.context.GetServerInitialMetadata()),
            "x-early=1;");
  reader->Finish(&call.reply, &call.status, &finish);
  ASSERT_TRUE(cq.Next(&tag, &ok));
  EXPECT_EQ(tag, &finish);
  EXPECT_TRUE(ok);
  EXPECT_TRUE(call.status.ok());
}

TEST_P(EarlyMetadataTest, OfAStream) {
  // A stream is never driven, so it behaves like a native one.
  grpc::ClientContext context;
  const auto stub = Echo::NewStub(NewChannel());
  const auto stream = stub->BidiStream(&context);
  ASSERT_TRUE(stream->Write(EchoRequest()));
  stream->WaitForInitialMetadata();
  EXPECT_EQ(ShowMetadata(context.GetServerInitialMetadata()), "x-early=1;");
  ASSERT_TRUE(server_.WaitForSent());
  server_.Release();
  EchoReply reply;
  EXPECT_TRUE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace firebreak::testing
