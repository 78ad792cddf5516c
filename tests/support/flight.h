// One call in flight, in any stub style, on which a test can act at every
// point.
//
//   Flight flight(StubStyle::kCallback);
//   flight.on_end = [] { ... };   // on the thread that learns of the end
//   flight.Prepare(stub, &call);  // queue styles only: else Start() does it
//   flight.Start(stub, &call);
//   flight.Wait();
//   EXPECT_EQ(flight.ends(), 1);
//
// The end is reported on the same thread as in a program of that style: its
// synchronous caller, gRPC's callback thread, or the thread that polls its
// queue. After on_end the call is not used any more, so on_end may destroy it.
//
// Thread safety: methods from one thread; ends() from any.
#ifndef FIREBREAK_TESTS_SUPPORT_FLIGHT_H_
#define FIREBREAK_TESTS_SUPPORT_FLIGHT_H_

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "tests/support/stub_styles.h"
#include "tests/support/thread_kinds.h"

namespace firebreak::testing {

class Flight {
 public:
  explicit Flight(StubStyle style) : style_(style) {}
  ~Flight() { Wait(); }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  std::function<void()> on_end;

  static bool IsQueue(StubStyle style) {
    return style == StubStyle::kCompletionQueue ||
           style == StubStyle::kCompletionQueueSplit;
  }
  // The kind of thread on which a call of this style ends.
  static ThreadKind EndsOn(StubStyle style) {
    if (IsQueue(style)) return ThreadKind::kAppQueue;
    return style == StubStyle::kSync ? ThreadKind::kCaller
                                     : ThreadKind::kGrpcCallback;
  }

  void Prepare(Echo::Stub* stub, UnaryCall* call) {
    reader_ = stub->PrepareAsyncUnary(&call->context, call->request, &cq_);
  }

  // A synchronous call uses `stub` until it ends; the others do not.
  void Start(Echo::Stub* stub, UnaryCall* call) {
    if (style_ == StubStyle::kSync) {
      thread_ = std::thread([this, stub, call] {
        End(call, stub->Unary(&call->context, call->request, &call->reply));
      });
      return;
    }
    if (style_ == StubStyle::kCallback) {
      // Shared, since the waiting thread may be done before set_value()
      // returns.
      left_callback_ = std::make_shared<std::promise<void>>();
      stub->async()->Unary(
          &call->context, &call->request, &call->reply,
          [this, call, left = left_callback_](grpc::Status status) {
            End(call, std::move(status));
            left->set_value();
          });
      return;
    }
    if (reader_ == nullptr) Prepare(stub, call);
    // The queue is polled before the call starts, as in programs. So the call
    // may end, and be destroyed, before these functions return.
    auto* const reader = reader_.get();
    const bool split = style_ == StubStyle::kCompletionQueueSplit;
    thread_ = std::thread([this, call, tags = split ? 2 : 1] {
      void* tag = nullptr;
      bool ok = false;
      int finishes = 0;
      for (int i = 0; i < tags; ++i) {
        cq_.Next(&tag, &ok);
        finishes += tag == this ? 1 : 0;
      }
      EXPECT_EQ(finishes, 1);
      reader_.reset();
      End(call, status_);
      cq_.Shutdown();
      while (cq_.Next(&tag, &ok)) ++ends_;
    });
    reader->StartCall();
    if (split) reader->ReadInitialMetadata(&metadata_tag_);
    reader->Finish(&call->reply, &status_, this);
  }

  // Returns when the call has ended and on_end has run.
  void Wait() {
    if (thread_.joinable()) thread_.join();
    if (left_callback_ != nullptr) left_callback_->get_future().wait();
    left_callback_.reset();
  }

  int ends() const { return ends_; }
  const grpc::Status& status() const { return status_; }
  const std::string& text() const { return text_; }

 private:
  void End(UnaryCall* call, grpc::Status status) {
    status_ = std::move(status);
    text_ = call->reply.text();
    ++ends_;
    if (on_end) on_end();
  }

  const StubStyle style_;
  std::atomic<int> ends_{0};
  grpc::Status status_;
  std::string text_;
  grpc::CompletionQueue cq_;
  char metadata_tag_ = 0;
  std::unique_ptr<grpc::ClientAsyncResponseReader<EchoReply>> reader_;
  std::thread thread_;
  std::shared_ptr<std::promise<void>> left_callback_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_FLIGHT_H_
