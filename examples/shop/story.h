// The demo's script, with real processes on the loopback interface:
//
//   without firebreak   payment answers, then freezes: calls wait
//   healthy             the same with firebreak, from here on
//   frozen              calls wait, until the breaker opens
//   open                calls are answered at once, orders are queued
//   killed, restarted   still open
//   half-open, closed   as soon as payment is back
//   drained             the queued orders are charged
#ifndef FIREBREAK_EXAMPLES_SHOP_STORY_H_
#define FIREBREAK_EXAMPLES_SHOP_STORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "examples/shop/admin_view.h"
#include "examples/shop/facts.h"
#include "examples/shop/load.h"
#include "examples/shop/open_watch.h"
#include "examples/shop/report.h"
#include "examples/shop/servers.h"
#include "examples/shop/stall_watch.h"

namespace shop {

class Story {
 public:
  struct Options {
    Folders folders;
    // The length of the phases that do not depend on the breaker.
    absl::Duration phase = absl::Seconds(3);
  };

  Story(Options options, const Report* report);

  // Returns what happened, whether it was expected or not, or an error if it
  // could not continue. Call it once, in a thread that outlives the story (see
  // process.h).
  absl::StatusOr<Facts> Play();

 private:
  absl::Status PlayBaseline();
  absl::Status Start();
  absl::Status PlayHealthy();
  absl::Status PlayFrozen();
  absl::Status PlayOpen();
  absl::Status Restart();
  absl::Status PlayRecovery();
  absl::Status PlayDrain();
  // Reads the breaker's states from the event log, and what depends on them.
  absl::Status Conclude();

  const Options options_;
  const Report* const report_;
  Facts facts_;

  Helpers helpers_;
  Server payment_;
  Server orders_;
  std::unique_ptr<v1::PaymentService::Stub> restarted_payment_;
  std::unique_ptr<AdminView> admin_;
  std::unique_ptr<Load> load_;
  absl::optional<OpenWatch> watch_;
  StallWatch stalls_;
  absl::Time frozen_at_;
  absl::Time opened_at_;  // as observed; the event log is more exact
  absl::Time restarted_at_;
  absl::Time closed_at_;  // as observed
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_STORY_H_
