// The customers of the worst day: they come at a given rate whatever becomes of
// those before them, wait for ten seconds, and press reload.
//
//   shop::Customers customers(gateway_address);
//   customers.SetOrderRate(150);                 // a second; pages: always 20
//   ...
//   std::vector<Customers::Visit> visits = customers.Between(from, to);
//
// A customer who asks again means the same order, and says so (request_id).
// Times are counted from the first press.
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
    absl::Duration took = absl::InfiniteDuration();  // until it was answered
    int presses = 0;
    bool over = false;  // answered, or given up
    v1::CreateOrderReply::State state = v1::CreateOrderReply::STATE_UNSPECIFIED;
    std::string order_id;
  };

  explicit Customers(const std::string& gateway);
  // Waits for those who are there.
  ~Customers();

  void SetOrderRate(double per_second) { order_rate_ = per_second; }
  // Nobody comes any more, and nobody presses reload.
  void Stop();
  // Those who came in [from, to).
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
  // Guarded by mu_, elements included. They stay where they are.
  std::deque<Visit> visits_;
  std::thread thread_;  // last: it uses all of the above
};

// Of a share q of visits it took no longer; infinite when they were not
// answered. Zero for no visits.
absl::Duration TimeAt(double q, const std::vector<Customers::Visit>& visits,
                      Customers::Kind kind);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_CUSTOMERS_H_
