// Checks that no call reaches payment while the breaker is open.
//
//   OpenWatch watch(&admin, payment_address);   // once it is open
//   watch.Look(/*payment=*/nullptr);            // repeatedly
//
// It has three sources, since none of them sees every call:
//  - firebreak's own count of attempts, from the admin service, for the whole
//    time. It would show a breaker that admits calls, but it depends on
//    firebreak.
//  - The kernel's count of bytes that arrived for the frozen process, which
//    cannot count itself. It would show calls that firebreak does not count.
//  - The restarted payment server's own count of calls, from its start to the
//    first probe.
// A reading only counts if it was complete before the first probe was due, so
// that it cannot include one.
#ifndef FIREBREAK_EXAMPLES_SHOP_OPEN_WATCH_H_
#define FIREBREAK_EXAMPLES_SHOP_OPEN_WATCH_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "examples/shop/admin_view.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

class OpenWatch {
 public:
  // Create it while the breaker is open. `admin` outlives the watch.
  OpenWatch(const AdminView* admin, const std::string& payment_address);

  // Waits until the frozen process has the bytes of all earlier calls: gRPC
  // still sends the end of calls that timed out. Call this once, before Look().
  absl::Status BeginFrozen();
  // Takes the last reading of the frozen process, before it is killed.
  void EndFrozen();
  // Takes a reading; with `payment`, also from the server.
  absl::Status Look(v1::PaymentService::Stub* payment);

  // The values of the last reading.
  const firebreak::v1::Method& method() const { return method_; }
  absl::Time probe_due() const { return probe_due_; }
  // The number of calls that reached payment: the highest count of any source.
  int64_t reached() const;
  // The evidence, in one line.
  std::string ToString() const;

 private:
  const AdminView* const admin_;
  const int port_;
  firebreak::v1::Method method_;
  absl::Time probe_due_ = absl::InfinitePast();
  absl::optional<int64_t> attempts_before_;
  int64_t attempts_ = 0;  // since then
  // Absent if the kernel has no such count.
  absl::optional<int64_t> bytes_before_;
  int64_t bytes_ = 0;  // since then
  int64_t calls_ = 0;  // that the restarted server saw
  int readings_ = 0;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_OPEN_WATCH_H_
