// The fixtures of the tests of faults: an engine whose breakers open and close
// quickly, a check of its counts at the end, and a check that a test leaves no
// thread or descriptor behind.
//
//   class KillTest : public ChaosTest {};
//   TEST_P(KillTest, ...) {
//     ServerProcess server;
//     ChaosEngine engine(GetParam().policy());
//     Load load(engine.Channel(server.address()), Options());
//     ...
//     engine.StopAndCheck(&load);
//   }
//   INSTANTIATE_TEST_SUITE_P(Shapes, KillTest, AllShapes(), ShapeName);
//
// Time limits here only distinguish operations that end from those that hang.
#ifndef FIREBREAK_TESTS_CHAOS_CHAOS_FIXTURE_H_
#define FIREBREAK_TESTS_CHAOS_CHAOS_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "firebreak/engine.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/method_stats.h"
#include "tests/chaos/leftovers.h"
#include "tests/chaos/load.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

// Opens after five failures in a row, and sends one probe 200 ms later.
inline constexpr char kQuickBreaker[] =
    "breaker { consecutive_failures: 5 failure_rate: 0 probes: 1 "
    "open_duration: \"200ms\" max_open_duration: \"200ms\" open_jitter: 0 "
    "probe_timeout: \"300ms\" } ";
inline constexpr char kQuickRetry[] =
    "retry { max_attempts: 4 "
    "backoff { initial: \"10ms\" max: \"50ms\" jitter: NONE } } ";
inline constexpr char kQuickHedging[] =
    "hedging { max_attempts: 4 delay: \"60ms\" } ";

struct Shape {
  StubStyle style;
  bool driven;  // with retries and hedges; false: with a breaker only

  std::string policy() const {
    return driven ? std::string(kQuickBreaker) + kQuickRetry + kQuickHedging
                  : kQuickBreaker;
  }
};

// Every stub style, guarded and driven.
inline auto AllShapes() {
  return ::testing::Values(
      Shape{StubStyle::kSync, true}, Shape{StubStyle::kCallback, true},
      Shape{StubStyle::kCompletionQueue, true},
      Shape{StubStyle::kCompletionQueueSplit, true},
      Shape{StubStyle::kSync, false}, Shape{StubStyle::kCallback, false},
      Shape{StubStyle::kCompletionQueue, false});
}
// Fewer shapes, for a fault that affects calls almost like that of another
// test.
inline auto FewShapes() {
  return ::testing::Values(Shape{StubStyle::kSync, true},
                           Shape{StubStyle::kCallback, true},
                           Shape{StubStyle::kCompletionQueueSplit, true},
                           Shape{StubStyle::kCallback, false});
}
inline auto DrivenShapes() {
  return ::testing::Values(Shape{StubStyle::kSync, true},
                           Shape{StubStyle::kCallback, true},
                           Shape{StubStyle::kCompletionQueue, true});
}
std::string ShapeName(const ::testing::TestParamInfo<Shape>& info);

// Returns the number of ends that a network cannot cause if it only loses or
// delays data: then a call succeeds, ends at its deadline, or is refused.
int Surprises(const Load& load);
// Expects that every call so far was OK. Calls may be running.
void ExpectAllOk(const Load& load);

// Makes gRPC reconnect sooner, which also shortens a test that ends while gRPC
// waits to reconnect.
grpc::ChannelArguments QuickReconnects();

class ChaosEngine {
 public:
  explicit ChaosEngine(const std::string& method_policy);

  // Creates a channel with its own connection. By default gRPC shares one
  // between channels with the same arguments.
  std::shared_ptr<grpc::Channel> Channel(const std::string& target,
                                         grpc::ChannelArguments args = {});

  const std::shared_ptr<Engine>& engine() const { return engine_; }
  core::MethodCounts counts() const;
  core::BreakerSnapshot breaker() const;
  // Waits until the breaker is in this state, by itself or because of a call.
  // Returns false after a generous time.
  bool WaitFor(core::BreakerState state) const;

  // Ends a load that made all the calls of this engine, and checks it: the load
  // was sound, the engine counted what the callers saw, every attempt has ended
  // and has an attribution, and nothing is in flight.
  void StopAndCheck(Load* load) const;

 private:
  void ExpectBooksOf(const Load& load) const;

  std::shared_ptr<Engine> engine_;
};

// Expects that a test leaves neither a thread nor a descriptor behind. This
// includes the members of a derived fixture, since the base is constructed
// before and destroyed after them.
class CleanTest : public ::testing::Test {
 protected:
  CleanTest();
  ~CleanTest() override;

 private:
  Leftovers before_;
};

class ChaosTest : public CleanTest,
                  public ::testing::WithParamInterface<Shape> {
 protected:
  Load::Options Options() const {
    Load::Options options;
    options.style = GetParam().style;
    return options;
  }
  // Options with which no call reaches its deadline, however slow the machine.
  Load::Options PatientOptions() const {
    Load::Options options = Options();
    options.deadline = std::chrono::seconds(20);
    return options;
  }
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_CHAOS_FIXTURE_H_
