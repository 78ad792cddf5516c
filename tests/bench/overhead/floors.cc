#include "tests/bench/overhead/floors.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <thread>
#include <utility>

namespace firebreak::bench {
namespace {

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

bool Has(InterceptorBatchMethods* methods, InterceptionHookPoints hook) {
  return methods->QueryInterceptionHookPoint(hook);
}

// A factory whose interceptors `make` makes.
template <class Make>
class Factory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit Factory(Make make) : make_(std::move(make)) {}
  Interceptor* CreateClientInterceptor(ClientRpcInfo* info) override {
    return make_(info);
  }

 private:
  const Make make_;
};

template <class Make>
FactoryPtr MakeFactory(Make make) {
  return std::make_unique<Factory<Make>>(std::move(make));
}

class NoOp final : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }
};

class Reject final : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->Hijack();
      return;
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_MESSAGE)) {
      methods->FailHijackedRecvMessage();
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_STATUS)) {
      *methods->GetRecvStatus() =
          grpc::Status(grpc::StatusCode::UNAVAILABLE, "rejected");
    }
    methods->Proceed();
  }
};

class Reissue final : public Interceptor {
 public:
  Reissue(ClientRpcInfo* info, grpc::CompletionQueue* cq, bool on_caller)
      : info_(info), cq_(cq), on_caller_(on_caller) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods_ = methods;
      grpc::GenericStub stub(methods->GetInterceptedChannel());
      reader_ =
          stub.PrepareUnaryCall(&context_, info_->method(),
                                *methods->GetSerializedSendMessage(), cq_);
      reader_->StartCall();
      reader_->Finish(&reply_, &status_, this);
      if (on_caller_) {
        void* tag = nullptr;
        bool ok = false;
        cq_->Next(&tag, &ok);
        Done();
      }
      return;
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_MESSAGE)) {
      grpc::ProtoBufferReader bytes(&reply_);
      if (!static_cast<google::protobuf::MessageLite*>(
               methods->GetRecvMessage())
               ->ParseFromZeroCopyStream(&bytes)) {
        methods->FailHijackedRecvMessage();
      }
    }
    if (Has(methods, InterceptionHookPoints::PRE_RECV_STATUS)) {
      *methods->GetRecvStatus() = status_;
    }
    methods->Proceed();
  }

  // The interceptor may be gone when this returns.
  void Done() { methods_->Hijack(); }

 private:
  ClientRpcInfo* const info_;
  grpc::CompletionQueue* const cq_;
  const bool on_caller_;
  InterceptorBatchMethods* methods_ = nullptr;
  grpc::ClientContext context_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
};

struct PolledQueue {
  grpc::CompletionQueue cq;
  std::thread poller{[this] {
    void* tag = nullptr;
    bool ok = false;
    while (cq.Next(&tag, &ok)) static_cast<Reissue*>(tag)->Done();
  }};

  PolledQueue() = default;
  ~PolledQueue() {
    cq.Shutdown();
    poller.join();
  }
};

}  // namespace

FactoryPtr NoOpFactory() {
  return MakeFactory([](ClientRpcInfo*) { return new NoOp; });
}

FactoryPtr RejectFactory() {
  return MakeFactory([](ClientRpcInfo*) { return new Reject; });
}

FactoryPtr ReissueOnQueueFactory() {
  return MakeFactory(
      [queue = std::make_shared<PolledQueue>()](ClientRpcInfo* info) {
        return new Reissue(info, &queue->cq, /*on_caller=*/false);
      });
}

FactoryPtr ReissueOnCallerFactory() {
  return MakeFactory([](ClientRpcInfo* info) {
    thread_local grpc::CompletionQueue cq;
    return new Reissue(info, &cq, /*on_caller=*/true);
  });
}

}  // namespace firebreak::bench
