// Makes one unary call, in each of the three styles of gRPC C++ stubs.
//
//   class RetryTest : public ::testing::TestWithParam<StubStyle> {};
//   UnaryCall call;
//   Caller caller(GetParam(), channel);
//   call.context.AddMetadata("k", "v");
//   caller.Run(&call);                    // blocks until it has ended
//   EXPECT_TRUE(call.status.ok());
//   INSTANTIATE_TEST_SUITE_P(Styles, RetryTest, AllStyles(), StyleName);
//
// kCompletionQueueSplit requests the initial metadata in a batch of its own
// before Finish(), which gRPC intercepts differently.
//
// Thread safety: a Caller may be used from several threads at once.
#ifndef FIREBREAK_TESTS_SUPPORT_STUB_STYLES_H_
#define FIREBREAK_TESTS_SUPPORT_STUB_STYLES_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>

#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::testing {

enum class StubStyle {
  kSync,
  kCallback,
  kCompletionQueue,
  kCompletionQueueSplit
};

// Whether the first attempt of a driven call is the caller's own call.
inline bool GoesOutNatively(StubStyle style) {
  return style == StubStyle::kCallback || style == StubStyle::kCompletionQueue;
}

struct UnaryCall {
  UnaryCall() = default;
  explicit UnaryCall(const std::string& text) { request.set_text(text); }

  grpc::ClientContext context;
  EchoRequest request;
  EchoReply reply;
  grpc::Status status;
};

class Caller {
 public:
  Caller(StubStyle style, const std::shared_ptr<grpc::Channel>& channel)
      : style_(style), stub_(Echo::NewStub(channel)) {}

  void Run(UnaryCall* call) const {
    switch (style_) {
      case StubStyle::kSync:
        call->status =
            stub_->Unary(&call->context, call->request, &call->reply);
        return;
      case StubStyle::kCallback: {
        std::promise<void> done;
        stub_->async()->Unary(&call->context, &call->request, &call->reply,
                              [&](grpc::Status status) {
                                call->status = std::move(status);
                                done.set_value();
                              });
        done.get_future().wait();
        return;
      }
      case StubStyle::kCompletionQueue:
      case StubStyle::kCompletionQueueSplit:
        RunOnQueue(call);
        return;
    }
  }

  Echo::Stub* stub() const { return stub_.get(); }

 private:
  void RunOnQueue(UnaryCall* call) const {
    grpc::CompletionQueue cq;
    auto reader = stub_->AsyncUnary(&call->context, call->request, &cq);
    int expected = 1;
    if (style_ == StubStyle::kCompletionQueueSplit) {
      reader->ReadInitialMetadata(reader.get());
      ++expected;
    }
    // Both batches start before either has ended, so that a call that waits has
    // two batches that wait.
    reader->Finish(&call->reply, &call->status, call);
    void* tag = nullptr;
    bool ok = false;
    // gRPC itself does not promise which of the two ends first.
    int finishes = 0;
    for (int i = 0; i < expected; ++i) {
      cq.Next(&tag, &ok);
      if (tag == call) ++finishes;
    }
    EXPECT_EQ(finishes, 1);
    cq.Shutdown();
    while (cq.Next(&tag, &ok)) ADD_FAILURE() << "a call ended twice";
  }

  const StubStyle style_;
  const std::unique_ptr<Echo::Stub> stub_;
};

inline auto AllStyles() {
  return ::testing::Values(StubStyle::kSync, StubStyle::kCallback,
                           StubStyle::kCompletionQueue,
                           StubStyle::kCompletionQueueSplit);
}

inline std::string StyleName(const ::testing::TestParamInfo<StubStyle>& info) {
  switch (info.param) {
    case StubStyle::kSync:
      return "Sync";
    case StubStyle::kCallback:
      return "Callback";
    case StubStyle::kCompletionQueue:
      return "CompletionQueue";
    case StubStyle::kCompletionQueueSplit:
      return "CompletionQueueSplit";
  }
  return "";
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_STUB_STYLES_H_
