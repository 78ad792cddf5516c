#include "tests/bench/overhead/variants.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/bench/overhead/floors.h"

namespace firebreak::bench {
namespace {

using Factories = std::vector<
    std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>;

constexpr char kUnary[] = "/firebreak.testing.Echo/Unary";

// Returns the policy; empty if the variant is not firebreak's.
std::string PolicyOf(Variant variant) {
  const std::string breaker =
      "breaker { open_duration: \"3600s\" "
      "max_open_duration: \"3600s\" }";
  const std::string retry = "retry { max_attempts: 3 }";
  std::string method;
  switch (variant) {
    case Variant::kGuarded:
    case Variant::kOpen:
      method = breaker;
      break;
    case Variant::kDriven:
    case Variant::kDrivenQueue:
      method = breaker + retry;
      break;
    case Variant::kHedged:
      // No call of this bench reaches this delay, so this measures the cost of
      // an armed hedge, not of a second attempt.
      method = breaker + retry + "hedging { max_attempts: 3 delay: \"2s\" }";
      break;
    default:
      return "";
  }
  return absl::StrCat("method { name {} ", method, " }");
}

// Trips the breaker as calls would: five failures in a row.
void Trip(Engine* engine) {
  const auto method = engine->core()->BindChannel("bench", {""})->Find(kUnary);
  core::Breaker* const breaker = method->targets.front();
  for (int i = 0; i < 5; ++i) {
    breaker->Admit(engine::Now(), core::kInfiniteFuture)
        .permit.Settle(core::Verdict::kFailure, engine::Now());
  }
}

Factories Interceptors(Subject* subject) {
  Factories out;
  switch (subject->variant) {
    case Variant::kBare:
    case Variant::kBuiltinRetry:
      break;
    case Variant::kNoOp:
      out.push_back(NoOpFactory());
      break;
    case Variant::kHijack:
      out.push_back(RejectFactory());
      break;
    case Variant::kFloorQueue:
      out.push_back(ReissueOnQueueFactory());
      break;
    case Variant::kFloorCaller:
      out.push_back(ReissueOnCallerFactory());
      break;
    default:
      out.push_back(subject->engine->InterceptorFactory("bench"));
  }
  return out;
}

}  // namespace

std::vector<Variant> AllVariants() {
  return {Variant::kBare,    Variant::kBuiltinRetry, Variant::kNoOp,
          Variant::kHijack,  Variant::kFloorQueue,   Variant::kFloorCaller,
          Variant::kGuarded, Variant::kDriven,       Variant::kDrivenQueue,
          Variant::kHedged,  Variant::kOpen};
}

std::vector<Variant> WithFloors(const std::vector<Variant>& variants) {
  const auto is_in = [&](Variant variant) {
    return std::find(variants.begin(), variants.end(), variant) !=
           variants.end();
  };
  const bool rejects = std::any_of(variants.begin(), variants.end(), Rejects);
  std::vector<Variant> out;
  for (Variant variant : AllVariants()) {
    if (is_in(variant) || variant == Variant::kNoOp ||
        (rejects && variant == Variant::kHijack)) {
      out.push_back(variant);
    }
  }
  return out;
}

std::string VariantName(Variant variant) {
  switch (variant) {
    case Variant::kBare:
      return "bare";
    case Variant::kBuiltinRetry:
      return "builtin_retry";
    case Variant::kNoOp:
      return "noop";
    case Variant::kHijack:
      return "hijack";
    case Variant::kFloorQueue:
      return "floor_queue";
    case Variant::kFloorCaller:
      return "floor_caller";
    case Variant::kGuarded:
      return "guarded";
    case Variant::kDriven:
      return "driven";
    case Variant::kDrivenQueue:
      return "driven_queue";
    case Variant::kHedged:
      return "hedged";
    case Variant::kOpen:
      return "open";
  }
  return "";
}

bool IsFirebreak(Variant variant) { return !PolicyOf(variant).empty(); }

bool Rejects(Variant variant) {
  return variant == Variant::kHijack || variant == Variant::kOpen;
}

std::string StubName(StubKind kind) {
  switch (kind) {
    case StubKind::kSync:
      return "sync";
    case StubKind::kCallback:
      return "callback";
    case StubKind::kQueue:
      return "queue";
  }
  return "";
}

std::unique_ptr<Subject> MakeSubject(Variant variant, const Where& where) {
  const bool in_process = where.server != nullptr;
  // A channel within the process takes no service config.
  if (variant == Variant::kBuiltinRetry && in_process) return nullptr;
  // With other stubs the calling thread does not stay to do the work.
  if ((variant == Variant::kFloorCaller || variant == Variant::kDrivenQueue) &&
      where.stub != StubKind::kSync) {
    return nullptr;
  }
  auto subject = std::make_unique<Subject>();
  subject->variant = variant;
  const std::string policy = PolicyOf(variant);
  if (!policy.empty()) {
    EngineOptions options;
    options.drive_on_calling_thread = variant != Variant::kDrivenQueue;
    auto engine = Engine::FromText(policy, options);
    if (!engine.ok()) {
      std::fprintf(stderr, "%s\n", engine.status().ToString().c_str());
      std::abort();
    }
    subject->engine = *std::move(engine);
  }
  if (variant == Variant::kOpen) Trip(subject->engine.get());

  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  if (variant == Variant::kBuiltinRetry) {
    args.SetServiceConfigJSON(R"json({"methodConfig": [{"name": [{}],
        "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.1s",
        "maxBackoff": "1s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]}}]})json");
  }
  Factories factories = Interceptors(subject.get());
  if (in_process) {
    subject->channel =
        factories.empty()
            ? where.server->InProcessChannel(args)
            : where.server->experimental().InProcessChannelWithInterceptors(
                  args, std::move(factories));
  } else {
    subject->channel = grpc::experimental::CreateCustomChannelWithInterceptors(
        where.address, grpc::InsecureChannelCredentials(), args,
        std::move(factories));
  }
  return subject;
}

}  // namespace firebreak::bench
