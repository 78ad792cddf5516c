#include "tests/support/accounting.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "firebreak/admin_service.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

constexpr std::array<const char*, kLanes> kNames = {"retry", "guarded",
                                                    "hedged", "fallback"};
constexpr double kRatio = 0.1;
constexpr double kFloor = 20;
constexpr double kBurst = 50;

constexpr char kPolicy[] = R"pb(
  method {
    id: "guarded"
    name { channel: "guarded" }
    breaker {
      consecutive_failures: 12
      minimum_calls: 40
      window { calls: 60 }
      open_duration: "10ms"
      max_open_duration: "20ms"
      probe_timeout: "500ms"
    }
  }
  method {
    id: "retry"
    base: "guarded"
    name { channel: "retry" }
    name { channel: "fallback" }
    retry {
      max_attempts: 3
      codes: [ UNAVAILABLE, INTERNAL ]
      backoff { initial: "1ms" max: "4ms" }
    }
  }
  method {
    id: "hedged"
    base: "retry"
    name { channel: "hedged" }
    hedging { delay: "4ms" }
  }
  channel { budget { ratio: 0.1 floor: 20 burst: 50 } }
)pb";

// A fallback that answers two of three calls with OK.
grpc::Status AnswerInstead(const EchoRequest& request,
                           const grpc::Status& /*failure*/, EchoReply* reply) {
  int sum = 0;
  for (char c : request.text()) sum += c;
  if (sum % 3 == 0) return {grpc::StatusCode::ABORTED, "neither"};
  reply->set_text("fallback");
  return grpc::Status::OK;
}

}  // namespace

Accounting::Accounting(size_t calls, std::function<CallPlan(size_t id)> plan)
    : calls_(calls), plan_(std::move(plan)), log_(calls) {
  // See KeepGrpc() in admin_fixture.h.
  static const bool kept = (grpc_init(), true);
  (void)kept;
  for (size_t i = 0; i < kServers; ++i) {
    servers_[i] = std::make_unique<FaultServer>(&log_);
    addresses_[i] = servers_[i]->address();
  }
  started_ = engine::Now();
  auto engine = Engine::FromText(kPolicy);
  EXPECT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  EXPECT_TRUE(
      engine_
          ->SetFallback("fallback", kUnaryMethod,
                        MakeFallback<EchoRequest, EchoReply>(AnswerInstead))
          .ok());
  for (int lane = 0; lane < kLanes; ++lane) {
    for (size_t i = 0; i < kChannels; ++i) {
      channels_[static_cast<size_t>(lane)].push_back(NewChannel(lane, i));
    }
  }
}

Accounting::~Accounting() = default;

std::shared_ptr<grpc::Channel> Accounting::NewChannel(int lane, size_t place) {
  const std::string& target = addresses_[place % kServers];
  grpc::ChannelArguments args;
  // Each channel has its own connection, which is closed with it.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The minimum backoff is not set, since gRPC also uses it as the time that a
  // connection attempt may take, and a busy machine needs the default of 20 s.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  std::vector<
      std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(
      engine_->InterceptorFactory(kNames[static_cast<size_t>(lane)], target));
  interceptors.push_back(log_.NewLaunchCounter());
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      target, grpc::InsecureChannelCredentials(), args,
      std::move(interceptors));
}

std::shared_ptr<grpc::Channel> Accounting::PickChannel(int lane) {
  std::shared_ptr<grpc::Channel> dropped;
  std::lock_guard<std::mutex> lock(channels_mu_);
  const auto place = static_cast<size_t>(rng_.Uniform() * kChannels);
  auto& channel = channels_[static_cast<size_t>(lane)][place];
  if (rng_.Uniform() < 0.002) {
    dropped = std::exchange(channel, NewChannel(lane, place));
  }
  return channel;
}

void Accounting::Run() {
  Load::Hooks hooks;
  hooks.plan = plan_;
  hooks.channel = [this](int lane) { return PickChannel(lane); };
  hooks.ended = [this](const LoadCall& call) { Count(call); };
  Load load(0, calls_, std::move(hooks));
  std::thread killer;
  if (kills_servers_) killer = std::thread([&] { KillServers(&load); });
  load.Run();
  if (killer.joinable()) killer.join();
  EXPECT_EQ(load.ended(), static_cast<int64_t>(calls_));
  EXPECT_EQ(load.ended_twice(), 0);
}

void Accounting::KillServers(Load* load) {
  const auto all = static_cast<int64_t>(calls_);
  // Servers are killed after a number of calls and not after a time, so that it
  // happens equally often on every machine.
  auto wait_for_more = [&](int64_t more) {
    const int64_t until = load->ended() + more;
    return Eventually([&] { return load->ended() >= std::min(until, all); }) &&
           until < all;
  };
  for (size_t i = 0; wait_for_more(all / 20); i = (i + 1) % kServers) {
    servers_[i]->Stop();
    ++kills_;
    wait_for_more(all / 50);
    servers_[i] = std::make_unique<FaultServer>(&log_, addresses_[i]);
    EXPECT_TRUE(servers_[i]->ok()) << addresses_[i] << " was taken meanwhile";
  }
}

void Accounting::Count(const LoadCall& call) {
  const grpc::Status& status = call.call.status;
  const bool from_fallback = call.call.reply.text() == "fallback";
  if (status.ok() && !from_fallback) {
    EXPECT_EQ(call.call.reply.text(), absl::StrCat(call.id))
        << "another call's answer";
  }
  std::lock_guard<std::mutex> lock(tallies_mu_);
  Tally& tally = tallies_[static_cast<size_t>(call.plan.lane)];
  ++tally.calls;
  if (status.ok()) {
    ++tally.successes;
    tally.fallbacks += from_fallback ? 1 : 0;
    return;
  }
  if (status.error_code() == grpc::StatusCode::CANCELLED && call.cancel_sent) {
    ++tally.cancelled;
  } else if (log_.launched(call.id) == 0) {
    ++tally.rejected;
    ++tally.rejections[Trailing(call.call.context, "firebreak-reason")];
    return;
  } else {
    ++tally.failures;
  }
  ++tally.codes[static_cast<int>(status.error_code())];
}

std::shared_ptr<engine::MethodRuntime> Accounting::Runtime(int lane) const {
  for (auto& runtime : engine_->core()->Methods()) {
    if (runtime->channel == kNames[static_cast<size_t>(lane)]) return runtime;
  }
  return nullptr;
}

core::MethodCounts Accounting::counts(int lane) const {
  const auto runtime = Runtime(lane);
  return runtime == nullptr ? core::MethodCounts{} : runtime->stats.counts();
}

int64_t Accounting::launched() const {
  int64_t sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int64_t n : counts(lane).attempts) sum += n;
  }
  return sum;
}

int64_t Accounting::attributed(core::Attribution attribution) const {
  int64_t sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    sum += counts(lane).attributions[static_cast<size_t>(attribution)];
  }
  return sum;
}

int64_t Accounting::served(char step) const {
  int64_t sum = 0;
  for (const auto& server : servers_) sum += server->served(step);
  return sum;
}

void Accounting::ExpectBalanced() {
  AdminService service(engine_);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  auto stub = v1::Admin::NewStub(grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  for (int lane = 0; lane < kLanes; ++lane) {
    if (tally(lane).calls == 0) continue;
    SCOPED_TRACE(kNames[static_cast<size_t>(lane)]);
    grpc::ClientContext context;
    v1::GetMethodRequest request;
    request.mutable_selector()->set_method(kUnaryMethod);
    request.mutable_selector()->set_channel(kNames[static_cast<size_t>(lane)]);
    v1::GetMethodResponse response;
    const grpc::Status status = stub->GetMethod(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    ExpectLane(lane, response.method());
    ExpectAttempts(lane, response.method().attempts());
    ExpectBudgetKept(lane);
  }
  server->Shutdown();
  for (size_t id = 0; id < calls_; ++id) {
    EXPECT_LE(log_.seen(id), log_.launched(id)) << "call " << id;
  }
  EXPECT_EQ(log_.seen_twice(), 0);
  EXPECT_EQ(log_.strangers(), 0);
}

void Accounting::ExpectLane(int lane, const v1::Method& view) {
  const Tally& seen = tally(lane);
  const core::MethodCounts counted = counts(lane);
  EXPECT_EQ(counted.calls, seen.calls);
  EXPECT_EQ(counted.in_flight, 0);
  EXPECT_EQ(counted.end(core::CallEnd::kSuccess), seen.successes);
  EXPECT_EQ(counted.end(core::CallEnd::kFailure), seen.failures);
  EXPECT_EQ(counted.end(core::CallEnd::kRejected), seen.rejected);
  EXPECT_EQ(counted.end(core::CallEnd::kCancelled), seen.cancelled);
  EXPECT_EQ(counted.end(core::CallEnd::kAbandoned), 0);
  EXPECT_EQ(counted.fallbacks, seen.fallbacks);
  EXPECT_EQ(counted.codes[0], seen.successes);
  EXPECT_EQ(seen.calls,
            seen.successes + seen.failures + seen.rejected + seen.cancelled);

  EXPECT_EQ(view.calls().started(), seen.calls);
  EXPECT_EQ(view.calls().in_flight(), 0);
  EXPECT_EQ(view.calls().successes(), seen.successes);
  EXPECT_EQ(view.calls().failures(), seen.failures);
  EXPECT_EQ(view.calls().rejected(), seen.rejected);
  EXPECT_EQ(view.calls().cancelled(), seen.cancelled);
  EXPECT_EQ(view.calls().abandoned(), 0);
  EXPECT_EQ(view.calls().fallbacks(), seen.fallbacks);
  EXPECT_EQ(view.latency().count(), seen.successes);
  std::map<int, int64_t> codes;
  for (const auto& each : view.calls().codes()) {
    codes[static_cast<int>(each.code())] = each.count();
  }
  EXPECT_EQ(codes, seen.codes);
  std::map<std::string, int64_t> rejections;
  for (const auto& each : view.calls().rejections()) {
    rejections[each.name()] = each.count();
  }
  EXPECT_EQ(rejections, seen.rejections);

  EXPECT_GT(view.breakers_size(), 0);
  int64_t opened = 0;
  for (const auto& breaker : view.breakers()) {
    EXPECT_EQ(breaker.probes_in_flight(), 0) << breaker.target();
    opened += breaker.times_opened();
  }
  // A summary of the run, for the log.
  std::cout << absl::StrFormat(
      "%-9s%7d calls:%7d ok,%6d failed,%6d rejected,%5d cancelled,"
      "%5d by fallback;%6d retries,%5d hedges,%5d won; opened%4d times\n",
      view.channel(), seen.calls, seen.successes, seen.failures, seen.rejected,
      seen.cancelled, seen.fallbacks, view.attempts().retries(),
      view.attempts().hedges(), view.attempts().hedge_wins(), opened);
}

void Accounting::ExpectAttempts(int lane, const v1::AttemptCounts& view) {
  int64_t first = 0;
  int64_t all = 0;
  for (size_t id = 0; id < calls_; ++id) {
    if (plan_(id).lane != lane) continue;
    first += log_.launched(id) > 0 ? 1 : 0;
    all += log_.launched(id);
  }
  const core::MethodCounts counted = counts(lane);
  int64_t launched = 0;
  for (int64_t n : counted.attempts) launched += n;
  EXPECT_EQ(launched, all);
  EXPECT_EQ(counted.attempts_of(core::AttemptKind::kFirst), first);
  int64_t settled = 0;
  for (int64_t n : counted.attributions) settled += n;
  EXPECT_EQ(settled, all);
  EXPECT_EQ(view.first(), first);
  EXPECT_EQ(view.first() + view.retries() + view.hedges(), all);
  EXPECT_EQ(view.hedge_wins(), counted.hedge_wins);
  int64_t viewed = 0;
  for (const auto& each : view.attributions()) viewed += each.count();
  EXPECT_EQ(viewed, all);
  EXPECT_LE(counted.hedge_wins, counted.attempts_of(core::AttemptKind::kHedge));
}

void Accounting::ExpectBudgetKept(int lane) {
  const core::MethodCounts counted = counts(lane);
  const int64_t extra = counted.attempts_of(core::AttemptKind::kRetry) +
                        counted.attempts_of(core::AttemptKind::kHedge);
  const int64_t admitted = counted.attempts_of(core::AttemptKind::kFirst);
  const double seconds = core::ToSeconds(engine::Now() - started_);
  EXPECT_LE(static_cast<double>(extra),
            kRatio * static_cast<double>(admitted) + kFloor * seconds + kBurst);
}

}  // namespace firebreak::testing
