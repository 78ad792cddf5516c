// A server in virtual time: workers, their queue, and its own failures.
//
//   ServerOptions options;
//   options.workers = 10;
//   options.service = Distribution::Exponential(Ms(10));  // 1000 calls/s
//   Server server(&sim, options);
//   server.Submit(std::move(work));
//   sim.At(At(Sec(5)), [&] { server.SetSpeed(0.2); });      // a slow minute
//   sim.At(At(Sec(65)), [&] { server.SetSpeed(1); });
//
// Work begins in the order in which it arrives. What is random about it is
// drawn from the luck that it brings along. So a call gets the same service in
// two runs that differ only in the client's strategy.
//
// A client that no longer waits may cancel. A server that honours cancels
// removes queued work and stops work in progress; another one finishes the work
// for nothing.
//
// Thread safety: none. Ownership: it outlives its work.
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
  // 0: no limit, so no work ever waits.
  int workers = 1;
  // The longest queue; further work is refused at once. Absent: no limit.
  absl::optional<int64_t> queue_limit;
  Distribution service = Distribution::Constant(std::chrono::milliseconds(10));
  // The share of finished work that fails, independently.
  double failure_rate = 0;
  bool honours_cancel = false;
  // The time of a worker that a refusal takes, before its next work begins.
  Duration refusal_work{};

  absl::StatusCode failure_code = absl::StatusCode::kUnavailable;
  absl::StatusCode refusal_code = absl::StatusCode::kResourceExhausted;
};

struct Reply {
  absl::StatusCode code;
  Duration work;  // the time of a worker that it took
};

class Server {
 public:
  struct Work {
    core::Rng luck{0};
    std::function<void()> on_start;  // may be empty
    // Called exactly once, unless a cancel is honoured first.
    std::function<void(const Reply&)> on_end;
    // Its duration and result; absent: drawn from the server's options.
    absl::optional<Reply> fate;
  };
  // A handle to a piece of work; it may be dropped at any time.
  class Job;
  using Handle = std::weak_ptr<Job>;

  struct Stats {
    int64_t arrived = 0;
    int64_t refused = 0;
    int64_t started = 0;
    int64_t ended = 0;
    int64_t broken_off = 0;  // cancelled while queued or in progress
    Duration busy{};         // time of all workers for ended work
    Duration wasted{};       // of that, for replies no client waited for
    // Integrals over time, in seconds, to compute mean lengths.
    double queued_seconds = 0;
    double present_seconds = 0;  // queued or in progress
    Duration spent{};            // from arrival to end, of all ended work
  };

  Server(Simulation* sim, ServerOptions options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Handle Submit(Work work);
  // No effect on ended work, or if cancels are not honoured.
  void Cancel(const Handle& handle);
  // Work that begins from now on takes 1 / speed times as long; work in
  // progress is not changed. At 0 or below no work begins.
  void SetSpeed(double speed);
  // What happens to work that arrives from now on.
  enum class Trouble {
    kNone,
    kSwallows,  // the work is lost, without an answer
    kRefuses,   // refused at once, with `failure_code`
  };
  void SetTrouble(Trouble trouble) { trouble_ = trouble; }
  // Replaces the options' failure_rate for work that ends from now on.
  void SetFailureRate(double rate) { failure_rate_ = rate; }
  // The client of a reply reports that it no longer waited for it.
  void NoteWasted(Duration work) { stats_.wasted += work; }

  int64_t queued() const { return queued_; }
  int64_t under_way() const { return under_way_; }
  Stats stats();  // as of now

 private:
  void BeginNext();
  void Begin(const std::shared_ptr<Job>& job);
  void End(const std::shared_ptr<Job>& job);
  void Count();  // updates the integrals before a change

  Simulation* const sim_;
  const ServerOptions options_;
  double speed_ = 1;
  double failure_rate_;
  Trouble trouble_ = Trouble::kNone;
  std::deque<std::shared_ptr<Job>> queue_;  // cancelled work included
  int64_t queued_ = 0;                      // without cancelled work
  int64_t under_way_ = 0;
  Duration owed_{};  // time of refusals, added to the next work
  Time counted_;
  Stats stats_;
};

// Several servers behind one name. Each gets every n-th attempt, as in a gRPC
// channel with round_robin: a hedge goes to another server than the attempt
// before it, if there is another one.
class Pool {
 public:
  // `size` is at least 1.
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
