// Outages as an operator sees them: real calls to a real server, and how they
// are shown by health, alerts, list, grpc.health and the metrics.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/admin_service.h"
#include "firebreak/prometheus.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/scrape.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kDependencies[] = "dependencies";

// Returns the state of the service in grpc.health.v1, such as "SERVING".
std::string AskHealth(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  // HealthCheckRequest: its only field is the service's name.
  const std::string name = kDependencies;
  const grpc::Slice wire(absl::StrCat(
      "\x0a", std::string(1, static_cast<char>(name.size())), name));
  const grpc::ByteBuffer request(&wire, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> done;
  stub.UnaryCall(
      &context, "/grpc.health.v1.Health/Check", {}, &request, &reply,
      [&](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) return status.error_message();
  grpc::Slice bytes;
  EXPECT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  if (bytes.size() != 2 || bytes.begin()[0] != 8) return "no status";
  return bytes.begin()[1] == 1   ? "SERVING"
         : bytes.begin()[1] == 2 ? "NOT_SERVING"
                                 : "UNKNOWN";
}

// A process with an engine, its admin service and its metrics, and a dependency
// that it calls.
class Process {
 public:
  explicit Process(const std::string& policy)
      : f_(policy), admin_(f_.engine()), collector_(f_.engine()) {
    KeepGrpc();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    admin_.ReportHealthTo(server_->GetHealthCheckService(), kDependencies);
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::Admin::NewStub(channel_);
  }
  ~Process() {
    for (const auto& call : hung_) call->context.TryCancel();
    for (std::thread& each : threads_) each.join();
    admin_.Shutdown();
    server_->Shutdown();
  }

  EchoServer& dependency() { return f_.server(); }
  core::Breaker* breaker() { return f_.runtime()->breakers().front(); }

  void Call(StubStyle style, int times) {
    const Caller caller(style, f_.channel());
    for (int i = 0; i < times; ++i) {
      UnaryCall call;
      caller.Run(&call);
    }
  }
  void FailBy(StubStyle style, grpc::StatusCode code, int times) {
    dependency().Script(std::vector<Step>(static_cast<size_t>(times),
                                          Step::Fail(code, "as asked")));
    Call(style, times);
  }
  // Starts callers whose calls hang.
  void Hang(StubStyle style, int callers) {
    const int before = dependency().calls();
    dependency().Script(
        std::vector<Step>(static_cast<size_t>(callers), Step::Hang()));
    for (int i = 0; i < callers; ++i) {
      hung_.push_back(std::make_unique<UnaryCall>());
      threads_.emplace_back([this, style, call = hung_.back().get()] {
        Caller(style, f_.channel()).Run(call);
      });
    }
    ASSERT_TRUE(dependency().WaitForCalls(before + callers));
  }

  v1::HealthLevel health() {
    grpc::ClientContext context;
    v1::GetHealthResponse response;
    EXPECT_TRUE(stub_->GetHealth(&context, {}, &response).ok());
    return response.level();
  }
  // Returns the alerts as text: "CRITICAL CALLS_FAIL: cause".
  std::vector<std::string> alerts() {
    grpc::ClientContext context;
    v1::ListAlertsResponse response;
    EXPECT_TRUE(stub_->ListAlerts(&context, {}, &response).ok());
    std::vector<std::string> out;
    for (const v1::Alert& each : response.alerts()) {
      out.push_back(absl::StrCat(
          v1::AlertSeverity_Name(each.severity()).substr(15), " ",
          v1::AlertKind_Name(each.kind()).substr(11), ": ", each.cause()));
    }
    return out;
  }
  v1::Method method() {
    grpc::ClientContext context;
    v1::ListMethodsResponse response;
    EXPECT_TRUE(stub_->ListMethods(&context, {}, &response).ok());
    EXPECT_EQ(response.methods_size(), 1);
    return response.methods_size() == 1 ? response.methods(0) : v1::Method();
  }
  // The reporter looks once a second.
  bool ReportsSoon(const std::string& status) {
    return Eventually([&] { return AskHealth(channel_) == status; });
  }
  Samples scrape() { return Scrape(collector_); }

 private:
  EngineFixture f_;
  AdminService admin_;
  PrometheusCollector collector_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Admin::Stub> stub_;
  std::vector<std::unique_ptr<UnaryCall>> hung_;
  std::vector<std::thread> threads_;
};

class HealthCallsTest : public ::testing::TestWithParam<StubStyle> {};

TEST_P(HealthCallsTest, ACodeThatTheBreakerDoesNotCount) {
  Process process("breaker {}");
  process.Call(GetParam(), 20);
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_HEALTHY);
  EXPECT_THAT(process.alerts(), IsEmpty());
  EXPECT_TRUE(process.ReportsSoon("SERVING"));
  process.FailBy(GetParam(), grpc::StatusCode::PERMISSION_DENIED, 200);
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_THAT(process.alerts(),
              Contains(AllOf(HasSubstr("CRITICAL CALLS_FAIL"),
                             HasSubstr("PERMISSION_DENIED 200"))));
  const v1::Method method = process.method();
  EXPECT_EQ(method.breakers(0).state(), v1::BREAKER_STATE_CLOSED);
  EXPECT_EQ(method.recent().now().errors(), 200);
  bool split = false;
  for (const v1::NamedCount& each : method.attempts().attributions()) {
    if (each.name() == "answered_with_error") split = each.count() == 200;
    if (each.name() == "success") {
      EXPECT_EQ(each.count(), 20);
    }
  }
  EXPECT_TRUE(split);
  EXPECT_TRUE(process.ReportsSoon("NOT_SERVING"));
  const Samples samples = process.scrape();
  EXPECT_LT(samples.Of("firebreak_health_ratio"), 0.5);
  EXPECT_EQ(
      samples.Of("firebreak_responses_total", {{"code", "PERMISSION_DENIED"}}),
      200);
}

TEST_P(HealthCallsTest, CallersWithoutDeadlinesThatAllHang) {
  Process process("breaker {}");
  process.Call(GetParam(), 50);
  process.Hang(GetParam(), 20);
  EXPECT_TRUE(Eventually(
      [&] { return process.health() == v1::HEALTH_LEVEL_UNHEALTHY; }));
  EXPECT_THAT(process.alerts(),
              Contains(HasSubstr("CRITICAL CALLS_HANG: 20 ")));
  const v1::Method method = process.method();
  EXPECT_EQ(method.calls().in_flight(), 20);
  EXPECT_EQ(method.calls().hanging(), 20);
  EXPECT_GT(method.calls().oldest_in_flight().seconds(), 0);
  EXPECT_TRUE(process.ReportsSoon("NOT_SERVING"));
  const Samples samples = process.scrape();
  EXPECT_EQ(samples.Of("firebreak_hanging_calls"), 20);
  EXPECT_GE(samples.Of("firebreak_oldest_call_seconds"), 5);
  process.dependency().Release();
  EXPECT_TRUE(
      Eventually([&] { return process.method().calls().in_flight() == 0; }));
  // The calls have ended, but late. Being far slower than usual makes a method
  // DEGRADED for some seconds.
  EXPECT_NE(process.health(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_EQ(process.scrape().Of("firebreak_oldest_call_seconds"), 0);
}

TEST_P(HealthCallsTest, SlowCallsInFlightOpenTheBreakerWhenNobodyElseCalls) {
  Process process(
      "breaker { slow_call_duration: \"200ms\" slow_call_rate: 0.8 "
      "consecutive_failures: 0 failure_rate: 0 "
      "window { duration: \"2s\" } }");
  process.Call(GetParam(), 100);
  process.Hang(GetParam(), 20);
  EXPECT_TRUE(Eventually([&] {
    return process.method().breakers(0).state() == v1::BREAKER_STATE_OPEN;
  }));
  EXPECT_THAT(process.method().breakers(0).cause(),
              HasSubstr("slow-call rate 1.00 over 20 calls"));
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_UNHEALTHY);
}

INSTANTIATE_TEST_SUITE_P(Styles, HealthCallsTest,
                         ::testing::Values(StubStyle::kSync,
                                           StubStyle::kCallback,
                                           StubStyle::kCompletionQueue),
                         StyleName);

TEST(HealthOfBreakersTest, AForcedBreakerHidesNoOutage) {
  Process process("breaker {}");
  process.Call(StubStyle::kSync, 1);
  process.breaker()->ForceClosed(absl::nullopt, engine::Now());
  process.FailBy(StubStyle::kSync, grpc::StatusCode::INTERNAL, 136);
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_THAT(process.alerts(),
              AllOf(Contains(HasSubstr("CRITICAL CALLS_FAIL: 136 of 137")),
                    Contains(HasSubstr("WARNING OVERRIDE_WITHOUT_END"))));
  EXPECT_TRUE(process.ReportsSoon("NOT_SERVING"));
  EXPECT_LT(process.scrape().Of("firebreak_health_ratio"), 0.5);
}

TEST(HealthOfBreakersTest, OneFailedCallOfAQuietMethod) {
  Process process("breaker {}");
  process.FailBy(StubStyle::kSync, grpc::StatusCode::UNAVAILABLE, 1);
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_DEGRADED);
  EXPECT_THAT(process.alerts(), IsEmpty());
  EXPECT_TRUE(process.ReportsSoon("SERVING"));
}

TEST(HealthOfBreakersTest, AfterAnOutageNobodyCalls) {
  Process process("breaker { consecutive_failures: 5 open_duration: \"1s\" }");
  process.FailBy(StubStyle::kSync, grpc::StatusCode::UNAVAILABLE, 5);
  EXPECT_EQ(process.health(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_THAT(process.alerts(), Contains(HasSubstr("CRITICAL BREAKER_OPEN")));
  EXPECT_TRUE(process.ReportsSoon("NOT_SERVING"));
  EXPECT_TRUE(Eventually(
      [&] { return process.health() == v1::HEALTH_LEVEL_DEGRADED; }));
  EXPECT_TRUE(process.ReportsSoon("SERVING")) << "so that somebody calls";
  EXPECT_THAT(process.alerts(),
              Contains(AllOf(HasSubstr("WARNING BREAKER_OPEN"),
                             HasSubstr("waits for a call"))));
  process.Call(StubStyle::kSync, 3);
  EXPECT_EQ(process.method().breakers(0).state(), v1::BREAKER_STATE_CLOSED);
  EXPECT_THAT(process.alerts(), Not(Contains(HasSubstr("BREAKER_OPEN"))));
}

}  // namespace
}  // namespace firebreak::testing
