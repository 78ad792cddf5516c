// The times between the points of lifetime_chaos_test.cc: engines, channels,
// stubs and contexts are created and destroyed on several threads at once, at
// random times of random calls, and nothing holds a call at a point. Each call
// ends once, every engine ends too, and no thread is left.
//
//   FIREBREAK_SEED=7    repeats the plan of a run
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "absl/base/config.h"
#include "src/core/base/rng.h"
#include "tests/support/flight.h"
#include "tests/support/scene.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kScenes = 400;  // on each thread; ASan is slow
#elif defined(FIREBREAK_TSAN)
constexpr int kScenes = 150;  // TSan is even slower
#else
constexpr int kScenes = 1000;
#endif
constexpr int kThreads = 4;

constexpr const char* kPolicies[] = {
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }",
    "hedging { max_attempts: 3 delay: \"1ms\" }",
    "hedging { max_attempts: 2 delay: \"0s\" } timeout: \"3ms\"",
    "breaker { consecutive_failures: 1 open_duration: \"1ms\" } retry {}",
    "breaker {}"};
constexpr const char* kSteps[] = {"o", "s1 s1", "s3 o", "u u o", "u s2",
                                  "f", "h h",   "h o",  "p u",   "s2 u"};

class Storm {
 public:
  Storm(SceneWorld* world, uint64_t seed)
      : world_(world),
        threads_(grpc::CreateChannel(world->server.address(),
                                     grpc::InsecureChannelCredentials())),
        rng_(seed) {}

  void Run() {
    for (int i = 0; i < kScenes; ++i) RunScene();
  }
  bool AllGone() const {
    return std::all_of(cores_.begin(), cores_.end(),
                       [](const auto& core) { return core.expired(); });
  }

 private:
  template <size_t n>
  const char* Any(const char* const (&list)[n]) {
    return list[static_cast<size_t>(rng_.Uniform() * n)];
  }

  void Pause() {
    std::this_thread::sleep_for(
        std::chrono::microseconds(static_cast<int>(rng_.Uniform() * 1500)));
  }

  void Shuffle(std::vector<Object>* objects) {
    for (size_t i = objects->size(); i > 1; --i) {
      std::swap((*objects)[i - 1],
                (*objects)[static_cast<size_t>(rng_.Uniform() *
                                               static_cast<double>(i))]);
    }
  }

  void RunScene() {
    const size_t id = world_->next_id++;
    const auto style = static_cast<StubStyle>(rng_.Next() % 4);
    Flight flight(style);
    Scene scene;
    scene.engine = MakeEngine(Any(kPolicies));
    cores_.push_back(scene.engine->core());
    if (rng_.Uniform() < 0.3) {
      EXPECT_TRUE(scene.engine
                      ->SetFallback("test", kUnaryMethod,
                                    [](const grpc::ByteBuffer&,
                                       const grpc::Status& failure,
                                       grpc::ByteBuffer*) { return failure; })
                      .ok());
    }
    scene.channel = scene.engine->CreateChannel(
        "test", world_->server.address(), grpc::InsecureChannelCredentials());
    scene.stub = Echo::NewStub(scene.channel);
    scene.call =
        std::make_unique<UnaryCall>(absl::StrCat(id, " ", Any(kSteps)));
    scene.call->context.AddMetadata(kCallIdKey, absl::StrCat(id));
    // The deadline also ends the calls that hang. Some deadlines pass before
    // the call begins.
    scene.call->context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::microseconds(static_cast<int>(rng_.Uniform(-1000, 8000))));
    if (rng_.Uniform() < 0.2) ForceOpen(scene.engine.get());
    std::vector<Object> order = MayGoInFlight(style);
    // The context may be destroyed exactly at the end of the call, while the
    // thread that starts the call is still starting it.
    const bool at_once = style != StubStyle::kSync && rng_.Uniform() < 0.5;
    if (at_once) {
      flight.on_end = [&scene] { scene.Drop({kContext}); };
      // In a callback, gRPC forbids to drop the channel with it.
      if (style == StubStyle::kCallback) order = {kEngine};
    }
    flight.Start(scene.stub.get(), scene.call.get());
    Shuffle(&order);
    for (Object object : order) {
      Pause();
      if (!at_once && rng_.Uniform() < 0.2) scene.call->context.TryCancel();
      DropOne(&scene, object);
    }
    flight.Wait();
    EXPECT_EQ(flight.ends(), 1);
    const StatusCode code = flight.status().error_code();
    EXPECT_TRUE(code == StatusCode::OK || code == StatusCode::UNAVAILABLE ||
                code == StatusCode::NOT_FOUND ||
                code == StatusCode::CANCELLED ||
                code == StatusCode::DEADLINE_EXCEEDED)
        << code << " " << flight.status().error_message();
    if (code == StatusCode::OK) {
      EXPECT_EQ(flight.text(), absl::StrCat(id));
    }
  }

  // Forces the breaker open, so that calls are refused on the thread that
  // starts them.
  void ForceOpen(Engine* engine) {
    engine->core()
        ->BindChannel("test", {world_->server.address()})
        ->Find(kUnaryMethod)
        ->targets.front()
        ->ForceOpen(absl::nullopt, engine::Now());
  }

  void DropOne(Scene* scene, Object object) {
    const auto kind = static_cast<ThreadKind>(rng_.Next() % 6);
    const bool on_engine = kind == ThreadKind::kPoller ||
                           kind == ThreadKind::kTimer ||
                           kind == ThreadKind::kPool;
    // Once the engine has been dropped, its threads cannot be used any more.
    if (on_engine && scene->engine == nullptr) {
      scene->Drop({object});
      return;
    }
    threads_.Run(kind, on_engine ? scene->engine->core() : nullptr,
                 [&] { scene->Drop({object}); });
  }

  SceneWorld* const world_;
  ThreadKinds threads_;
  core::Rng rng_;
  std::vector<std::weak_ptr<engine::EngineCore>> cores_;
};

TEST(LifetimeStormTest, NothingOutlivesItsUse) {
  const char* const given = std::getenv("FIREBREAK_SEED");
  const uint64_t seed =
      given != nullptr
          ? static_cast<uint64_t>(std::atoll(given))
          : static_cast<uint64_t>(
                std::chrono::system_clock::now().time_since_epoch().count());
  std::cout << "FIREBREAK_SEED=" << seed << ", " << kThreads << " x " << kScenes
            << " scenes\n";
  SceneWorld world;
  {
    std::vector<std::unique_ptr<Storm>> storms;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < kThreads; ++i) {
      storms.push_back(std::make_unique<Storm>(&world, seed + i));
      threads.emplace_back([storm = storms.back().get()] { storm->Run(); });
    }
    for (auto& thread : threads) thread.join();
    for (auto& storm : storms) {
      EXPECT_TRUE(Eventually([&] { return storm->AllGone(); }));
    }
  }
  EXPECT_TRUE(Eventually([] { return OwnThreads() == 1; }))
      << OwnThreads() << " threads are left, this one included";
}

}  // namespace
}  // namespace firebreak::testing
