// What the demo found out, the line that says it, and what it must be.
#ifndef FIREBREAK_EXAMPLES_SHOP_FACTS_H_
#define FIREBREAK_EXAMPLES_SHOP_FACTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace shop {

struct Facts {
  // Of the breaker, in order, from the event log: "closed,open,...".
  std::string states;
  // Of CreateOrder, with firebreak.
  int64_t calls = 0;
  int64_t answered = 0;
  // Calls without an answer, and orders neither charged nor queued.
  int64_t lost = 0;
  // Of CreateOrder while payment is frozen and nothing guards its caller.
  absl::Duration frozen_baseline_p99;
  // Of CreateOrder while the breaker is open: of the calls that this machine
  // did not hold up itself. See stall_watch.h.
  absl::Duration open_p99;
  // Calls that got to payment in that time. See open_watch.h.
  int64_t reached_while_open = 0;
  // From the first probe being due, and payment being up, to CLOSED.
  absl::Duration recovery;
  // Orders that were undone because payment declined them.
  int64_t compensated = 0;
  // Pieces that are reserved for no order, once all orders are done.
  int64_t stock_leaked = 0;
  // Orders that are in payment's ledger more than once.
  int64_t double_charged = 0;
};

// "demo: ok states=..."
std::string FinalLine(const Facts& facts);

// OK, or all that is not as the story has it.
absl::Status Judge(const Facts& facts);

// What took longer than it should; empty when nothing did. Not part of Judge():
// it may be the machine's fault, and the story happened all the same.
std::string TooSlow(const Facts& facts);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_FACTS_H_
