#include "examples/shop/open_watch.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "examples/shop/servers.h"
#include "examples/shop/wait.h"

namespace shop {
namespace {

// The admin service reports times to the millisecond.
constexpr absl::Duration kSlack = absl::Milliseconds(5);
// What a call sends at least: its headers, and a message with an identifier of
// its own. The end of an earlier call, which gRPC may send late on a machine
// that stands still, takes 13 bytes (RST_STREAM).
constexpr int64_t kLeastCallBytes = 50;
// In which nothing arrives before arrivals are counted.
constexpr absl::Duration kQuiet = absl::Milliseconds(300);

int PortOf(const std::string& address) {
  int port = 0;
  (void)absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port);
  return port;
}

// Returns the number of bytes that have arrived at the connections of a
// server's port and have not been read yet. Absent if there is no connection.
absl::optional<int64_t> UnreadBytes(int port) {
  const std::string suffix = absl::StrFormat(":%04X", port);
  absl::optional<int64_t> sum;
  // gRPC listens on IPv6 sockets for IPv4 addresses too.
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string number, local, remote, state, queues;
      words >> number >> local >> remote >> state >> queues;
      constexpr char kEstablished[] = "01";
      if (state != kEstablished || !absl::EndsWith(local, suffix)) continue;
      const size_t colon = queues.find(':');  // "tx:rx", in hex
      uint32_t unread = 0;
      if (colon == std::string::npos ||
          !absl::SimpleHexAtoi(queues.substr(colon + 1), &unread)) {
        continue;
      }
      sum = sum.value_or(0) + unread;
    }
  }
  return sum;
}

}  // namespace

OpenWatch::OpenWatch(const AdminView* admin, const std::string& payment_address)
    : admin_(admin), port_(PortOf(payment_address)) {}

absl::Status OpenWatch::BeginFrozen() {
  // Waits until no call is in flight and two readings in a row are equal. A
  // call that was admitted just before the breaker opened hangs until its
  // deadline, and only then does gRPC send its end. While calls are admitted,
  // no two readings in a row are equal.
  absl::optional<int64_t> last;
  absl::Time read = absl::InfinitePast();
  return WaitUntil("calls to stop arriving at the frozen payment server",
                   absl::Seconds(10), [&] {
                     if (absl::Now() < read + kQuiet) {
                       return false;
                     }
                     read = absl::Now();
                     const auto method = admin_->Charge();
                     if (!method.ok() || method->calls().in_flight() > 0) {
                       last.reset();
                       return false;
                     }
                     bytes_before_ = UnreadBytes(port_);
                     if (!bytes_before_) return true;
                     if (last == bytes_before_) return true;
                     last = bytes_before_;
                     return false;
                   });
}

void OpenWatch::EndFrozen() {
  if (!bytes_before_) return;
  bytes_ = UnreadBytes(port_).value_or(0) - *bytes_before_;
}

absl::Status OpenWatch::Look(v1::PaymentService::Stub* payment) {
  absl::StatusOr<firebreak::v1::Method> method = admin_->Charge();
  if (!method.ok()) return method.status();
  method_ = *std::move(method);
  int64_t calls = 0;
  if (payment != nullptr) {
    absl::StatusOr<v1::GetStatsReply> stats = PaymentStats(payment);
    if (!stats.ok()) return stats.status();
    calls = stats->calls();
  }
  if (StateOf(method_) != "open") return absl::OkStatus();
  if (!attempts_before_) {
    // This is the reading after the first one that found the breaker open. By
    // now, attempts that were admitted before it opened have been counted.
    attempts_before_ = AttemptsOf(method_);
    probe_due_ = ProbeDueOf(method_);
  }
  if (absl::Now() >= probe_due_ - kSlack) return absl::OkStatus();
  attempts_ = std::max(attempts_, AttemptsOf(method_) - *attempts_before_);
  calls_ = std::max(calls_, calls);
  ++readings_;
  return absl::OkStatus();
}

int64_t OpenWatch::reached() const {
  const int64_t arrived = calls_ + bytes_ / kLeastCallBytes;
  return std::max(attempts_, arrived);
}

std::string OpenWatch::ToString() const {
  return absl::StrCat(
      "reached payment while open: ", attempts_, " attempts (admin service, ",
      readings_, " readings), ",
      bytes_before_ ? absl::StrCat(bytes_, " bytes (kernel, while frozen), ")
                    : std::string(),
      calls_, " calls (payment itself, since its restart)");
}

}  // namespace shop
