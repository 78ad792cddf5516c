#include "tools/firebreakctl/commands.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <iostream>
#include <utility>

#include "src/core/duration.h"
#include "tools/firebreakctl/render.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {
namespace {

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::ChannelArguments args;
  // A full list of many methods passes the usual 4 MB; we trust this server.
  args.SetMaxReceiveMessageSize(-1);
  // The target is what was typed, not what a proxy makes of it.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   args);
}

std::string Json(const google::protobuf::Message& message, bool whitespace) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = whitespace;
  // Scripts find every counter, also a zero.
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    std::cerr << "firebreakctl: the answer has no JSON form: "
              << Printable(status.ToString()) << "\n";
  }
  if (!whitespace) json += "\n";
  return json;
}

}  // namespace

Client::Client(Settings settings)
    : settings_(std::move(settings)),
      stub_(v1::Admin::NewStub(Connect(settings_.target))) {}

v1::MethodSelector Client::Select(const std::string& method) const {
  v1::MethodSelector selector;
  selector.set_channel(settings_.channel);
  selector.set_method(method);
  return selector;
}

void Client::SetDeadline(grpc::ClientContext* context) const {
  context->set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          settings_.timeout));
}

int Client::Fail(const grpc::Status& status) const {
  std::cerr << "firebreakctl: ";
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      std::cerr << "cannot reach " << settings_.target << ": "
                << Printable(status.error_message());
      break;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      std::cerr << "cannot reach " << settings_.target << ": no answer within "
                << core::FormatDuration(settings_.timeout);
      break;
    case grpc::StatusCode::UNIMPLEMENTED:
      std::cerr << settings_.target << " has no firebreak admin service";
      break;
    default:
      std::cerr << Printable(status.error_message());
  }
  std::cerr << "\n";
  return kExitFailed;
}

int Client::List() {
  v1::ListMethodsRequest request;
  *request.mutable_selector() = Select("");
  v1::ListMethodsResponse response;
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Status status = stub_->ListMethods(&context, request, &response);
  if (!status.ok()) return Fail(status);
  std::cout << (settings_.json ? Json(response, true)
                               : RenderMethods(response, settings_.colours));
  return kExitOk;
}

int Client::Show(const std::string& method) {
  v1::GetMethodRequest request;
  *request.mutable_selector() = Select(method);
  v1::GetMethodResponse response;
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Status status = stub_->GetMethod(&context, request, &response);
  if (!status.ok()) return Fail(status);
  std::cout << (settings_.json ? Json(response, true)
                               : RenderMethod(response, settings_.colours));
  return kExitOk;
}

template <class Response>
int Client::PrintBreakers(const Response& response, const char* none) const {
  if (settings_.json) {
    std::cout << Json(response, true);
  } else if (response.breakers().empty()) {
    std::cout << none << "\n";
  } else {
    std::cout << RenderBreakers(response.breakers(), settings_.colours);
  }
  return kExitOk;
}

int Client::Override(const std::string& method, v1::BreakerState state,
                     absl::optional<core::Duration> duration) {
  v1::SetOverrideRequest request;
  *request.mutable_selector() = Select(method);
  request.set_state(state);
  if (duration.has_value()) {
    request.mutable_duration()->set_seconds(duration->count() / 1'000'000'000);
    request.mutable_duration()->set_nanos(
        static_cast<int32_t>(duration->count() % 1'000'000'000));
  }
  v1::SetOverrideResponse response;
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Status status = stub_->SetOverride(&context, request, &response);
  if (!status.ok()) return Fail(status);
  return PrintBreakers(response, "nothing to override");
}

int Client::Clear(const std::string& method) {
  v1::ClearOverrideRequest request;
  *request.mutable_selector() = Select(method);
  v1::ClearOverrideResponse response;
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Status status =
      stub_->ClearOverride(&context, request, &response);
  if (!status.ok()) return Fail(status);
  return PrintBreakers(response, "no override was set");
}

int Client::Reset(const std::string& method) {
  v1::ResetMethodRequest request;
  *request.mutable_selector() = Select(method);
  v1::ResetMethodResponse response;
  grpc::ClientContext context;
  SetDeadline(&context);
  const grpc::Status status = stub_->ResetMethod(&context, request, &response);
  if (!status.ok()) return Fail(status);
  return PrintBreakers(response, "nothing to reset");
}

int Client::Events(const EventsRequest& request) {
  int64_t after = request.after;
  {
    // Also when following: what has happened comes within the timeout, or the
    // server is not there. Waiting for what will happen has no deadline.
    v1::WatchEventsRequest kept;
    *kept.mutable_selector() = Select("");
    kept.set_after_sequence(after);
    kept.set_stop_at_newest(true);
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = ReadEvents(kept, &context, &after);
    if (!status.ok()) return Fail(status);
  }
  if (!request.follow) return kExitOk;
  v1::WatchEventsRequest live;
  *live.mutable_selector() = Select("");
  live.set_after_sequence(after);
  live.set_replay(true);
  grpc::ClientContext context;
  const grpc::Status status = ReadEvents(live, &context, &after);
  return Fail(status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                         "the stream of events ended")
                          : status);
}

grpc::Status Client::ReadEvents(const v1::WatchEventsRequest& request,
                                grpc::ClientContext* context,
                                int64_t* after) const {
  auto reader = stub_->WatchEvents(context, request);
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) {
    *after = response.last_sequence();
    if (response.missed() > 0) {
      std::cerr << "firebreakctl: " << response.missed()
                << " events were overwritten before they could be read\n";
    }
    for (const v1::Event& event : response.events()) {
      std::cout << (settings_.json ? Json(event, false)
                                   : RenderEvent(event, settings_.colours));
    }
    std::cout.flush();
  }
  return reader->Finish();
}

}  // namespace firebreak::ctl
