// Plays the worst day of the shop: an ordinary morning, fifteen times the
// orders, payment freezes, and payment comes back. See docs/worst-day.md.
//
//   WorstDay day(options, [](const WorstDay::Second& second) { ... });
//   absl::StatusOr<WorstDay::Facts> facts = day.Play();
//
// All servers are processes on loopback ports. Their flags, the customers, the
// orders and the outage are the same with and without firebreak.
#ifndef FIREBREAK_EXAMPLES_SHOP_WORST_DAY_H_
#define FIREBREAK_EXAMPLES_SHOP_WORST_DAY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "examples/shop/customers.h"
#include "examples/shop/servers.h"

namespace shop {

class WorstDay {
 public:
  // The phases, in seconds since the first customer.
  static constexpr int kPeak = 4;   // 15 times the orders from now to the end
  static constexpr int kDead = 9;   // payment is frozen
  static constexpr int kBack = 29;  // it is killed and started again
  static constexpr int kEnd = 89;
  static constexpr int kOrdersBefore = 10;  // a second
  static constexpr int kOrdersPeak = 150;

  struct Options {
    Folders folders;
    bool firebreak = true;
    // The policy files of gateway and order.
    std::string gateway_policy;
    std::string order_policy;
    // It ends once everything is as before, at the earliest this many seconds
    // after kBack.
    int settle = 60;
  };

  // One second of the day, read a second later.
  struct Second {
    int at = 0;
    int came = 0;        // orders
    int answered = 0;    // of these, answered within 1 s
    int quickly = 0;     // answered within 100 ms
    int paid = 0;        // answered within 1 s as PAID
    absl::Duration p99;  // of orders; infinite: not answered yet
    absl::Duration pages_p99;
    int64_t gateway_blocked = 0;
    int64_t gateway_queue = 0;
    int64_t order_blocked = 0;
    int64_t order_queue = 0;
    int64_t payment_queue = 0;  // -1: not known
    int64_t waiting = 0;        // orders in the database, to be charged
  };

  struct Facts {
    std::vector<Second> seconds;
    // During the outage.
    double answered_share = 0;  // within 1 s
    double quickly_share = 0;   // within 100 ms
    absl::Duration p99;
    absl::Duration pages_p99;
    absl::Duration healthy_pages_p99;
    int64_t reached_dead = 0;  // charges sent to payment during the outage
    double gateway_blocked_seconds = 0;
    double order_blocked_seconds = 0;
    // Seconds from payment's return until orders are answered and paid as
    // before. Negative: they never were.
    double back_s = -1;
    // Seconds until no order waited. Negative: some still do.
    double drained_s = -1;
    // The number of seconds in which fewer orders were paid again, after the
    // recovery.
    int relapses = 0;
    // During the whole day.
    int64_t orders = 0;
    int64_t promised = 0;        // answered as PAID or QUEUED
    int64_t lost = 0;            // promised, but neither charged nor waiting
    int64_t double_charged = 0;  // twice in payment's ledger
    int64_t charged_unanswered = 0;  // charged, without an answer
  };

  WorstDay(Options options, std::function<void(const Second&)> tell);

  // Call it once, in a thread that outlives it (see process.h).
  absl::StatusOr<Facts> Play();

 private:
  struct Loads;

  absl::Status Start();
  absl::Status Watch(int until);
  Second Look(int at);
  absl::Status Conclude();

  const Options options_;
  const std::function<void(const Second&)> tell_;
  Facts facts_;
  Helpers helpers_;
  Server payment_;
  Server orders_;
  Server gateway_;
  std::shared_ptr<Loads> loads_;
  std::unique_ptr<v1::OrderService::Stub> order_stats_;
  std::unique_ptr<Customers> customers_;
  absl::Time start_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_WORST_DAY_H_
