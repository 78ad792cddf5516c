// Converts times to and from the messages of the admin service.
//
//   *view.mutable_since() = TimestampOf(snapshot.since);
//
// Timestamps are wall-clock time, to the millisecond; durations are exact.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_TIME_VIEW_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_TIME_VIEW_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>

#include "absl/types/optional.h"
#include "src/core/base/time.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {

google::protobuf::Timestamp TimestampOf(
    std::chrono::system_clock::time_point t);
// Use the same `clock` for all times of a response, so that they agree.
google::protobuf::Timestamp TimestampOf(core::Time t,
                                        const engine::WallClock& clock = {});
google::protobuf::Duration DurationOf(core::Duration d);
// The inverse; nullopt if it is not in [shortest, longest], or not well formed.
// `shortest` is not negative.
absl::optional<core::Duration> DurationIn(const google::protobuf::Duration& d,
                                          core::Duration shortest,
                                          core::Duration longest);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_TIME_VIEW_H_
