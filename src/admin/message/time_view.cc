#include "src/admin/message/time_view.h"

#include <cstdint>

namespace firebreak::admin {

google::protobuf::Timestamp TimestampOf(
    std::chrono::system_clock::time_point t) {
  // To the millisecond: below that, two readings of the clocks differ from one
  // response to the next.
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                         t.time_since_epoch())
                         .count();
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(ms / 1000);
  timestamp.set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  return timestamp;
}

google::protobuf::Timestamp TimestampOf(core::Time t,
                                        const engine::WallClock& clock) {
  return TimestampOf(clock.At(t));
}

google::protobuf::Duration DurationOf(core::Duration d) {
  google::protobuf::Duration duration;
  duration.set_seconds(d.count() / 1'000'000'000);
  duration.set_nanos(static_cast<int32_t>(d.count() % 1'000'000'000));
  return duration;
}

absl::optional<core::Duration> DurationIn(const google::protobuf::Duration& d,
                                          core::Duration shortest,
                                          core::Duration longest) {
  // Checked before they are added, since the sum may overflow.
  const int64_t most =
      std::chrono::duration_cast<std::chrono::seconds>(longest).count();
  if (d.seconds() < 0 || d.seconds() > most || d.nanos() < 0 ||
      d.nanos() >= 1'000'000'000) {
    return absl::nullopt;
  }
  const core::Duration sum =
      std::chrono::seconds(d.seconds()) + std::chrono::nanoseconds(d.nanos());
  if (sum < shortest || sum > longest) return absl::nullopt;
  return sum;
}

}  // namespace firebreak::admin
