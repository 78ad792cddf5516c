// A client of two replicas, which uses most of firebreak: a circuit breaker for
// each replica, retries and hedges over both, a fallback, a report on each
// call, and the admin service.
//
//   catalog_client POLICY_FILE REPLICA REPLICA [ADMIN_ADDRESS]
//
// It plays a short story: a replica becomes slow, then fails, then both fail,
// then both recover. It exits with 0 only if every call was answered as the
// story says. With an ADMIN_ADDRESS it then makes ten calls a second until it
// is killed, so that you can watch it with firebreakctl.
#include <firebreak/admin_service.h>
#include <firebreak/call_options.h>
#include <firebreak/call_report.h>
#include <firebreak/engine.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "catalog.grpc.pb.h"

namespace {

using catalog::v1::Catalog;
using catalog::v1::GetPriceRequest;
using catalog::v1::Price;

struct Answer {
  grpc::Status status;
  Price price;
  firebreak::v1::CallReport report;
};

// An ordinary call, except that it asks for a report.
Answer GetPrice(Catalog::Stub* stub) {
  grpc::ClientContext context;
  firebreak::CallOptions options;
  options.report = true;
  Answer answer;
  if (const absl::Status set = options.Set(&context); !set.ok()) {
    answer.status = {grpc::StatusCode::INTERNAL, std::string(set.message())};
    return answer;
  }
  GetPriceRequest request;
  request.set_item("teapot");
  answer.status = stub->GetPrice(&context, request, &answer.price);
  if (auto report = firebreak::GetCallReport(context)) answer.report = *report;
  return answer;
}

std::string Describe(const Answer& answer) {
  std::string line = answer.status.ok()
                         ? std::to_string(answer.price.cents()) + " cents" +
                               (answer.price.is_stale() ? " (stale)" : "")
                         : answer.status.error_message();
  line += ";";
  for (const auto& attempt : answer.report.attempt()) {
    line += " " + attempt.kind() + " attempt at " + attempt.target() + ": " +
            attempt.attribution() + ";";
  }
  if (answer.report.from_fallback()) line += " from the fallback";
  return line;
}

// Makes calls, and prints the last one.
Answer Calls(Catalog::Stub* stub, int calls, const std::string& title) {
  Answer answer;
  for (int i = 0; i < calls; ++i) answer = GetPrice(stub);
  std::cout << title << "\n  " << Describe(answer) << std::endl;
  return answer;
}

// Sets how one replica behaves. The channel has no firebreak, so that the call
// reaches exactly this replica.
void Misbehave(const std::string& replica, int delay_ms, bool fail) {
  const auto stub = Catalog::NewStub(
      grpc::CreateChannel(replica, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  catalog::v1::MisbehaveRequest request;
  request.set_delay_ms(delay_ms);
  request.set_fail(fail);
  catalog::v1::MisbehaveReply reply;
  const grpc::Status status = stub->Misbehave(&context, request, &reply);
  if (!status.ok())
    std::cerr << replica << ": " << status.error_message() << "\n";
}

int Wrong(const std::string& what) {
  std::cerr << "catalog_client: " << what << "\n";
  return 1;
}

int Play(Catalog::Stub* stub, const std::string& a, const std::string& b) {
  Answer answer = Calls(stub, 50, "1. Both replicas are well.");
  if (answer.report.attempt_size() != 1) return Wrong("one attempt expected");

  Misbehave(a, /*delay_ms=*/300, /*fail=*/false);
  answer = Calls(stub, 1, "2. The first is slow: the call is hedged.");
  if (!answer.status.ok() || answer.report.attempt_size() < 2 ||
      answer.report.attempt(1).kind() != "hedge") {
    return Wrong("a hedge expected");
  }

  Misbehave(a, 0, /*fail=*/true);
  answer = Calls(stub, 1, "3. The first fails: the second answers.");
  if (!answer.status.ok() || answer.report.attempt_size() != 2) {
    return Wrong("two attempts expected");
  }
  answer = Calls(stub, 20, "4. Its breaker is open: it is not asked.");
  if (!answer.status.ok() || answer.report.attempt(0).target() != b) {
    return Wrong("an answer of the second replica expected");
  }

  Misbehave(b, 0, /*fail=*/true);
  answer = Calls(stub, 20, "5. Both fail: the fallback answers.");
  if (!answer.status.ok() || !answer.price.is_stale()) {
    return Wrong("a stale price expected");
  }

  Misbehave(a, 0, false);
  Misbehave(b, 0, false);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  do {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    answer = GetPrice(stub);
  } while (answer.price.is_stale() && std::chrono::steady_clock::now() < end);
  answer = Calls(stub, 1, "6. Both are well again, and so are the calls.");
  return answer.price.is_stale() ? Wrong("a fresh price expected") : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return Wrong("POLICY_FILE REPLICA REPLICA [ADMIN_ADDRESS]");
  const std::string a = argv[2];
  const std::string b = argv[3];

  auto made = firebreak::Engine::FromFile(argv[1]);
  if (!made.ok()) return Wrong(std::string(made.status().message()));
  const std::shared_ptr<firebreak::Engine> engine = *std::move(made);

  // The admin service, for operators.
  firebreak::AdminService admin(engine);
  std::unique_ptr<grpc::Server> server;
  if (argc > 4) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(argv[4], grpc::InsecureServerCredentials());
    builder.RegisterService(&admin);
    server = builder.BuildAndStart();
    if (server == nullptr)
      return Wrong("cannot listen on " + std::string(argv[4]));
  }

  // One channel for both replicas.
  firebreak::ChannelOptions options;
  options.replicas = {b};
  const auto channel = engine->CreateChannel(
      "catalog", a, grpc::InsecureChannelCredentials(), options);
  const auto stub = Catalog::NewStub(channel);

  // If no replica answers, the fallback is the last known price.
  const absl::Status set = engine->SetFallback(
      "catalog", "/catalog.v1.Catalog/GetPrice",
      firebreak::MakeFallback<GetPriceRequest, Price>(
          [](const GetPriceRequest&, const grpc::Status&, Price* price) {
            price->set_cents(600);
            price->set_is_stale(true);
            return grpc::Status::OK;
          }));
  if (!set.ok()) return Wrong(std::string(set.message()));

  const int code = Play(stub.get(), a, b);
  if (code != 0 || server == nullptr) return code;
  std::cout << "7. Calls go on; the admin service is at " << argv[4]
            << std::endl;
  for (std::string last;;) {
    const Answer answer = GetPrice(stub.get());
    const std::string prices = !answer.status.ok()       ? "no prices"
                               : answer.price.is_stale() ? "stale prices"
                                                         : "fresh prices";
    if (prices != last) std::cout << "  " << prices << std::endl;
    last = prices;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}
