#include "src/admin/time_view.h"

#include <cstdint>

namespace firebreak::admin {

google::protobuf::Timestamp TimestampOf(
    std::chrono::system_clock::time_point t) {
  // Milliseconds: below that two readings of the clocks disagree from one
  // answer to the next.
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

}  // namespace firebreak::admin
