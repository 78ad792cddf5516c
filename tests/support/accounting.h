// Compares the counts of a run: what callers got, what servers saw, and what
// the engine counted.
//
//   Accounting books(10'000, [](size_t id) { return CallPlan{...}; });
//   books.Run();
//   books.ExpectBalanced();
//
// There are two servers. Each lane has a channel name with a policy of its own,
// and a few channels that are dropped and replaced while calls run on them. The
// harness counts what callers see and what passed the wire, independently of
// the engine's own rules.
//
// Thread safety: none, except for the functions that Load calls as hooks.
#ifndef FIREBREAK_TESTS_SUPPORT_ACCOUNTING_H_
#define FIREBREAK_TESTS_SUPPORT_ACCOUNTING_H_

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/v1/admin.pb.h"
#include "src/core/base/rng.h"
#include "src/core/measure/method_stats.h"
#include "src/engine/method_runtime.h"
#include "tests/support/fault_server.h"
#include "tests/support/load.h"

namespace firebreak::testing {

enum Lane { kRetryLane, kGuardedLane, kHedgedLane, kFallbackLane };
inline constexpr int kLanes = 4;

// What the callers of one lane got.
struct Tally {
  int64_t calls = 0;
  int64_t successes = 0;
  int64_t failures = 0;
  int64_t rejected = 0;
  int64_t cancelled = 0;
  int64_t fallbacks = 0;         // successes that a fallback gave
  std::map<int, int64_t> codes;  // of failures and cancelled calls
  std::map<std::string, int64_t> rejections;
};

class Accounting {
 public:
  Accounting(size_t calls, std::function<CallPlan(size_t id)> plan);
  ~Accounting();

  // From now on one server at a time is killed and restarted while calls run.
  void KillServersWhileRunning() { kills_servers_ = true; }
  void Run();

  // Compares every counter of every lane, from the engine and from its admin
  // service over a socket, the permits, the budget, and every attempt that a
  // server saw.
  void ExpectBalanced();

  const CallLog& log() const { return log_; }
  Tally& tally(int lane) { return tallies_[static_cast<size_t>(lane)]; }
  core::MethodCounts counts(int lane) const;
  int64_t launched() const;  // attempts of all lanes, as the engine counts
  // How many of them had this attribution, as the engine counts, and how often
  // servers answered with this step (they must not have been killed).
  int64_t attributed(core::Attribution attribution) const;
  int64_t served(char step) const;
  int kills() const { return kills_; }

 private:
  std::shared_ptr<grpc::Channel> NewChannel(int lane, size_t place);
  // Returns a channel of the lane, which is replaced now and then.
  std::shared_ptr<grpc::Channel> PickChannel(int lane);
  void Count(const LoadCall& call);
  void KillServers(Load* load);
  std::shared_ptr<engine::MethodRuntime> Runtime(int lane) const;

  void ExpectLane(int lane, const v1::Method& view);
  void ExpectAttempts(int lane, const v1::AttemptCounts& view);
  void ExpectBudgetKept(int lane);

  static constexpr size_t kServers = 2;
  static constexpr size_t kChannels = 4;  // per lane

  const size_t calls_;
  const std::function<CallPlan(size_t id)> plan_;
  CallLog log_;
  std::array<std::unique_ptr<FaultServer>, kServers> servers_;
  std::array<std::string, kServers> addresses_;
  core::Time started_;
  std::shared_ptr<Engine> engine_;
  bool kills_servers_ = false;
  int kills_ = 0;

  std::mutex channels_mu_;
  core::Rng rng_{1};
  std::array<std::vector<std::shared_ptr<grpc::Channel>>, kLanes> channels_;
  std::mutex tallies_mu_;
  std::array<Tally, kLanes> tallies_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_ACCOUNTING_H_
