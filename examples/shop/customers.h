// The customers of the worst day. They come at a given rate whatever happens to
// earlier ones, wait for ten seconds, and press reload.
//
//   shop::Customers customers(gateway_address);
//   customers.SetOrderRate(150);                 // a second; pages: always 20
//   ...
//   std::vector<Customers::Visit> visits = customers.Between(from, to);
//
// A customer who presses reload sends the same order again, with the same
// request_id. Times are counted from the first press.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_CUSTOMERS_H_
#define FIREBREAK_EXAMPLES_SHOP_CUSTOMERS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

class Customers {
 public:
  enum class Kind { kOrder, kProfile, kSearch };
  struct Visit {
    Kind kind = Kind::kOrder;
    absl::Time came;
    absl::Duration took = absl::InfiniteDuration();  // until the answer
    int presses = 0;
    bool over = false;  // answered, or given up
    v1::CreateOrderReply::State state = v1::CreateOrderReply::STATE_UNSPECIFIED;
    std::string order_id;
  };

  explicit Customers(const std::string& gateway);
  // Waits for the customers in flight.
  ~Customers();

  void SetOrderRate(double per_second) { order_rate_ = per_second; }
  // From now on no customer comes, and none presses reload.
  void Stop();
  // The visits that began in [from, to).
  std::vector<Visit> Between(absl::Time from, absl::Time to) const;

 private:
  struct Press;

  void Come();
  void Add(Kind kind);
  void Send(Visit* visit);
  void OnAnswer(std::unique_ptr<Press> press, const grpc::Status& status);

  v1::OrderService::Stub orders_;
  v1::UserService::Stub users_;
  v1::InventoryService::Stub inventory_;
  std::atomic<double> order_rate_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int> in_flight_{0};
  mutable std::mutex mu_;
  // Guarded by mu_, elements included. A deque, whose elements do not move.
  std::deque<Visit> visits_;
  std::thread thread_;  // last: it uses all of the above
};

// The q-quantile of the time that visits took; infinite if so many were not
// answered. Zero for no visits.
absl::Duration TimeAt(double q, const std::vector<Customers::Visit>& visits,
                      Customers::Kind kind);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_CUSTOMERS_H_
