// The JSON that the page gets for each target:
//
//   {"target": "a:1", "error": "", "asOf": 1764000000000, "full": true,
//    "methods": [{"engine": "", "channel": "payment", "method": "/shop...",
//                 "score": 25, "level": 3, "policy": "payment",
//                 "breakers": [{"target", "state", "since", "probe",
//                               "overrideEnd", "cause", "shadow"}],
//                 "rate": 12.5, "failed": 0.5, "refused": 0.1,
//                 "retried": 0.02, "hedged": 0, "p50": 1200, "p99": 80000,
//                 "inFlight": 3, "queued": 0, "queueLimit": 10,
//                 "tokens": 9.5, "burst": 10,
//                 "history": [[1200, 80000], ...]}],
//    "events": [{"seq", "time", "kind", "channel", "method", "target", "from",
//                "to", "cause", "actor", "action", "refused", "shadow"}]}
//
// Times are milliseconds since 1970, latencies microseconds, shares [0, 1].
// `history`, one pair per five seconds and the oldest first, is only there when
// a viewer gets the method for the first time.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_JSON_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_JSON_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/v1/admin.pb.h"

namespace firebreak::ctl {

// With quotes. Characters that could end a script, tag or line are escaped.
std::string JsonQuoted(absl::string_view text);

// The last five minutes of a method, in steps of five seconds.
class MethodHistory {
 public:
  static constexpr size_t kSamples = 60;
  static constexpr int64_t kStepMs = 5'000;
  struct Sample {
    int64_t at_ms = 0;
    int64_t p50_us = 0;
    int64_t p99_us = 0;
    int64_t first = 0;
    int64_t retries = 0;
    int64_t hedges = 0;
  };

  // Keeps one sample per step; the times may stand still or run back.
  void Add(const v1::Method& method, const google::protobuf::Timestamp& as_of);
  const std::deque<Sample>& samples() const { return samples_; }
  // Retries and hedges per call, over the last minute.
  double Retried(const v1::Method& method) const;
  double Hedged(const v1::Method& method) const;

 private:
  const Sample* MinuteAgo() const;

  std::deque<Sample> samples_;
};

std::string MethodJson(const v1::Method& method, const MethodHistory& history);
// MethodJson() and its history.
std::string WithHistory(const std::string& json, const MethodHistory& history);
std::string EventJson(const v1::Event& event);

struct TargetFrame {
  std::string target;
  std::string error;
  bool is_full = false;  // it has all methods; others no longer exist
  google::protobuf::Timestamp as_of;
  std::vector<std::string> methods;  // JSON
  std::vector<std::string> events;   // JSON
};
std::string ToJson(const TargetFrame& frame);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_JSON_H_
