// What the tests of faults share: an engine whose breakers open and close
// quickly, its books at the end, and a look at what a test leaves behind.
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
// Bounds of time here only tell what ends from what hangs.
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

// Opens on five failures in a row, asks again 200 ms later with one probe.
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
  bool driven;  // retried and hedged; else guarded by the breaker only

  std::string policy() const {
    return driven ? std::string(kQuickBreaker) + kQuickRetry + kQuickHedging
                  : kQuickBreaker;
  }
};

// Every style of stub, both ways.
inline auto AllShapes() {
  return ::testing::Values(
      Shape{StubStyle::kSync, true}, Shape{StubStyle::kCallback, true},
      Shape{StubStyle::kCompletionQueue, true},
      Shape{StubStyle::kCompletionQueueSplit, true},
      Shape{StubStyle::kSync, false}, Shape{StubStyle::kCallback, false},
      Shape{StubStyle::kCompletionQueue, false});
}
// Fewer, where the fault is much the same to a call as that of another test.
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

// Ends that a network which only swallows or slows down does not explain: there
// a call succeeds, ends at its deadline, or is refused.
int Surprises(const Load& load);
// That every call so far ended well; also while others run.
void ExpectAllOk(const Load& load);

// gRPC waits less before it connects again, and so does a test that ends while
// it waits.
grpc::ChannelArguments QuickReconnects();

class ChaosEngine {
 public:
  explicit ChaosEngine(const std::string& method_policy);

  // A connection of its own for each: gRPC would share one between channels
  // that are the same to it.
  std::shared_ptr<grpc::Channel> Channel(const std::string& target,
                                         grpc::ChannelArguments args = {});

  const std::shared_ptr<Engine>& engine() const { return engine_; }
  core::MethodCounts counts() const;
  core::BreakerSnapshot breaker() const;
  // For the engine to come there by itself, or by a call. False after a
  // generous time.
  bool WaitFor(core::BreakerState state) const;

  // Ends a load that made all the calls of this engine. It was sound; what the
  // engine counted is what the callers saw, every attempt has ended and been
  // attributed, and nothing is in flight.
  void StopAndCheck(Load* load) const;

 private:
  void ExpectBooksOf(const Load& load) const;

  std::shared_ptr<Engine> engine_;
};

// Expects that a test leaves neither a thread nor a descriptor behind. What a
// derived fixture owns counts too: this one begins before and ends after it.
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
  // Where no call is to run into its deadline, however slow the machine.
  Load::Options PatientOptions() const {
    Load::Options options = Options();
    options.deadline = std::chrono::seconds(20);
    return options;
  }
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_CHAOS_FIXTURE_H_
