// Waits that a signal can interrupt, and that have a limit.
//
//   shop::CatchInterrupts();                      // once, in main
//   absl::Status s = shop::WaitUntil("the breaker to open", absl::Seconds(15),
//                                    [&] { return IsOpen(); });
//
// DEADLINE_EXCEEDED names what did not happen; CANCELLED means SIGINT or
// SIGTERM. So the waiting code returns, and destructors clean up.
#ifndef FIREBREAK_EXAMPLES_SHOP_WAIT_H_
#define FIREBREAK_EXAMPLES_SHOP_WAIT_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace shop {

// From now on SIGINT and SIGTERM end waits, not the process.
void CatchInterrupts();

// Checks the condition every few milliseconds.
absl::Status WaitUntil(absl::string_view what, absl::Duration limit,
                       absl::FunctionRef<bool()> condition);
absl::Status Pause(absl::Duration duration);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_WAIT_H_
