// Does what a user of the installed package does: it makes an engine from a
// policy and a channel from the engine, makes calls, and looks at them through
// the admin service. No server listens, so the first call fails and opens the
// breaker, and the second is refused without touching the network. The test's
// clock then ends its open time at once. Exits with 0 if all of that happened.
#include <firebreak/admin_service.h>
#include <firebreak/engine.h>
#include <firebreak/testing.h>
#ifdef CONSUMER_HAS_PROMETHEUS
#include <firebreak/prometheus.h>
#endif
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>

namespace {

constexpr char kMethod[] = "/consumer.Test/Call";

// Makes one call. Returns its `firebreak-reason`, or "-" if there is none.
std::string Call(const std::shared_ptr<grpc::Channel>& channel,
                 grpc::Status* status) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(10));
  const grpc::Slice empty;
  grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, kMethod, grpc::StubOptions(), &request, &reply,
                 [&done](grpc::Status s) { done.set_value(std::move(s)); });
  *status = done.get_future().get();
  const auto& trailers = context.GetServerTrailingMetadata();
  auto reason = trailers.find("firebreak-reason");
  return reason == trailers.end()
             ? "-"
             : std::string(reason->second.data(), reason->second.size());
}

int Fail(const std::string& what) {
  std::fprintf(stderr, "consumer: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main() {
  auto clock = std::make_shared<firebreak::testing::VirtualClock>();
  firebreak::EngineOptions options;
  options.clock = clock;
  auto engine = firebreak::Engine::FromText(
      R"pb(
        method {
          name {}
          breaker { consecutive_failures: 1 open_duration: "60s" }
        }
      )pb",
      options);
  if (!engine.ok()) return Fail(engine.status().ToString());

  auto channel = (*engine)->CreateChannel("nobody", "unix:/nonexistent.sock",
                                          grpc::InsecureChannelCredentials());
  for (const std::string expected : {"-", "breaker_open"}) {
    grpc::Status status;
    const std::string reason = Call(channel, &status);
    std::printf("code %d, firebreak-reason %s: %s\n", status.error_code(),
                reason.c_str(), status.error_message().c_str());
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE ||
        reason != expected) {
      return Fail("expected UNAVAILABLE with firebreak-reason " + expected);
    }
  }

  firebreak::AdminService admin(*engine);
  grpc::ServerBuilder builder;
  builder.RegisterService(&admin);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  auto stub = firebreak::v1::Admin::NewStub(server->InProcessChannel({}));
  grpc::ClientContext context;
  firebreak::v1::GetMethodRequest request;
  request.mutable_selector()->set_method(kMethod);
  firebreak::v1::GetMethodResponse response;
  const grpc::Status status = stub->GetMethod(&context, request, &response);
  admin.Shutdown();
  server->Shutdown();
  if (!status.ok()) return Fail(status.error_message());
  const auto& calls = response.method().calls();
  std::printf("admin: %s failures %d rejected %d\n", kMethod,
              static_cast<int>(calls.failures()),
              static_cast<int>(calls.rejected()));
  if (calls.failures() != 1 || calls.rejected() != 1) {
    return Fail("expected one failure and one rejection");
  }
#ifdef CONSUMER_HAS_PROMETHEUS
  const auto metrics = firebreak::PrometheusCollector(*engine).Collect();
  const auto& started = metrics.at(0);
  std::printf("metrics: %s %g\n", started.name.c_str(),
              started.metric.at(0).counter.value);
  if (started.metric.at(0).counter.value != 2) {
    return Fail("expected two calls");
  }
#endif
  if (firebreak::testing::BreakerOf(**engine, "nobody", kMethod).name !=
      "open") {
    return Fail("expected an open breaker");
  }
  clock->Advance(std::chrono::minutes(2));
  std::printf(
      "two minutes later: %s\n",
      firebreak::testing::BreakerOf(**engine, "nobody", kMethod).name.c_str());
  return 0;
}
