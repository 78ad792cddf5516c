// Fuzzes the admin service with requests of every RPC, well-formed and not,
// over two engines with methods, breakers and events. It uses no sockets: it
// calls the handlers as gRPC does, with messages that are parsed from the input
// or filled from it.
#include <fuzzer/FuzzedDataProvider.h>
#include <grpcpp/test/default_reactor_test_peer.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "firebreak/testing/virtual_clock.h"
#include "src/core/base/printable.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"
#include "tests/fuzz/filler.h"
#include "tests/fuzz/planted.h"

namespace firebreak {
namespace {

using std::chrono::milliseconds;
using testing::Always;

constexpr char kPolicy[] = R"pb(
  method {
    name { service: "shop.v1.PaymentService" }
    id: "payment"
    idempotent: true
    timeout: "2s"
    breaker { consecutive_failures: 2 open_duration: "10s" }
    retry {}
    hedging { delay: "20ms" }
  }
  method {
    name { service: "shop.v1.CatalogService" }
    breaker { scope: CHANNEL consecutive_failures: 2 }
  }
  channel {
    name: "bulky"
    bulkhead { max_concurrent: 1 }
    throttling { max_tokens: 8 token_ratio: 0.5 }
  }
)pb";

std::vector<std::string> Words() {
  return {"",         "payment", "bulky", "a",
          "b",        "*",       "10s",   "5ms",
          "t1",       "t2",      "other", "/shop.v1.PaymentService/Charge",
          "Charge",   "Find",    "1:",    "shop.v1.PaymentService",
          "payment",  kPolicy,   "alice", "PaymentService/Refund",
          "\xff\xfe", "{}",      "\n",    "method { name {} timeout: \"1s\" }"};
}

// Every text that is sent has to be UTF-8, or no client could read the message.
void IsReadable(const google::protobuf::Message& message) {
  const auto* const how = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  how->ListFields(message, &fields);
  for (const auto* field : fields) {
    using Field = google::protobuf::FieldDescriptor;
    const int size = field->is_repeated() ? how->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      if (field->type() == Field::TYPE_STRING) {
        Always(core::IsUtf8(field->is_repeated()
                                ? how->GetRepeatedString(message, field, i)
                                : how->GetString(message, field)));
      } else if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
        IsReadable(field->is_repeated()
                       ? how->GetRepeatedMessage(message, field, i)
                       : how->GetMessage(message, field));
      }
    }
  }
}

// A status is sent in the metadata, for which gRPC's default limit is 8 kB.
void Fits(const grpc::Status& status) {
  const std::string text = status.error_message();
  Always(core::IsUtf8(text));
  Always(status.error_code() >= 0 && status.error_code() < core::kStatusCodes);
  size_t size = 0;
  for (const char c : text) size += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  Always(size < 8000);
}

// It lives as long as the process, since starting the threads of two engines
// for each input would take a hundred times as long as the input itself. So
// only the policy, the breakers and the streams are reset for each input. The
// clock, the counters and the log go on.
class World {
 public:
  World()
      : service_(
            std::vector<NamedEngine>{{"a", NewEngine()}, {"b", NewEngine()}},
            WithAuthorizer(false)),
        guarded_(
            std::vector<NamedEngine>{{"a", engines_[0]}, {"b", engines_[1]}},
            WithAuthorizer(true)) {}

  void Run(FuzzedDataProvider* data) {
    data_ = data;
    filler_ = std::make_unique<testing::Filler>(data, Words());
    admin_ = data->ConsumeBool() ? &service_ : &guarded_;
    for (const auto& engine : engines_) {
      Always(engine->SetPolicyText(kPolicy).ok());
      (void)engine->core()->candidates()->Clear("");
    }
    for (core::Breaker* breaker : breakers_) {
      (void)breaker->ClearOverride(clock_->Now());
      breaker->Reset(clock_->Now());
    }
    for (int steps = 0; steps < 30 && data->remaining_bytes() > 0; ++steps) {
      Step();
    }
    for (Watched& each : streams_) each.reactor->OnDone();
    streams_.clear();
  }

 private:
  using Base = v1::Admin::CallbackService;
  struct Watched {
    std::unique_ptr<grpc::CallbackServerContext> context;
    grpc::ServerWriteReactor<v1::WatchEventsResponse>* reactor;
  };

  AdminOptions WithAuthorizer(bool authorize_reads) {
    AdminOptions options;
    options.authorize_reads = authorize_reads;
    options.authorizer = [this](AdminCall* call) {
      call->actor = "alice";
      return data_->ConsumeIntegralInRange<int>(0, 7) != 7
                 ? absl::OkStatus()
                 : absl::PermissionDeniedError("no");
    };
    return options;
  }

  std::shared_ptr<Engine> NewEngine() {
    EngineOptions options;
    options.clock = clock_;
    options.log_sink = nullptr;
    options.poller_threads = 1;
    options.callback_threads = 1;
    options.observer_threads = 1;
    options.max_methods = 20;
    options.event_log_size = 30;
    auto engine = Engine::FromText(kPolicy, options);
    Always(engine.ok());
    Bind((*engine)->core().get(), "payment", "/shop.v1.PaymentService/Charge");
    Bind((*engine)->core().get(), "payment", "/shop.v1.PaymentService/Refund");
    Bind((*engine)->core().get(), "bulky", "/shop.v1.CatalogService/Find");
    engines_.push_back(*std::move(engine));
    return engines_.back();
  }

  void Bind(engine::EngineCore* core, const std::string& channel,
            const std::string& method) {
    const auto binding = core->BindChannel(channel, {"t1", "t2"})->Find(method);
    for (core::Breaker* each : binding->targets) breakers_.push_back(each);
    bindings_.push_back(binding);
  }

  void Step() {
    switch (data_->ConsumeIntegralInRange<int>(0, 19)) {
      case 0:
        return List<v1::ListMethodsRequest, v1::ListMethodsResponse>(
            &Base::ListMethods);
      case 1:
        return List<v1::GetHealthRequest, v1::GetHealthResponse>(
            &Base::GetHealth);
      case 2:
        return List<v1::ListAlertsRequest, v1::ListAlertsResponse>(
            &Base::ListAlerts);
      case 3:
        Ask<v1::GetMethodRequest, v1::GetMethodResponse>(&Base::GetMethod);
        return;
      case 4:
        Ask<v1::ListDecisionsRequest, v1::ListDecisionsResponse>(
            &Base::ListDecisions);
        return;
      case 5:
        testing::Planted(Ask<v1::SetOverrideRequest, v1::SetOverrideResponse>(
                             &Base::SetOverride)
                             .breakers_size() > 0);
        return;
      case 6:
        Ask<v1::ClearOverrideRequest, v1::ClearOverrideResponse>(
            &Base::ClearOverride);
        return;
      case 7:
        Ask<v1::ResetMethodRequest, v1::ResetMethodResponse>(
            &Base::ResetMethod);
        return;
      case 8:
        Ask<v1::GetPolicyRequest, v1::GetPolicyResponse>(&Base::GetPolicy);
        return;
      case 9:
        Ask<v1::ApplyPolicyRequest, v1::ApplyPolicyResponse>(
            &Base::ApplyPolicy);
        return;
      case 16:
        Ask<v1::SetCandidateRequest, v1::SetCandidateResponse>(
            &Base::SetCandidate);
        return Under();
      case 17:
        Ask<v1::ClearCandidateRequest, v1::ClearCandidateResponse>(
            &Base::ClearCandidate);
        return;
      case 18:
        return List<v1::CompareCandidateRequest, v1::CompareCandidateResponse>(
            &Base::CompareCandidate);
      case 19:
        Ask<v1::PromoteCandidateRequest, v1::PromoteCandidateResponse>(
            &Base::PromoteCandidate);
        return;
      case 10:
      case 11:
        return Watch();
      case 12:
        clock_->Advance(milliseconds(data_->ConsumeIntegral<uint16_t>()));
        return;
      case 13:
        if (!streams_.empty()) {
          streams_.back().reactor->OnCancel();
          streams_.back().reactor->OnDone();
          streams_.pop_back();
        }
        return;
      default:
        Traffic();
    }
  }

  // Parses a request from arbitrary bytes, or fills its fields.
  template <class Request>
  Request Make() {
    Request request;
    if (data_->ConsumeBool() && data_->ConsumeBool()) {
      // If a byte does not fit, the request keeps what came before it.
      (void)request.ParseFromString(data_->ConsumeRandomLengthString(300));
    } else {
      filler_->Fill(&request);
    }
    return request;
  }

  template <class Request, class Response>
  using Rpc = grpc::ServerUnaryReactor* (Base::*)(grpc::CallbackServerContext*,
                                                  const Request*, Response*);

  template <class Request, class Response>
  grpc::Status Call(Rpc<Request, Response> rpc, const Request& request,
                    Response* response) {
    grpc::CallbackServerContext context;
    grpc::testing::DefaultReactorTestPeer peer(&context);
    (admin_->*rpc)(&context, &request, response);
    // Every handler answers before it returns.
    Always(peer.test_status_set());
    const grpc::Status status = peer.test_status();
    Fits(status);
    IsReadable(*response);
    return status;
  }

  template <class Request, class Response>
  Response Ask(Rpc<Request, Response> rpc) {
    Response response;
    const grpc::Status status = Call(rpc, Make<Request>(), &response);
    return status.ok() ? response : Response();
  }

  // Asks for a first page, and then for all that follow.
  template <class Request, class Response>
  void List(Rpc<Request, Response> rpc) {
    Request request = Make<Request>();
    for (int pages = 0; pages < 50; ++pages) {
      Response response;
      const grpc::Status status = Call(rpc, request, &response);
      // The service accepts every page token that it has given.
      if (pages > 0) {
        Always(status.ok() ||
               status.error_code() == grpc::StatusCode::PERMISSION_DENIED);
      }
      if (!status.ok() || response.next_page_token().empty()) return;
      Always(response.next_page_token() != request.page_token());
      request.set_page_token(response.next_page_token());
    }
  }

  // gRPC would bind the reactor to a call. Since nobody does here, the reactor
  // keeps what is to be written, also what OnWriteDone() asks for next.
  void Watch() {
    if (streams_.size() > 5) return;
    Watched watched{std::make_unique<grpc::CallbackServerContext>(), nullptr};
    const auto request = Make<v1::WatchEventsRequest>();
    watched.reactor = admin_->WatchEvents(watched.context.get(), &request);
    Always(watched.reactor != nullptr);
    for (int i = data_->ConsumeIntegralInRange<int>(0, 3); i > 0; --i) {
      watched.reactor->OnWriteDone(true);
    }
    streams_.push_back(std::move(watched));
  }

  void Traffic() {
    core::Breaker* const breaker =
        breakers_[data_->ConsumeIntegralInRange<size_t>(0,
                                                        breakers_.size() - 1)];
    core::Admission admission =
        breaker->Admit(clock_->Now(), core::kInfiniteFuture);
    admission.permit.Settle(data_->ConsumeBool() ? core::Verdict::kSuccess
                                                 : core::Verdict::kFailure,
                            clock_->Now());
  }

  // Makes calls that the candidate policies count, if there are any.
  void Under() {
    for (const auto& engine : engines_) {
      const auto binding = engine->core()
                               ->BindChannel("payment", {"t1", "t2"})
                               ->Find("/shop.v1.PaymentService/Charge");
      if (binding == nullptr || binding->candidate == nullptr) continue;
      engine::CandidateCall::Arrival arrival;
      arrival.now = clock_->Now();
      engine::CandidateCall call(*binding->candidate, binding->runtime.get(),
                                 arrival);
      if (data_->ConsumeBool()) continue;
      core::CallTape::Call facts;
      facts.started = arrival.now;
      facts.took = milliseconds(data_->ConsumeIntegral<uint16_t>());
      facts.attempts = data_->ConsumeIntegralInRange<int>(0, 3);
      facts.end = facts.attempts == 0 ? core::CallEnd::kRejected
                                      : core::CallEnd::kFailure;
      for (int n = 0; n < facts.attempts; ++n) {
        call.OnLaunch(
            {n, data_->ConsumeIntegralInRange<int>(0, 1),
             n == 0 ? core::AttemptKind::kFirst : core::AttemptKind::kRetry,
             core::kInfiniteFuture, /*is_probe=*/false},
            clock_->Now());
        if (data_->ConsumeBool()) continue;
        core::AttemptEnd end;
        end.code = absl::StatusCode::kUnavailable;
        call.OnAttemptEnd(n, end, clock_->Now());
      }
      call.End(facts, clock_->Now() + facts.took);
    }
  }

  FuzzedDataProvider* data_ = nullptr;
  std::unique_ptr<testing::Filler> filler_;
  const std::shared_ptr<testing::VirtualClock> clock_ =
      std::make_shared<testing::VirtualClock>();
  std::vector<std::shared_ptr<Engine>> engines_;
  std::vector<core::Breaker*> breakers_;
  std::vector<std::shared_ptr<const engine::MethodBinding>> bindings_;
  AdminService service_;
  AdminService guarded_;  // also authorizes reads
  Base* admin_ = nullptr;
  std::vector<Watched> streams_;
};

}  // namespace
}  // namespace firebreak

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static firebreak::World& world = *new firebreak::World;
  FuzzedDataProvider data(bytes, size);
  world.Run(&data);
  return 0;
}
