// What the order server's firebreak says about its calls to payment. It is read
// from the admin service, as an operator would.
//
//   shop::AdminView admin("127.0.0.1:50051");
//   absl::StatusOr<firebreak::v1::Method> charge = admin.Charge();
//   if (shop::StateOf(*charge) == "open") ...
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_ADMIN_VIEW_H_
#define FIREBREAK_EXAMPLES_SHOP_ADMIN_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "firebreak/v1/admin.grpc.pb.h"

namespace shop {

class AdminView {
 public:
  explicit AdminView(const std::string& target);

  // The state of the method. NOT_FOUND before its first call.
  absl::StatusOr<firebreak::v1::Method> Charge() const;
  // All events of the method so far, in order.
  absl::StatusOr<std::vector<firebreak::v1::Event>> Events() const;

 private:
  const std::unique_ptr<firebreak::v1::Admin::Stub> admin_;
};

// "closed", "open", "half_open", ... "unknown" without a breaker.
std::string StateOf(const firebreak::v1::Method& method);
std::string StateName(firebreak::v1::BreakerState state);
// The number of attempts sent to payment.
int64_t AttemptsOf(const firebreak::v1::Method& method);
// When the next call may be a probe. InfinitePast() while not open.
absl::Time ProbeDueOf(const firebreak::v1::Method& method);
absl::Time TimeOf(const firebreak::v1::Event& event);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_ADMIN_VIEW_H_
