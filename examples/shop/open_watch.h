// Watches that nothing reaches payment while the breaker is open.
//
//   OpenWatch watch(&admin, payment_address);   // once it is open
//   watch.Look(/*payment=*/nullptr);            // again and again
//
// Three witnesses, since none sees all:
//  - firebreak's own count of attempts, through the admin service: for the
//    whole time, but it is firebreak that says it. It would tell of a breaker
//    that lets calls through.
//  - the kernel: bytes that arrived for the frozen process, which cannot count
//    itself. It would tell of calls that firebreak does not count.
//  - the restarted payment server's own count of calls, the same for the time
//    from its start to the first probe.
// Readings count only when they are complete before the first probe is due, and
// so cannot have seen one.
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
  // The breaker is open. `admin` outlives the watch.
  OpenWatch(const AdminView* admin, const std::string& payment_address);

  // Waits for the frozen process' bytes to be those of all calls from before:
  // gRPC still sends the end of calls that timed out. Call once, then Look().
  absl::Status BeginFrozen();
  // The last look at the frozen process, before it is killed.
  void EndFrozen();
  // Takes a reading; with `payment`, of the server too.
  absl::Status Look(v1::PaymentService::Stub* payment);

  // As of the last look.
  const firebreak::v1::Method& method() const { return method_; }
  absl::Time probe_due() const { return probe_due_; }
  // The calls that got through, as far as any witness knows.
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
  // Absent where the kernel does not tell.
  absl::optional<int64_t> bytes_before_;
  int64_t bytes_ = 0;  // since then
  int64_t calls_ = 0;  // that the restarted server saw
  int readings_ = 0;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_OPEN_WATCH_H_
