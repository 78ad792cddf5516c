// The worst day of the shop, once: an ordinary morning, fifteen times the
// orders, payment freezes, payment is back, and then? See docs/worst-day.md.
//
//   WorstDay day(options, [](const WorstDay::Second& second) { ... });
//   absl::StatusOr<WorstDay::Facts> facts = day.Play();
//
// All servers are processes on loopback ports, with the same flags whether
// firebreak guards the calls or not; so are customers, orders and the outage.
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
  // Its parts, in seconds since the first customer.
  static constexpr int kPeak = 4;   // 15 times the orders from here to the end
  static constexpr int kDead = 9;   // payment is frozen
  static constexpr int kBack = 29;  // it is killed and started again
  static constexpr int kEnd = 89;
  static constexpr int kOrdersBefore = 10;  // a second
  static constexpr int kOrdersPeak = 150;

  struct Options {
    Folders folders;
    bool firebreak = true;
    // The policies of gateway and order.
    std::string gateway_policy;
    std::string order_policy;
    // Ends once all is as before, from so many seconds after kBack on.
    int settle = 60;
  };

  // One second of it, as seen a second later.
  struct Second {
    int at = 0;
    int came = 0;        // orders
    int answered = 0;    // of them, within 1 s
    int quickly = 0;     // within 100 ms
    int paid = 0;        // within 1 s, and not as QUEUED
    absl::Duration p99;  // of orders; infinite: not answered by then
    absl::Duration pages_p99;
    int64_t gateway_blocked = 0;
    int64_t gateway_queue = 0;
    int64_t order_blocked = 0;
    int64_t order_queue = 0;
    int64_t payment_queue = 0;  // -1: it does not say
    int64_t waiting = 0;        // orders in the database, to be charged
  };

  struct Facts {
    std::vector<Second> seconds;
    // Of the outage.
    double answered_share = 0;  // within 1 s
    double quickly_share = 0;   // within 100 ms
    absl::Duration p99;
    absl::Duration pages_p99;
    absl::Duration healthy_pages_p99;
    int64_t reached_dead = 0;  // charges sent to payment meanwhile
    double gateway_blocked_seconds = 0;
    double order_blocked_seconds = 0;
    // From payment's return until orders are answered, and paid, as before.
    // Negative: they never were.
    double back_s = -1;
    // And until no order waited any more. Negative: some still do.
    double drained_s = -1;
    // How often the breaker has been needed since: seconds in which fewer were
    // paid, after they had been as before.
    int relapses = 0;
    // Of all of the day.
    int64_t orders = 0;
    int64_t promised = 0;        // answered as PAID or QUEUED
    int64_t lost = 0;            // promised, and neither charged nor waiting
    int64_t double_charged = 0;  // twice in payment's ledger
    int64_t charged_unanswered = 0;  // charged, and the customer has no answer
  };

  WorstDay(Options options, std::function<void(const Second&)> tell);

  // Call once, in a thread that outlives it (see process.h).
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
