// Health checks that are sent in place of probe calls, for breakers that ask
// for them (BreakerOptions::health_check).
//
//   checks->Look(&breaker, channels, now);   // at each look while it is OPEN
//   checks->Stop();
//
// Breakers of one channel name and target that ask for one service share its
// checks: one for each probe interval, however many methods there are, and one
// at a time. A breaker that asks while a check is running, or soon after it,
// gets the answer of that check. Checks do not keep a channel alive: a check
// whose channel has no other user is cancelled at the next look. None begins
// unless a breaker is OPEN.
//
// A check may take as long as an interval, and at least a second. If it takes
// longer, the next one may take twice as long, up to the policy's
// probe_timeout. So a server that swallows a check is asked again soon, and a
// slow server gets the time to answer.
//
// Thread safety: safe from any thread. Ownership: `io`, the breakers and their
// logs must outlive Stop(). Checks that are running then are cancelled, and
// their answers are dropped.
#ifndef FIREBREAK_SRC_ENGINE_IO_HEALTH_CHECKS_H_
#define FIREBREAK_SRC_ENGINE_IO_HEALTH_CHECKS_H_

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "src/core/base/mutex.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/io/io.h"

namespace firebreak::engine {

struct HealthChannel {
  std::weak_ptr<grpc::Channel> channel;
  // Whether its messages are grpc::ByteBuffers, as its interceptors expect.
  bool is_generic = false;
};

class HealthChecks : public std::enable_shared_from_this<HealthChecks> {
 public:
  // The `owner` in SetOwner() keeps `io` and the breakers alive. It is held
  // weakly.
  static std::shared_ptr<HealthChecks> Create(Io* io);
  void SetOwner(std::weak_ptr<void> owner);
  void Stop();

  // Checks the target of `breaker`, if a check is due, on one of these
  // channels, which all go to that target.
  void Look(core::Breaker* breaker, const std::vector<HealthChannel>& channels,
            core::Time now);
  // Cancels checks whose channel has no other user.
  void CancelWhatNobodyUses();

 private:
  class Check;
  struct Running;
  // Channel, target, service.
  using Key = std::tuple<std::string, std::string, std::string>;
  struct Asked {
    std::vector<core::Breaker*> breakers;
    std::shared_ptr<Running> running;  // null: none
    core::Time begun;
    core::HealthAnswer answer;  // of the last one
    core::Duration timeout = core::Duration::zero();
    bool is_answered = false;
  };

  explicit HealthChecks(Io* io) : io_(io) {}
  // Starts a check on a channel that is connected. Returns false if there is
  // none.
  bool Begin(const Key& key, core::Duration timeout,
             const std::vector<HealthChannel>& channels, core::Time now);
  void ForgetOld(core::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnAnswer(const Key& key, const core::HealthAnswer& answer,
                bool timed_out);
  // Logs, once for each key, that the health check gives no usable answer.
  void TellThatThereIsNoWord(const Key& key, const core::HealthAnswer& answer,
                             const core::Breaker& breaker);

  Io* const io_;
  core::Mutex mu_;
  std::weak_ptr<void> owner_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::map<Key, Asked> asked_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Key> told_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_HEALTH_CHECKS_H_
