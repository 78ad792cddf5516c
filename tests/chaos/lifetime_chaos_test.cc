// Destroys engine, channel, stub and context at every point of a call, in every
// order, on every kind of thread, in every stub style. Each time the call ends
// once with the right status, and then the engine and its threads end. (The
// leak sanitizer checks that nothing leaks.)
//
// The table leaves out what gRPC itself forbids:
//   - A context must live until its call ends, and the stub of a synchronous
//     call, too.
//   - A channel's last reference must not be dropped together with the context
//     inside a gRPC callback: libgrpc frees twice then, even without any
//     interceptor.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <tuple>

#include "tests/support/flight.h"
#include "tests/support/gate.h"
#include "tests/support/scene.h"

namespace firebreak::testing {
namespace {

using Ms = std::chrono::milliseconds;
using grpc::StatusCode;

enum class Point {
  kPrepared,   // before the call starts
  kInFlight,   // the first attempt hangs
  kBackoff,    // it has failed, and the next one is not due yet
  kHedged,     // it hangs, and so does a hedge
  kFallback,   // the fallback runs
  kDecided,    // the answer is decided, but not delivered yet
  kCancelled,  // right after TryCancel
  kDeadline,   // before the deadline ends it, on the timer's thread
  kEnded,      // in the callback, or after the tag
  kLosers,     // the same, while the attempt that lost to a hedge ends
};

struct PointFacts {
  Point point;
  const char* name;
  const char* policy;
  const char* steps;  // of fault_server.h
  int hanging;        // attempts that hang when the point is reached
  StatusCode code;
  const char* text;  // of an OK reply; nullptr: the request's text
};

constexpr char kRetries[] =
    "retry { max_attempts: 3 backoff { initial: \"15ms\" jitter: NONE } }";
constexpr char kHedges[] = "hedging { max_attempts: 2 delay: \"1ms\" }";
constexpr char kGuarded[] = "breaker {}";
// The breaker opens at the first failure. Then the timer's thread handles it.
constexpr char kTrips[] =
    "breaker { consecutive_failures: 1 open_duration: \"1ms\" }";

constexpr PointFacts kPoints[] = {
    {Point::kPrepared, "Prepared", kRetries, "o", 0, StatusCode::OK, nullptr},
    {Point::kInFlight, "InFlight", kRetries, "h", 1, StatusCode::OK, nullptr},
    {Point::kBackoff, "Backoff", kRetries, "u o", 0, StatusCode::OK, nullptr},
    {Point::kHedged, "Hedged", kHedges, "h h", 2, StatusCode::OK, nullptr},
    {Point::kFallback, "Fallback", kRetries, "f", 0, StatusCode::OK, "instead"},
    {Point::kDecided, "Decided", kRetries, "o", 0, StatusCode::OK, nullptr},
    {Point::kCancelled, "Cancelled", kRetries, "h", 1, StatusCode::CANCELLED,
     nullptr},
    {Point::kDeadline, "Deadline", kRetries, "h", 0,
     StatusCode::DEADLINE_EXCEEDED, nullptr},
    {Point::kEnded, "Ended", kRetries, "o", 0, StatusCode::OK, nullptr},
    {Point::kLosers, "Losers", kHedges, "h o", 0, StatusCode::OK, nullptr},
    {Point::kInFlight, "GuardedInFlight", kGuarded, "h", 1, StatusCode::OK,
     nullptr},
    {Point::kCancelled, "GuardedCancelled", kGuarded, "h", 1,
     StatusCode::CANCELLED, nullptr},
    {Point::kEnded, "GuardedEnded", kGuarded, "o", 0, StatusCode::OK, nullptr},
    {Point::kEnded, "BreakerOpen", kTrips, "u", 0, StatusCode::UNAVAILABLE,
     nullptr},
};

class LifetimeChaosTest
    : public ::testing::TestWithParam<std::tuple<PointFacts, StubStyle>> {
 protected:
  const PointFacts& facts() const { return std::get<0>(GetParam()); }
  Point point() const { return facts().point; }
  StubStyle style() const { return std::get<1>(GetParam()); }
  bool is_over() const {
    return point() == Point::kEnded || point() == Point::kLosers;
  }

  std::vector<Object> MayGo(ThreadKind on) const {
    if (!is_over()) return MayGoInFlight(style());
    if (on == ThreadKind::kGrpcCallback) return {kEngine, kChannel, kStub};
    return {kEngine, kChannel, kStub, kContext};
  }

  void RunCell(SceneWorld* world, ThreadKind on,
               const std::vector<Object>& order);
  // Brings the call to the point, and calls `drop` there.
  void FlyTo(SceneWorld* world, ThreadKind on, size_t id, Flight* flight,
             Scene* scene, const std::function<void()>& drop, Gate* gate);

  int backoffs_ = 0;  // the number of drops during the backoff
};

void LifetimeChaosTest::RunCell(SceneWorld* world, ThreadKind on,
                                const std::vector<Object>& order) {
  const size_t id = world->next_id++;
  std::weak_ptr<engine::EngineCore> core;
  Gate gate;  // in the fallback, or between decision and delivery
  {
    Flight flight(style());
    Scene scene;
    scene.engine = MakeEngine(facts().policy);
    core = scene.engine->core();
    ChannelOptions options;
    if (point() == Point::kDecided) {
      options.interceptors.push_back(gate.NewInterceptor());
    }
    if (point() == Point::kFallback) {
      ASSERT_TRUE(
          scene.engine
              ->SetFallback("test", kUnaryMethod,
                            MakeFallback<EchoRequest, EchoReply>(
                                [&gate](const EchoRequest&, const grpc::Status&,
                                        EchoReply* reply) {
                                  gate.Pass();
                                  reply->set_text("instead");
                                  return grpc::Status::OK;
                                }))
              .ok());
    }
    scene.channel = scene.engine->CreateChannel(
        "test", world->server.address(), grpc::InsecureChannelCredentials(),
        std::move(options));
    scene.stub = Echo::NewStub(scene.channel);
    scene.call =
        std::make_unique<UnaryCall>(absl::StrCat(id, " ", facts().steps));
    scene.call->context.AddMetadata(kCallIdKey, absl::StrCat(id));
    bool dropped = false;
    const auto drop = [&] {
      scene.Drop(order);
      dropped = true;
    };
    FlyTo(world, on, id, &flight, &scene, drop, &gate);
    if (facts().code == StatusCode::OK && !is_over()) {
      world->server.ReleaseHanging();
    }
    flight.Wait();
    if (!dropped) {  // for the points after the end, on another thread
      world->threads.Run(on, scene.engine->core(), drop);
    }
    EXPECT_EQ(flight.ends(), 1);
    EXPECT_EQ(flight.status().error_code(), facts().code)
        << flight.status().error_message();
    if (facts().code == StatusCode::OK) {
      EXPECT_EQ(flight.text(),
                facts().text != nullptr ? facts().text : absl::StrCat(id));
    }
  }
  EXPECT_TRUE(Eventually([&] { return core.expired(); }))
      << "the engine is still there";
  EXPECT_TRUE(Eventually([] { return OwnThreads() == 1; }))
      << OwnThreads() << " threads are left, this one included";
}

void LifetimeChaosTest::FlyTo(SceneWorld* world, ThreadKind on, size_t id,
                              Flight* flight, Scene* scene,
                              const std::function<void()>& drop, Gate* gate) {
  const auto drop_on = [&] {
    world->threads.Run(on, scene->engine->core(), drop);
  };
  const bool in_place = Flight::EndsOn(style()) == on;
  switch (point()) {
    case Point::kPrepared:
      flight->Prepare(scene->stub.get(), scene->call.get());
      drop_on();
      flight->Start(nullptr, scene->call.get());
      return;
    case Point::kFallback:
      if (on == ThreadKind::kPool) gate->Open(drop);
      break;
    case Point::kDecided:
      if (in_place) gate->Open(drop);
      break;
    case Point::kDeadline:
      scene->call->context.set_deadline(std::chrono::system_clock::now() +
                                        Ms(10));
      break;
    case Point::kEnded:
    case Point::kLosers:
      if (in_place) flight->on_end = drop;
      break;
    default:
      break;
  }
  flight->Start(scene->stub.get(), scene->call.get());
  if (is_over() || gate->is_open()) return;
  ASSERT_TRUE(
      Eventually([&] { return world->server.hanging() >= facts().hanging; }));
  if (point() == Point::kBackoff) {
    ASSERT_TRUE(Eventually([&] {
      const auto methods = scene->engine->core()->Methods();
      return !methods.empty() &&
             methods.front()->stats.counts().attributions[static_cast<size_t>(
                 core::Attribution::kServerFailure)] == 1;
    }));
  }
  if (point() == Point::kFallback || point() == Point::kDecided) {
    ASSERT_TRUE(gate->WaitForArrival());
  }
  if (point() == Point::kCancelled) scene->call->context.TryCancel();
  drop_on();
  backoffs_ += world->log.seen(id) == 1 ? 1 : 0;
  gate->Open([] {});
}

TEST_P(LifetimeChaosTest, InEveryOrderOnEveryThread) {
  SceneWorld world;
  int cells = 0;
  for (ThreadKind on : kThreadKinds) {
    std::vector<Object> order = MayGo(on);
    do {
      std::string name = ThreadKindName(on) + ":";
      for (Object object : order) {
        name += std::string(" ") + kObjectNames[object];
      }
      SCOPED_TRACE(name);
      RunCell(&world, on, order);
      ++cells;
      if (HasFatalFailure()) return;
    } while (std::next_permutation(order.begin(), order.end()));
  }
  std::cout << cells << " cells\n";
  if (point() == Point::kBackoff) {
    EXPECT_GT(backoffs_, 0) << "no drop ever fell into the wait";
    std::cout << backoffs_ << " of them while the call waited\n";
  }
  if (is_over()) {
    std::cout << "left out: the context on gRPC's callback thread, since "
                 "libgrpc frees a channel twice there\n";
  }
}

std::vector<std::tuple<PointFacts, StubStyle>> Cells() {
  std::vector<std::tuple<PointFacts, StubStyle>> cells;
  for (const PointFacts& facts : kPoints) {
    for (StubStyle style :
         {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
          StubStyle::kCompletionQueueSplit}) {
      // Only calls with a completion queue can be prepared.
      if (facts.point == Point::kPrepared && !Flight::IsQueue(style)) continue;
      cells.emplace_back(facts, style);
    }
  }
  return cells;
}

INSTANTIATE_TEST_SUITE_P(
    Points, LifetimeChaosTest, ::testing::ValuesIn(Cells()),
    [](const ::testing::TestParamInfo<LifetimeChaosTest::ParamType>& cell) {
      const ::testing::TestParamInfo<StubStyle> style(std::get<1>(cell.param),
                                                      cell.index);
      return std::get<0>(cell.param).name + StyleName(style);
    });

}  // namespace
}  // namespace firebreak::testing
