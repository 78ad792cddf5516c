// Customers: threads that create orders, one after the other, at a steady rate.
//
//   shop::Load load("127.0.0.1:50051");
//   ...
//   load.Stop();                         // waits for the calls in flight
//   shop::Load::Summary s = load.Between(t0, t1);
//
// A closed loop: a thread waits for the answer before its next order, and does
// not make up for orders it could not place. So calls that hang show up as
// fewer calls, and their number is bounded.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_LOAD_H_
#define FIREBREAK_EXAMPLES_SHOP_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "examples/shop/stall_watch.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

class Load {
 public:
  struct Summary {
    int64_t calls = 0;     // that were started
    int64_t answered = 0;  // with OK: as PAID, QUEUED or CANCELLED
    int64_t failed = 0;    // with another status
    int64_t paid = 0;
    int64_t queued = 0;
    int64_t cancelled = 0;  // their cards were declined
    // Of the calls that have ended. Zero if there are none.
    absl::Duration p50;
    absl::Duration p99;
  };

  // Starts at once.
  explicit Load(const std::string& target);
  ~Load();  // as Stop()

  void Stop();
  // Summarizes the calls that started in [from, to). With `stalls`, without
  // those that the machine itself delayed.
  Summary Between(absl::Time from, absl::Time to,
                  const StallWatch* stalls = nullptr) const;
  // The error of the first call that failed; empty if none has.
  std::string first_error() const;

 private:
  enum class Result { kInFlight, kPaid, kQueued, kCancelled, kFailed };
  struct Call {
    absl::Time start;
    absl::Duration took;
    Result result = Result::kInFlight;
  };

  void Run(int thread);
  Result CreateOrder(bool is_too_much, std::string* error);

  const std::unique_ptr<v1::OrderService::Stub> orders_;
  mutable std::mutex mu_;
  // All guarded by mu_. A deque, whose elements do not move.
  std::deque<Call> calls_;
  std::string first_error_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_LOAD_H_
