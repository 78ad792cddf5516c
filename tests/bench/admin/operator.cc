#include "tests/bench/admin/operator.h"

#include <grpcpp/grpcpp.h>

#include <utility>

namespace firebreak::bench {
namespace {

std::unique_ptr<v1::Admin::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  return v1::Admin::NewStub(grpc::CreateCustomChannel(
      address, grpc::InsecureChannelCredentials(), args));
}

}  // namespace

Operator::Operator(const std::string& address, std::string method,
                   const Habits& habits)
    : method_(std::move(method)), habits_(habits), stub_(Connect(address)) {}

void Operator::Begin() {
  stop_ = false;
  for (int i = 0; i < habits_.watchers; ++i) {
    contexts_.push_back(std::make_unique<grpc::ClientContext>());
    threads_.emplace_back(
        [this, context = contexts_.back().get()] { Watch(context); });
  }
  threads_.emplace_back([this] { Poll(); });
}

void Operator::End() {
  stop_ = true;
  for (const auto& context : contexts_) context->TryCancel();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  contexts_.clear();
}

void Operator::Watch(grpc::ClientContext* context) {
  const auto reader = stub_->WatchEvents(context, v1::WatchEventsRequest());
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) events_ += response.events_size();
  const grpc::Status status = reader->Finish();
  if (!stop_) Count(status);
}

void Operator::Poll() {
  while (!stop_) {
    PollOnce();
    // It sleeps in short steps, so that End() need not wait long.
    const auto next = std::chrono::steady_clock::now() + habits_.every;
    while (!stop_ && std::chrono::steady_clock::now() < next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

void Operator::PollOnce() {
  {
    grpc::ClientContext context;
    v1::ListMethodsRequest request;
    request.set_order(v1::METHOD_ORDER_WORST_FIRST);
    v1::ListMethodsResponse response;
    Count(stub_->ListMethods(&context, request, &response));
    methods_ = response.methods_size();
  }
  {
    grpc::ClientContext context;
    v1::GetHealthResponse response;
    Count(stub_->GetHealth(&context, v1::GetHealthRequest(), &response));
  }
  {
    grpc::ClientContext context;
    v1::ListAlertsResponse response;
    Count(stub_->ListAlerts(&context, v1::ListAlertsRequest(), &response));
  }
  {
    grpc::ClientContext context;
    v1::SetOverrideRequest request;
    request.mutable_selector()->set_method(method_);
    request.set_state(v1::BREAKER_STATE_FORCED_CLOSED);
    v1::SetOverrideResponse response;
    Count(stub_->SetOverride(&context, request, &response));
  }
  {
    grpc::ClientContext context;
    v1::ClearOverrideRequest request;
    request.mutable_selector()->set_method(method_);
    v1::ClearOverrideResponse response;
    Count(stub_->ClearOverride(&context, request, &response));
  }
}

}  // namespace firebreak::bench
