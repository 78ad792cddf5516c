#include "tests/chaos/chaos_fixture.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

template <class Array>
int64_t Sum(const Array& array) {
  return std::accumulate(array.begin(), array.end(), int64_t{0});
}

// Makes calls in all styles, guarded and driven, once per process. So
// everything that gRPC keeps for ever exists before anything is counted.
void WarmUp() {
  static const bool warm = [] {
    // gRPC stays initialized, since its shutdown can take seconds.
    grpc_init();
    EchoServer server;
    for (const char* policy : {"breaker {}", "hedging { delay: \"0s\" }"}) {
      auto engine = MakeEngine(policy);
      auto channel = engine->CreateChannel("test", server.address(),
                                           grpc::InsecureChannelCredentials());
      for (StubStyle style :
           {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
            StubStyle::kCompletionQueueSplit}) {
        UnaryCall call;
        Caller(style, channel).Run(&call);
        EXPECT_TRUE(call.status.ok()) << call.status.error_message();
      }
    }
    return true;
  }();
  (void)warm;
}

}  // namespace

std::string ShapeName(const ::testing::TestParamInfo<Shape>& info) {
  return StyleName({info.param.style, info.index}) +
         (info.param.driven ? "Driven" : "Guarded");
}

int Surprises(const Load& load) {
  return load.Count([](const CallEnd& end) {
    return !end.refused && end.code != grpc::StatusCode::OK &&
           end.code != grpc::StatusCode::DEADLINE_EXCEEDED;
  });
}

void ExpectAllOk(const Load& load) {
  // Only one copy of the ends, since calls end between two copies.
  const auto ends = load.ends();
  EXPECT_TRUE(std::all_of(ends.begin(), ends.end(), IsOk())) << Summary(ends);
}

grpc::ChannelArguments QuickReconnects() {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 300);
  return args;
}

ChaosEngine::ChaosEngine(const std::string& method_policy)
    : engine_(MakeEngine(method_policy)) {}

std::shared_ptr<grpc::Channel> ChaosEngine::Channel(
    const std::string& target, grpc::ChannelArguments args) {
  ChannelOptions options;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  options.args = args;
  return engine_->CreateChannel(
      "test", target, grpc::InsecureChannelCredentials(), std::move(options));
}

core::MethodCounts ChaosEngine::counts() const {
  for (const auto& runtime : engine_->core()->Methods()) {
    if (runtime->method == kUnaryMethod) return runtime->stats.counts();
  }
  return {};
}

core::BreakerSnapshot ChaosEngine::breaker() const {
  for (const auto& runtime : engine_->core()->Methods()) {
    if (runtime->method == kUnaryMethod) {
      return runtime->breakers().front()->Snapshot(engine::Now());
    }
  }
  return {};
}

bool ChaosEngine::WaitFor(core::BreakerState state) const {
  // This reads the log, since a snapshot would itself advance the breaker, and
  // the engine has to do that.
  return Eventually([&] {
    std::string last = "closed";
    for (const core::Event& e :
         engine_->core()->events().Since(0, 1'000'000).events) {
      if (e.method == kUnaryMethod && !e.to.empty()) last = e.to;
    }
    return last == core::BreakerStateName(state);
  });
}

void ChaosEngine::StopAndCheck(Load* load) const {
  load->Stop();
  load->ExpectSound();
  ExpectBooksOf(*load);
}

void ChaosEngine::ExpectBooksOf(const Load& load) const {
  // Hedges that lost end after their calls.
  EXPECT_TRUE(Eventually([&] {
    const core::MethodCounts now = counts();
    return now.in_flight == 0 && Sum(now.attempts) == Sum(now.attributions);
  })) << Sum(counts().attempts)
      << " attempts, " << Sum(counts().attributions)
      << " ended, in flight: " << counts().in_flight;
  const core::MethodCounts counts = this->counts();
  const auto ends = load.ends();
  EXPECT_EQ(counts.calls, static_cast<int64_t>(ends.size()));
  EXPECT_EQ(counts.calls, Sum(counts.ends));
  EXPECT_EQ(counts.end(core::CallEnd::kSuccess), load.Count(IsOk()));
  EXPECT_EQ(counts.end(core::CallEnd::kCancelled), 0);
  EXPECT_EQ(counts.end(core::CallEnd::kAbandoned), 0);
  const int64_t rejected = counts.end(core::CallEnd::kRejected);
  EXPECT_EQ(rejected, Sum(counts.rejections));
  EXPECT_EQ(rejected, load.Count(IsRefused())) << Summary(ends);
  for (core::Reason reason :
       {core::Reason::kBreakerOpen, core::Reason::kProbesTaken}) {
    const int seen = load.Count([reason](const CallEnd& end) {
      return end.refused && end.reason == core::ReasonName(reason);
    });
    EXPECT_EQ(counts.rejections[static_cast<size_t>(reason)], seen)
        << core::ReasonName(reason);
  }
  EXPECT_EQ(Sum(counts.codes), counts.calls - rejected);
  for (int code = 0; code < core::kStatusCodes; ++code) {
    const int seen = load.Count([code](const CallEnd& end) {
      return !end.refused && static_cast<int>(end.code) == code;
    });
    EXPECT_EQ(counts.codes[static_cast<size_t>(code)], seen) << "code " << code;
  }
  EXPECT_EQ(counts.attempts_of(core::AttemptKind::kFirst),
            counts.calls - rejected);
}

CleanTest::CleanTest() {
  WarmUp();
  before_ = Leftovers::Now();
}

CleanTest::~CleanTest() {
  std::string more;
  EXPECT_TRUE(Eventually([&] {
    more = Leftovers::Now().MoreThan(before_);
    return more.empty();
  })) << "left behind: "
      << more;
}

}  // namespace firebreak::testing
