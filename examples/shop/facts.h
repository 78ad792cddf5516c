// The results of the demo, the line that prints them, and their limits.
#ifndef FIREBREAK_EXAMPLES_SHOP_FACTS_H_
#define FIREBREAK_EXAMPLES_SHOP_FACTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace shop {

struct Facts {
  // The states of the breaker, in order, from the event log: "closed,open,...".
  std::string states;
  // Calls of CreateOrder, with firebreak.
  int64_t calls = 0;
  int64_t answered = 0;
  // Calls without an answer, and orders neither charged nor queued.
  int64_t lost = 0;
  // The p99 of CreateOrder while payment is frozen, without firebreak.
  absl::Duration frozen_baseline_p99;
  // The p99 of CreateOrder while the breaker is open, without the calls that
  // this machine itself delayed. See stall_watch.h.
  absl::Duration open_p99;
  // Calls that reached payment in that time. See open_watch.h.
  int64_t reached_while_open = 0;
  // The time from when the first probe was due, and payment was up, to CLOSED.
  absl::Duration recovery;
  // Orders that were undone since payment declined them.
  int64_t compensated = 0;
  // Items that are reserved for no order, once all orders are done.
  int64_t stock_leaked = 0;
  // Orders that are in payment's ledger more than once.
  int64_t double_charged = 0;
};

// Returns "demo: ok states=...".
std::string FinalLine(const Facts& facts);

// Returns OK, or everything that is not as expected.
absl::Status Judge(const Facts& facts);

// Says what took longer than it should; empty if nothing did. It is not part of
// Judge(), since it may be due to the machine.
std::string TooSlow(const Facts& facts);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_FACTS_H_
