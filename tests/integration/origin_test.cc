// The origin of a status, as far as gRPC shows it: one row for each status that
// gRPC creates, on plain channels, without an engine. origin_effects_test.cc
// tests the effects on the engine.
#include "interceptors/context/origin.h"

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/echo_server.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/grpc_texts.h"
#include "tests/support/origin_fixture.h"
#include "tests/support/server_process.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using core::Origin;
using grpc::StatusCode;

constexpr char kNobody[] = "127.0.0.1:1";

// Adds the metadata `key`, or fails with the status.
class Plugin final : public grpc::MetadataCredentialsPlugin {
 public:
  Plugin(grpc::Status status, std::string key)
      : status_(std::move(status)), key_(std::move(key)) {}
  grpc::Status GetMetadata(
      grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
      const grpc::AuthContext& /*auth*/,
      std::multimap<grpc::string, grpc::string>* metadata) override {
    if (status_.ok()) metadata->emplace(key_, "token");
    return status_;
  }

 private:
  const grpc::Status status_;
  const std::string key_;
};

std::function<void(UnaryCall*)> WithPlugin(const grpc::Status& status,
                                           const std::string& key = "x-token") {
  return [=](UnaryCall* call) {
    call->context.set_credentials(
        grpc::experimental::MetadataCredentialsFromPlugin(
            std::make_unique<Plugin>(status, key), GRPC_SECURITY_NONE));
  };
}

std::function<void(UnaryCall*)> Nothing() {
  return [](UnaryCall* /*call*/) {};
}

struct Row {
  std::string name;
  StatusCode code;
  std::string message;  // the beginning of the message
  Origin origin;
  std::function<void(UnaryCall*)> prepare = Nothing();
  std::vector<Step> script = {};
  std::string target = {};  // empty: the server
  std::function<void(grpc::ChannelArguments*)> args =
      [](grpc::ChannelArguments* /*args*/) {};
  bool cancel_in_flight = false;
  // The server ends such a call too, and may be the first to do so.
  bool server_may_be_first = false;
};

void Within(UnaryCall* call, std::chrono::milliseconds time) {
  call->context.set_deadline(std::chrono::system_clock::now() + time);
}

std::vector<Row> Rows() {
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, StatusCode code,
                       const std::string& message, Origin origin) -> Row& {
    rows.push_back({name, code, message, origin});
    return rows.back();
  };
  const std::string big(100, 'a');
  const auto say_much = [big](UnaryCall* call) { call->request.set_text(big); };
  Row* row = &add("a request over the limit", StatusCode::RESOURCE_EXHAUSTED,
                  kTooLargeToSend, Origin::kHere);
  row->prepare = say_much;
  row->args = [](auto* args) { args->SetMaxSendMessageSize(10); };
  row = &add("a reply over the limit", StatusCode::RESOURCE_EXHAUSTED,
             kTooLargeToReceive, Origin::kHere);
  row->prepare = say_much;
  row->args = [](auto* args) { args->SetMaxReceiveMessageSize(10); };
  row = &add("metadata over the server's limit", StatusCode::RESOURCE_EXHAUSTED,
             kTooMuchMetadata, Origin::kHere);
  row->prepare = [](UnaryCall* call) {
    for (int i = 0; i < 3; ++i) {
      call->context.AddMetadata(absl::StrCat("k", i),
                                std::string(kOverMetadataLimit / 3, 'x'));
    }
  };
  Step much;
  much.trailing.emplace("k", std::string(kOverMetadataLimit, 'x'));
  row = &add("metadata over our own limit", StatusCode::RESOURCE_EXHAUSTED,
             kTooMuchMetadataHere, Origin::kHere);
  row->script = {much};

  for (const StatusCode code :
       {StatusCode::UNAVAILABLE, StatusCode::UNAUTHENTICATED,
        StatusCode::INTERNAL, StatusCode::CANCELLED,
        StatusCode::DEADLINE_EXCEEDED, StatusCode::RESOURCE_EXHAUSTED}) {
    add(absl::StrCat("a plugin that fails with ", code),
        StatusCode::UNAVAILABLE,
        "Getting metadata from plugin failed with error: no token",
        Origin::kHere)
        .prepare = WithPlugin(grpc::Status(code, "no token"));
  }
  add("a plugin's illegal metadata", StatusCode::UNAVAILABLE,
      "Illegal metadata", Origin::kHere)
      .prepare = WithPlugin(grpc::Status::OK, "Not A Key");
  add("call credentials on an insecure channel", StatusCode::UNAUTHENTICATED,
      "Established channel does not have a sufficient security level",
      Origin::kHere)
      .prepare = [](UnaryCall* call) {
    call->context.set_credentials(grpc::AccessTokenCredentials("token"));
  };

  for (const char* target : {kNobody, "dns:///127.0.0.1:1", "localhost:1"}) {
    add(absl::StrCat("nobody listens at ", target), StatusCode::UNAVAILABLE,
        "failed to connect to all addresses", Origin::kNowhere)
        .target = target;
  }
  row = &add("... of several", StatusCode::UNAVAILABLE,
             "connections to all backends failing", Origin::kNowhere);
  row->target = kNobody;
  row->args = [](auto* args) {
    args->SetLoadBalancingPolicyName("round_robin");
  };
  // For a target that is an address, the origin cannot be recognised.
  add("nobody listens at an address", StatusCode::UNAVAILABLE,
      "failed to connect to all addresses", Origin::kTransport)
      .target = "ipv4:127.0.0.1:1";
  add("nobody listens at a socket", StatusCode::UNAVAILABLE,
      "failed to connect to all addresses", Origin::kTransport)
      .target = "unix:/nonexistent/socket";
  row = &add("a name that does not resolve", StatusCode::UNAVAILABLE,
             kUnresolved, Origin::kNowhere);
  row->target = "no-such-host.invalid:1";
  add("call credentials, and nobody listens", StatusCode::UNAVAILABLE,
      "failed to connect to all addresses", Origin::kNowhere)
      .target = kNobody;
  rows.back().prepare =
      WithPlugin(grpc::Status(StatusCode::UNAVAILABLE, "no token"));

  row = &add("a deadline in flight", StatusCode::DEADLINE_EXCEEDED,
             "Deadline Exceeded", Origin::kHere);
  row->script = {Step::Hang()};
  row->prepare = [](UnaryCall* call) {
    Within(call, std::chrono::milliseconds(200));
  };
  row->server_may_be_first = true;
  row = &add("a deadline before the start", StatusCode::DEADLINE_EXCEEDED,
             "Deadline Exceeded", Origin::kHere);
  row->prepare = [](UnaryCall* call) {
    Within(call, std::chrono::milliseconds(-1));
  };
  add("cancelled before the start", StatusCode::CANCELLED, "CANCELLED",
      Origin::kHere)
      .prepare = [](UnaryCall* call) { call->context.TryCancel(); };
  row = &add("cancelled in flight", StatusCode::CANCELLED, "CANCELLED",
             Origin::kHere);
  row->script = {Step::Hang()};
  row->cancel_in_flight = true;

  // A status of the server, with any message.
  for (int code = 1; code <= 16; ++code) {
    for (const char* message :
         {"", "busy", "failed to connect to all addresses; last error: UNKNOWN",
          "CANCELLED", "Deadline Exceeded",
          "Getting metadata from plugin failed with error: no token",
          "Established channel does not have a sufficient security level",
          "Sent message larger than max (9 vs. 1)"}) {
      const auto c = static_cast<StatusCode>(code);
      // The messages that gRPC itself uses.
      const bool may_be_ours =
          !kDebugTellsOrigin &&
          ((c == StatusCode::CANCELLED &&
            absl::string_view(message) == "CANCELLED") ||
           (c == StatusCode::DEADLINE_EXCEEDED &&
            absl::string_view(message) == "Deadline Exceeded"));
      add(absl::StrCat("a server's ", code, " ", message), c, message,
          may_be_ours ? Origin::kUnknown : Origin::kPeer)
          .script = {Step::Fail(c, message)};
    }
  }
  // A status with details is the server's, whatever its message is.
  Step rich = Step::Fail(StatusCode::UNAVAILABLE, "Socket closed", "details");
  add("a server's, with details", StatusCode::UNAVAILABLE, "Socket closed",
      Origin::kPeer)
      .script = {rich};
  rich = Step::Fail(StatusCode::UNAVAILABLE, "Socket closed");
  rich.trailing.emplace("k", "v");
  add("a server's, with trailing metadata", StatusCode::UNAVAILABLE,
      "Socket closed", Origin::kPeer)
      .script = {rich};
  return rows;
}

class OriginTest : public OriginFixture {};
INSTANTIATE_TEST_SUITE_P(Styles, OriginTest, AllStyles(), StyleName);

TEST_P(OriginTest, OfEachStatusThatGrpcMakes) {
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    EchoServer server;
    server.Script(row.script);
    grpc::ChannelArguments args;
    row.args(&args);
    const std::string target =
        row.target.empty() ? server.address() : row.target;
    UnaryCall call;
    row.prepare(&call);
    std::thread canceller;
    if (row.cancel_in_flight) {
      canceller = std::thread([&] {
        EXPECT_TRUE(server.WaitForCalls(1));
        call.context.TryCancel();
      });
    }
    Caller(GetParam(), NewChannel(target, args)).Run(&call);
    if (canceller.joinable()) canceller.join();
    EXPECT_EQ(call.status.error_code(), row.code);
    EXPECT_TRUE(absl::StartsWith(call.status.error_message(), row.message))
        << call.status.error_message();
    const bool is_received = absl::StrContains(
        call.context.debug_error_string(), "Error received from peer");
    EXPECT_EQ(Of(call, target), row.server_may_be_first && is_received
                                    ? Origin::kPeer
                                    : row.origin)
        << call.context.peer() << " " << call.context.debug_error_string();
    // Without the debug string, as in gRPC 1.81 and later, no further calls may
    // count as never sent.
    if (row.origin != Origin::kNowhere) {
      EXPECT_NE(Of(call, target, /*forget_debug=*/true), Origin::kNowhere);
    }
  }
}

TEST_P(OriginTest, AMessageOverTheServersOwnLimitIsTheServers) {
  class Service final : public Echo::Service {
    grpc::Status Unary(grpc::ServerContext* /*context*/,
                       const EchoRequest* /*request*/,
                       EchoReply* /*reply*/) override {
      return grpc::Status::OK;
    }
  };
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.SetMaxReceiveMessageSize(10);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const std::string target = absl::StrCat("127.0.0.1:", port);
  UnaryCall call(std::string(100, 'a'));
  Caller(GetParam(), NewChannel(target)).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Of(call, target), Origin::kPeer) << call.status.error_message();
}

TEST_P(OriginTest, AConnectionThatBreaksUnderTheCall) {
  ServerProcess server;
  FaultProxy proxy(server.port());
  // This is larger than everything else on a new connection, such as settings
  // and pings. So when this number of bytes has arrived, the call has.
  const std::string text(10'000, 'a');
  const int64_t size = static_cast<int64_t>(text.size());
  UnaryCall reset;
  reset.request.set_delay_ms(60'000);
  reset.request.set_text(text);
  std::thread breaker([&] {
    while (proxy.asked() < size) std::this_thread::yield();
    proxy.Reset();
  });
  Caller(GetParam(), NewChannel(proxy.address())).Run(&reset);
  breaker.join();
  EXPECT_EQ(reset.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Of(reset, proxy.address()), Origin::kTransport)
      << reset.status.error_message() << " " << reset.context.peer();

  UnaryCall killed;
  killed.request.set_delay_ms(60'000);
  killed.request.set_text(text);
  const auto channel = NewChannel(proxy.address());
  UnaryCall first;
  Caller(GetParam(), channel).Run(&first);
  ASSERT_TRUE(first.status.ok());
  const int64_t asked = proxy.asked();
  std::thread run([&] { Caller(GetParam(), channel).Run(&killed); });
  while (proxy.asked() < asked + size) std::this_thread::yield();
  server.Kill();
  run.join();
  EXPECT_EQ(killed.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Of(killed, proxy.address()), Origin::kTransport)
      << killed.status.error_message() << " " << killed.context.peer();
}

TEST_P(OriginTest, AServerThatIsGoneIsNowhereAlsoForAChannelThatHadIt) {
  auto server = std::make_unique<EchoServer>();
  const std::string target = server->address();
  const Caller caller(GetParam(), NewChannel(target));
  UnaryCall first;
  caller.Run(&first);
  EXPECT_TRUE(first.status.ok());
  server = nullptr;
  // The first call may still use the connection that is being closed.
  for (int i = 0; i < 3; ++i) {
    UnaryCall call;
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
    if (i > 0) {
      EXPECT_EQ(Of(call, target), Origin::kNowhere)
          << call.status.error_message() << " " << call.context.peer();
    }
  }
}

TEST(OriginOfOthersTest, AMethodThatNobodyServesIsTheServersAnswer) {
  EchoServer server;
  grpc::GenericStub stub(grpc::CreateChannel(
      server.address(), grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue cq;
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  auto reader = stub.PrepareUnaryCall(&context, "/no.Such/Method",
                                      grpc::ByteBuffer(), &cq);
  reader->StartCall();
  reader->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  cq.Next(&tag, &ok);
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(interceptors::OriginOf(
                interceptors::FactsOf(status, context, {server.address()})),
            Origin::kPeer);
}

// The peer() of an in-process server is always the same.
TEST(OriginOfOthersTest, AnInProcessServersWordsAreNeverFromNowhere) {
  class Service final : public Echo::Service {
    grpc::Status Unary(grpc::ServerContext* /*context*/,
                       const EchoRequest* /*request*/,
                       EchoReply* /*reply*/) override {
      return {StatusCode::UNAVAILABLE, "failed to connect to all addresses"};
    }
  };
  Service service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  UnaryCall call;
  Caller(StubStyle::kSync, server->InProcessChannel({})).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  interceptors::EndFacts facts =
      interceptors::FactsOf(call.status, call.context, {"in-process"});
  EXPECT_EQ(interceptors::OriginOf(facts), Origin::kTransport) << facts.peer;
  facts.debug.clear();
  EXPECT_EQ(interceptors::OriginOf(facts), Origin::kTransport);
}

}  // namespace
}  // namespace firebreak::testing
