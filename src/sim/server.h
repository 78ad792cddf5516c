// A server in virtual time: workers, a queue before them, and its own troubles.
//
//   ServerOptions options;
//   options.workers = 10;
//   options.service = Distribution::Exponential(Ms(10));  // 1000 calls/s
//   Server server(&sim, options);
//   server.Submit(std::move(work));
//   sim.At(At(Sec(5)), [&] { server.SetSpeed(0.2); });      // a bad minute
//   sim.At(At(Sec(65)), [&] { server.SetSpeed(1); });
//
// Work is begun in the order in which it comes. What is random about one piece
// of it is drawn from the luck that it brings along, so two runs that differ in
// the client's strategy give the same call the same service.
//
// A client that no longer waits may say so (Cancel). A server that honours it
// forgets what is queued and breaks off what is under way; one that does not
// finishes it for nothing.
//
// Thread safety: none. Ownership: outlives what it is given.
#ifndef FIREBREAK_SRC_SIM_SERVER_H_
#define FIREBREAK_SRC_SIM_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/rng.h"
#include "src/sim/distribution.h"
#include "src/sim/simulation.h"

namespace firebreak::sim {

struct ServerOptions {
  // 0: as many as there is work, so nothing ever waits.
  int workers = 1;
  // What may wait at most; more is refused at once. Absent: no bound.
  absl::optional<int64_t> queue_limit;
  Distribution service = Distribution::Constant(std::chrono::milliseconds(10));
  // Of work that is done, each by itself.
  double failure_rate = 0;
  bool honours_cancel = false;
  // Of a worker, that a refusal takes: before it begins with what comes next.
  Duration refusal_work{};

  absl::StatusCode failure_code = absl::StatusCode::kUnavailable;
  absl::StatusCode refusal_code = absl::StatusCode::kResourceExhausted;
};

struct Reply {
  absl::StatusCode code;
  Duration work;  // of a worker, that it took
};

class Server {
 public:
  struct Work {
    core::Rng luck{0};
    std::function<void()> on_start;  // may be empty
    // Exactly once, unless a cancel is honoured first.
    std::function<void(const Reply&)> on_end;
    // What it takes and comes to; absent: drawn by the server's options.
    absl::optional<Reply> fate;
  };
  // Names a piece of work; may be dropped at any time.
  class Job;
  using Handle = std::weak_ptr<Job>;

  struct Stats {
    int64_t arrived = 0;
    int64_t refused = 0;
    int64_t started = 0;
    int64_t ended = 0;
    int64_t broken_off = 0;  // by a cancel, queued or under way
    Duration busy{};         // of all workers, for work that ended by now
    Duration wasted{};       // of that, for replies that nobody waited for
    // Integrals over time, in seconds: for mean lengths.
    double queued_seconds = 0;
    double present_seconds = 0;  // queued or under way
    Duration spent{};            // from arrival to end, of all that ended
  };

  Server(Simulation* sim, ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Handle Submit(Work work);
  // No effect on what has ended, nor where cancels are not honoured.
  void Cancel(const Handle& handle);
  // Work that is begun from now on takes 1 / speed times as long; what is under
  // way goes on as before. At 0 or below nothing is begun.
  void SetSpeed(double speed);
  // What comes from now on meets this; what came before is not touched.
  enum class Trouble {
    kNone,
    kSwallows,  // it is lost without a word
    kRefuses,   // it is sent back at once, with `failure_code`
  };
  void SetTrouble(Trouble trouble) { trouble_ = trouble; }
  // Instead of the options' failure_rate, for work that ends from now on.
  void SetFailureRate(double rate) { failure_rate_ = rate; }
  // Told by who took the reply: it came to nobody.
  void NoteWasted(Duration work) { stats_.wasted += work; }

  int64_t queued() const { return queued_; }
  int64_t under_way() const { return under_way_; }
  Stats stats();  // as of now

 private:
  void BeginNext();
  void Begin(const std::shared_ptr<Job>& job);
  void End(const std::shared_ptr<Job>& job);
  void Count();  // up to now, before anything changes

  Simulation* const sim_;
  const ServerOptions options_;
  double speed_ = 1;
  double failure_rate_;
  Trouble trouble_ = Trouble::kNone;
  std::deque<std::shared_ptr<Job>> queue_;  // with those that were cancelled
  int64_t queued_ = 0;                      // without
  int64_t under_way_ = 0;
  Duration owed_{};  // for refusals
  Time counted_;
  Stats stats_;
};

// Servers behind one name, each of which gets every n-th attempt, as of a
// channel of gRPC with round_robin: a hedge goes to another one than the
// attempt before it, where there is another one.
class Pool {
 public:
  // `size` of at least 1.
  Pool(Simulation* sim, const ServerOptions& options, int size) {
    for (int i = 0; i < size; ++i) {
      servers_.push_back(std::make_unique<Server>(sim, options));
    }
  }

  Server* Next() {
    if (next_ == servers_.size()) next_ = 0;
    return servers_[next_++].get();
  }
  const std::vector<std::unique_ptr<Server>>& servers() const {
    return servers_;
  }

 private:
  std::vector<std::unique_ptr<Server>> servers_;
  size_t next_ = 0;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_SERVER_H_
