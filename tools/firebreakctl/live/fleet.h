// Keeps the methods of a fleet of processes up to date, with one connection and
// two threads per target, however many viewers there are.
//
//   Fleet fleet(settings);
//   absl::Status ready = fleet.Connect();
//   fleet.Start();
//   Fleet::Cursor cursor;                       // for one viewer
//   std::string frames = fleet.Wait(&cursor, std::chrono::seconds(5));
//
// A target is polled every second while there are viewers, at once after an
// event, and every five seconds without viewers. A target that is slow to
// answer, because it has many methods or is busy, is polled less often, so that
// it spends about a hundredth of its time on answers; but at least every five
// seconds. A viewer only gets what has changed since it last looked. A slow
// viewer misses the states in between, so nothing queues up for it.
//
// A target that does not answer keeps its last state, with the error beside it,
// and is still polled.
//
// Thread safety: safe from any thread after Start().
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_H_

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/core/base/time.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/show/render.h"

namespace firebreak::ctl {

class Fleet {
 public:
  static constexpr core::Duration kInterval = std::chrono::seconds(1);
  static constexpr core::Duration kIdleInterval = std::chrono::seconds(5);
  // The error of a target before its first answer.
  static constexpr char kNotAsked[] = "it has not been asked yet";
  // The most events that are kept for each target.
  static constexpr size_t kEvents = 300;

  // How far a viewer has seen each target. Empty: it has seen nothing.
  struct Cursor {
    std::vector<uint64_t> versions;
  };

  // The time between two polls of a target whose last answer took this long.
  static constexpr core::Duration IntervalAfter(core::Duration took) {
    return std::clamp(100 * std::min(took, kIdleInterval), kInterval,
                      kIdleInterval);
  }

  explicit Fleet(Settings settings);
  // Ends its threads.
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // To be called first. INVALID_ARGUMENT for the reasons of ctl::Connect().
  absl::Status Connect();
  void Start();

  // Returns the events of an SSE stream, one for each target that has changed,
  // as the JSON of fleet_json.h. "" if none changes within `patience`.
  std::string Wait(Cursor* cursor, core::Duration patience);
  // A viewer has come, or has left.
  void AddViewer();
  void RemoveViewer();

  // The last list of every target, worst first, or why there is none.
  Answers<v1::ListMethodsResponse> Last() const;
  // Null if there is no such target.
  v1::Admin::Stub* Find(const std::string& target) const;
  std::vector<std::string> targets() const { return settings_.targets; }
  const Settings& settings() const { return settings_; }
  // Sets the deadline and the token.
  void Begin(grpc::ClientContext* context) const;

 private:
  struct Target;

  void Poll(Target* target);
  // Returns how long the answer took; zero if there was none.
  core::Duration PollOnce(Target* target);
  void Watch(Target* target);
  grpc::Status WatchOnce(Target* target);
  bool SleepFor(core::Duration d);

  const Settings settings_;
  std::vector<std::unique_ptr<Target>> targets_;
  mutable std::mutex mu_;
  // Notified of changes, and of the end.
  std::condition_variable news_;
  // Notified if a poller has something to do.
  std::condition_variable work_;
  uint64_t version_ = 0;  // of the newest change, guarded by mu_
  int viewers_ = 0;       // guarded by mu_
  bool stops_ = false;    // guarded by mu_
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_LIVE_FLEET_H_
