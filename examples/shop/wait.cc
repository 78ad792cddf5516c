#include "examples/shop/wait.h"

#include <signal.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shop {
namespace {

constexpr absl::Duration kPeriod = absl::Milliseconds(5);

volatile sig_atomic_t interrupted = 0;

absl::Status Interrupted() { return absl::CancelledError("interrupted"); }

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

absl::Status WaitUntil(absl::string_view what, absl::Duration limit,
                       absl::FunctionRef<bool()> condition) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (interrupted != 0) return Interrupted();
    if (absl::Now() >= end) {
      return absl::DeadlineExceededError(absl::StrCat(
          "waited ", absl::FormatDuration(limit), " in vain for ", what));
    }
    absl::SleepFor(kPeriod);
  }
  return absl::OkStatus();
}

absl::Status Pause(absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  for (absl::Time now = absl::Now(); now < end; now = absl::Now()) {
    if (interrupted != 0) return Interrupted();
    absl::SleepFor(std::min(end - now, absl::Milliseconds(50)));
  }
  return absl::OkStatus();
}

}  // namespace shop
